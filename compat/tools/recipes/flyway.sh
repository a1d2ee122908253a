# shellcheck shell=bash
# Not the tool itself: its table and index, and each migration in one transaction with its row.
apply() {
    if [ -z "$(sqlite3 "$2" "SELECT 1 FROM sqlite_schema WHERE name = 'flyway_schema_history'")" ]; then
        sql "$2" <<'SQL'
CREATE TABLE "flyway_schema_history" (
    "installed_rank" INT NOT NULL PRIMARY KEY,
    "version" VARCHAR(50),
    "description" VARCHAR(200) NOT NULL,
    "type" VARCHAR(20) NOT NULL,
    "script" VARCHAR(1000) NOT NULL,
    "checksum" INT,
    "installed_by" VARCHAR(100) NOT NULL,
    "installed_on" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),
    "execution_time" INT NOT NULL,
    "success" BOOLEAN NOT NULL
);
CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("success");
SQL
    fi
    local file
    for file in "$1"/V*.sql; do migrate "$2" "$file" "$(basename "$file" | sed -E "s/^V(.*)__.*/'\1'/")"; done
    # What is run again whenever it changes has no version, and comes last.
    for file in "$1"/R*.sql; do migrate "$2" "$file" NULL; done
}
migrate() {
    local script rank
    script=$(basename "$2")
    if [ -n "$(sqlite3 "$1" "SELECT 1 FROM flyway_schema_history WHERE script = '$script'")" ]; then return; fi
    rank=$(sqlite3 "$1" 'SELECT coalesce(max(installed_rank), 0) + 1 FROM flyway_schema_history')
    {
        echo 'BEGIN;'
        cat "$2"
        echo "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)"
        echo "VALUES ($rank, $3, '$(sed -E 's/^[VR].*__(.*)\.sql/\1/; y/_/ /' <<< "$script")', 'SQL', '$script', $(checksum "$2"), '', 3, 1);"
        echo 'COMMIT;'
    } | sql "$1"
}

# The CRC-32 of the lines without their ends and without a byte order mark, as a number with a sign.
checksum() {
    python3 - "$1" <<'PYTHON'
import sys, zlib
text = open(sys.argv[1], encoding="utf-8-sig", newline="").read()
crc = zlib.crc32("".join(text.replace("\r\n", "\n").split("\n")).encode())
print(crc - (crc >> 31 << 32))
PYTHON
}

# A database that was there before Flyway: what made its first two tables is covered by the baseline, and never ran.
baseline() {
    new "$out/baseline.db"
    { cat "$out"/migrations/V1__*; cat "$out"/migrations/V2__*; } | sql "$out/baseline.db"
    mkdir -p "work/$set/none"
    shopt -s nullglob
    apply "work/$set/none" "$out/baseline.db"
    sql "$out/baseline.db" <<'SQL'
INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
VALUES (1, '2', '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', NULL, '', 0, 1);
SQL
    mkdir -p "work/$set/after"
    cp "$out"/migrations/[VR][3_]*.sql "work/$set/after"
    apply "work/$set/after" "$out/baseline.db"
    rows "$out/baseline.db"
    close "$out/baseline.db"
}
databases() { complete; partial; baseline; }

# On a server: the same. MySQL keeps what was done before a statement failed, and so Flyway keeps a row of the failure.
serve() {
    local file success
    say "$kind" <<SQL
CREATE TABLE IF NOT EXISTS flyway_schema_history (
    installed_rank INT NOT NULL,
    version VARCHAR(50),
    description VARCHAR(200) NOT NULL,
    type VARCHAR(20) NOT NULL,
    script VARCHAR(1000) NOT NULL,
    checksum INT,
    installed_by VARCHAR(100) NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    execution_time INT NOT NULL,
    success BOOLEAN NOT NULL,
    CONSTRAINT flyway_schema_history_pk PRIMARY KEY (installed_rank)
);
CREATE INDEX IF NOT EXISTS flyway_schema_history_s_idx ON flyway_schema_history (success);
SQL
    for file in "$1"/V*.sql "$1"/R*.sql; do
        if [ "$(served "script = '$(basename "$file")'")" != 0 ]; then continue; fi
        success=true
        { echo 'BEGIN;'; cat "$file"; echo 'COMMIT;'; } | say "$kind" || success=false
        row "$file" "$success"
        if [ $success = false ]; then return 1; fi
    done
}
served() { say "$kind" <<< "SELECT count(*) FROM flyway_schema_history WHERE $1"; }
row() {
    local script version=NULL
    script=$(basename "$1")
    case $script in V*) version="'$(sed -E 's/^V(.*)__.*/\1/' <<< "$script")'" ;; esac
    say "$kind" <<SQL
INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
VALUES ($(($(served 'installed_rank > 0') + 1)), $version, '$(sed -E 's/^[VR].*__(.*)\.sql/\1/; y/_/ /' <<< "$script")', 'SQL', '$script', $(checksum "$1"), 'app', 3, $2);
SQL
}
traces=mysql
