# shellcheck shell=bash
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
        cd "work/$set" || exit
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

# On a server: not the tool itself, whose engine inside the package cannot speak to one (6.19.3). The table is that of its source, and each
# migration runs between its row and the end of it.
serve() {
    case $kind in
    postgres)
        say postgres <<'SQL'
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)
SQL
        ;;
    mysql)
        say mysql <<'SQL'
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             DATETIME(3),
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          DATETIME(3),
    started_at              DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    applied_steps_count     INTEGER UNSIGNED NOT NULL DEFAULT 0
)
SQL
        ;;
    esac
    local script name id message
    for script in "$1"/*/migration.sql; do
        name=$(basename "$(dirname "$script")")
        if [ "$(say "$kind" <<< "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '$name'")" != 0 ]; then continue; fi
        id=$(python3 -c 'import uuid; print(uuid.uuid4())')
        say "$kind" <<< "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('$id', '$(sha256sum < "$script" | cut -c1-64)', '$name')"
        if message=$({ echo 'BEGIN;'; cat "$script"; echo 'COMMIT;'; } | say "$kind" 2>&1); then
            say "$kind" <<< "UPDATE _prisma_migrations SET finished_at = CURRENT_TIMESTAMP(3), applied_steps_count = 1 WHERE id = '$id'"
        else
            say "$kind" <<< "UPDATE _prisma_migrations SET logs = '$(grep -o 'ERROR.*' <<< "$message" | sed "s/'/''/g")' WHERE id = '$id'"
            return 1
        fi
    done
}
traces='postgres mysql'
