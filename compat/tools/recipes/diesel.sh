prepare() { writer diesel diesel_writer; }
apply() { "$writer" "$1" "$2"; }
