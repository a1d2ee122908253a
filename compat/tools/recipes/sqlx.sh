# shellcheck shell=bash
prepare() { writer sqlx sqlx_writer; }
apply() { serve "$1" "sqlite:$2"; }
serve() { "$writer" "$1" "$2"; }
traces=mysql
