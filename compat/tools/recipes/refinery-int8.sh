# shellcheck shell=bash
. recipes/refinery.sh
prepare() { writer rusqlite refinery_writer --features int8-versions; }
