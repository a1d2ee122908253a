# shellcheck shell=bash
# On a server it is linked with the C libraries of the machine: Debian's packages libpq-dev and libmariadb-dev.
prepare() { writer diesel diesel_writer ${kinds:+--features servers}; }
apply() { serve "$1" "$2"; }
serve() { "$writer" "$1" "$2"; }
