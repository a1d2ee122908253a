prepare() { writer sqlx sqlx_writer; }
apply() { "$writer" "$1" "$2"; }
