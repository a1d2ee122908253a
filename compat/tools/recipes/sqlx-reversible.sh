# shellcheck shell=bash
. recipes/sqlx.sh
