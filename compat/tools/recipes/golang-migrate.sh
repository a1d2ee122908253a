# shellcheck shell=bash
# Not the tool itself: each migration between two rewritings of the one row, as its driver `sqlite3` does it.
apply() {
    sql "$2" <<'SQL'

	CREATE TABLE IF NOT EXISTS schema_migrations (version uint64,dirty bool);
  CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON schema_migrations (version);
SQL
    local file version reached
    reached=$(sqlite3 "$2" 'SELECT version FROM schema_migrations')
    for file in "$1"/*.up.sql; do
        version=$(basename "$file" | sed -E 's/^0*([0-9]+)_.*/\1/')
        if [ "$version" -le "${reached:-0}" ]; then continue; fi
        set_version "$2" "$version" 1
        { echo 'BEGIN;'; cat "$file"; echo 'COMMIT;'; } | sql "$2" || return 1
        set_version "$2" "$version" 0
    done
}
set_version() { sql "$1" <<< "BEGIN; DELETE FROM schema_migrations; INSERT INTO schema_migrations (version, dirty) VALUES ($2, $3); COMMIT"; }
databases() { complete; partial; failed; }

# On a server: the same, and MySQL keeps what was done before a statement failed.
serve() {
    say "$kind" <<< 'CREATE TABLE IF NOT EXISTS schema_migrations (version bigint not null primary key, dirty boolean not null)'
    local file version reached
    reached=$(say "$kind" <<< 'SELECT version FROM schema_migrations')
    for file in "$1"/*.up.sql; do
        version=$(basename "$file" | sed -E 's/^0*([0-9]+)_.*/\1/')
        if [ "$version" -le "${reached:-0}" ]; then continue; fi
        set_version_on_server "$version" true
        { echo 'BEGIN;'; cat "$file"; echo 'COMMIT;'; } | say "$kind" || return 1
        set_version_on_server "$version" false
    done
}
set_version_on_server() { say "$kind" <<< "BEGIN; DELETE FROM schema_migrations; INSERT INTO schema_migrations (version, dirty) VALUES ($1, $2); COMMIT"; }
traces='postgres mysql'
