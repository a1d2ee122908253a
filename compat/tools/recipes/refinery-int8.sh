. recipes/refinery.sh
prepare() { writer rusqlite refinery_writer --features int8-versions; }
