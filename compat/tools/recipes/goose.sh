# Not the tool itself: its table, the row of version 0, and each migration in one transaction with its row.
apply() {
    if [ -z "$(sqlite3 "$2" "SELECT 1 FROM sqlite_schema WHERE name = 'goose_db_version'")" ]; then
        sql "$2" <<'SQL'
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1);
SQL
    fi
    local file
    for file in "$1"/*.sql; do
        if [ "$(state "$2" "$(version "$file")")" = 1 ]; then continue; fi
        part Up Down "$file" | recorded "$2" "$(version "$file")" 1
    done
}
version() { basename "$1" | sed 's/_.*//'; }
state() { sqlite3 "$1" "SELECT is_applied FROM goose_db_version WHERE version_id = $2 ORDER BY id DESC LIMIT 1"; }
part() { sed -n "/^-- +goose $1/,/^-- +goose $2/p" "$3"; }
recorded() {
    { echo 'BEGIN;'; cat; echo "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($2, $3); COMMIT;"; } | sql "$1"
}

# Until 2021 it wrote another row when it went back, with `is_applied = 0`, instead of deleting the old one; such histories live on.
undone() {
    new "$out/undone.db"
    apply "fixtures/$set/migrations" "$out/undone.db"
    rows "$out/undone.db"
    local newest
    newest=$(find "fixtures/$set/migrations" -name '*pinned_notes*')
    part Down Nothing "$newest" | recorded "$out/undone.db" "$(version "$newest")" 0
    close "$out/undone.db"
}
databases() { complete; partial; undone; }
