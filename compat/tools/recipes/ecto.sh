# shellcheck shell=bash
# Not the tool itself: each migration, then its row, as `Ecto.Migrator` does it with `ecto_sqlite3`.
apply() {
    local file version
    sql "$2" <<< 'CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" INTEGER PRIMARY KEY, "inserted_at" TEXT)'
    for file in "$1"/*.exs; do
        version=$(basename "$file" | sed 's/_.*//')
        if [ -n "$(sqlite3 "$2" "SELECT 1 FROM schema_migrations WHERE version = $version")" ]; then continue; fi
        {
            echo 'BEGIN;'
            cat "$out/sql/$(basename "$file" .exs).up.sql"
            echo "INSERT INTO schema_migrations (version, inserted_at) VALUES ($version, strftime('%Y-%m-%dT%H:%M:%S', 'now')); COMMIT;"
        } | sql "$2"
    done
}
