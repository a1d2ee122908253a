# shellcheck shell=bash
# Its migrations are compiled in, so a part of them is a number.
prepare() { writer seaorm seaorm_writer; }
apply() { serve "$1" "sqlite:$2"; }
serve() { "$writer" "$(find "$1" -name '*.rs' | wc -l)" "$2"; }
databases() { complete; partial; failed half; }
