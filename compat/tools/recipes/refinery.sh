prepare() { writer rusqlite refinery_writer; }
apply() { "$writer" "$1" "$2"; }
