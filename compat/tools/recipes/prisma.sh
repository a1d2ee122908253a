prepare() {
    cp writers/prisma/* "work/$set"
    npm ci --silent --ignore-scripts --prefix "work/$set"
}

apply() {
    (
        export MIGRATIONS DATABASE PRISMA_HIDE_UPDATE_MESSAGE=1 CHECKPOINT_DISABLE=1
        MIGRATIONS=$(realpath "$1") DATABASE=$(realpath "$2")
        # The engine in machine code is in no registry, and this command does not start it: a name is enough.
        export PRISMA_QUERY_ENGINE_LIBRARY=/dev/null
        cd "work/$set"
        npx --no-install prisma migrate deploy
    )
}

# After a failure: its first half taken back by hand, `resolve --rolled-back`, which needs the other engine and is here the update
# that it makes, and then it went well.
resolved() {
    cp "$out/failed.db" "$out/resolved.db"
    sql "$out/resolved.db" <<'SQL'
DROP INDEX pinned_notes;
ALTER TABLE notes DROP COLUMN pinned;
UPDATE _prisma_migrations SET rolled_back_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') WHERE finished_at IS NULL;
SQL
    apply "$out/migrations" "$out/resolved.db"
    close "$out/resolved.db"
}

# The engine in machine code writes times as milliseconds since 1970, and is otherwise the same.
milliseconds() {
    cp "$out/complete.db" "$out/milliseconds.db"
    sql "$out/milliseconds.db" <<'SQL'
UPDATE _prisma_migrations SET started_at = CAST(round((julianday(started_at) - 2440587.5) * 86400000) AS INTEGER),
    finished_at = CAST(round((julianday(finished_at) - 2440587.5) * 86400000) AS INTEGER);
SQL
    close "$out/milliseconds.db"
}
databases() { complete; partial; failed; resolved; milliseconds; }
