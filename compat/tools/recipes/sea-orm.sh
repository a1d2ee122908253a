# Its migrations are compiled in, so a part of them is a number.
prepare() { writer seaorm seaorm_writer; }
apply() { "$writer" "$(find "$1" -name '*.rs' | wc -l)" "$2"; }
