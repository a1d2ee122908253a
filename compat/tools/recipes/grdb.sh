# shellcheck shell=bash
# Not the tool itself: each migration in one transaction with its identifier, as `DatabaseMigrator` does it.
apply() {
    local identifier
    sql "$2" <<< 'CREATE TABLE IF NOT EXISTS grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)'
    for identifier in v1 'v2 notes' 'v3 email of users' v4_pinned_notes; do
        if [ ! -f "$1/$identifier.sql" ] || [ -n "$(sqlite3 "$2" "SELECT 1 FROM grdb_migrations WHERE identifier = '$identifier'")" ]; then
            continue
        fi
        { echo 'BEGIN IMMEDIATE;'; cat "$1/$identifier.sql"; echo "INSERT INTO grdb_migrations (identifier) VALUES ('$identifier'); COMMIT;"; } | sql "$2"
    done
}
