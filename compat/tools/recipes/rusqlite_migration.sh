# shellcheck shell=bash
# Its migrations are compiled in, so a part of them is a number.
prepare() { writer rusqlite rusqlite_migration_writer; }
apply() { "$writer" "$(find "$1" -mindepth 1 -maxdepth 1 | wc -l)" "$2"; }
