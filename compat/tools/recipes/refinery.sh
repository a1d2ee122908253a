# shellcheck shell=bash
prepare() { writer rusqlite refinery_writer; }
apply() { serve "$1" "sqlite://$PWD/$2"; }
serve() { "$writer" "$1" "$2"; }
