#!/usr/bin/env bash
# make.sh <set>...: makes fixtures/<set>/*.db anew, each by the tool itself. What it installs goes into work/ beside it.
# make.sh --servers <set>...: the same on PostgreSQL and MariaDB, as fixtures/<set>/postgres.sql and mysql.sql; see servers.sh.
#
# A recipe is recipes/<set>.sh. It says how the tool is got (`prepare`) and how it is run (`apply <migrations> <database>`),
# and may replace anything else that stands here.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C TZ=UTC

fail() { echo "make.sh: $*" >&2; exit 1; }

# new <database>: an empty one of small pages, so that the fixtures are small.
new() {
    rm -f "$1" "$1"-journal "$1"-wal "$1"-shm
    sqlite3 "$1" 'PRAGMA page_size = 1024; VACUUM'
}

# A folder in which tools may leave what they like, and which is made anew for each set.
scratch() { rm -rf "work/$set"; mkdir -p "work/$set"; }

# all_but_last: the migrations without the newest, in a folder of their own.
all_but_last() {
    local to="work/$set/all_but_last"
    rm -rf "$to"
    cp -r "fixtures/$set/migrations" "$to"
    rm -r "$to"/*pinned_notes*
    echo "$to"
}

# sql <database>: runs what it is given, up to the first error.
sql() { sqlite3 -bail "$1"; }

rows() { sql "$1" < rows.sql; }

# What stands between the migrations and their newest one: an index of its name, made by hand.
obstacle() { sql "$1" <<< 'CREATE INDEX pinned_notes ON notes (user_id)'; }

# close <database>: nothing of it may be in another file.
close() {
    sqlite3 "$1" 'PRAGMA journal_mode = DELETE; PRAGMA integrity_check' | tr '\n' ' ' | grep -q '^delete ok $' || fail "$1 is damaged"
    rm -f "$1"-wal "$1"-shm
}

complete() {
    new "$out/complete.db"
    apply "$(all_but_last)" "$out/complete.db"
    rows "$out/complete.db"
    apply "fixtures/$set/migrations" "$out/complete.db"
    close "$out/complete.db"
}

partial() {
    new "$out/partial.db"
    apply "$(all_but_last)" "$out/partial.db"
    rows "$out/partial.db"
    close "$out/partial.db"
}

# failed [name]: only of tools that leave a trace of a failure.
failed() {
    local db="$out/${1:-failed}.db"
    new "$db"
    apply "$(all_but_last)" "$db"
    rows "$db"
    obstacle "$db"
    if apply "fixtures/$set/migrations" "$db"; then fail "$set: the obstacle was none"; fi
    close "$db"
}

prepare() { :; }
databases() { complete; partial; }

# writer <package> <program> [option of cargo]...: builds one of the programs in writers/, which is then "$writer".
writer() {
    cargo build --locked --manifest-path "writers/$1/Cargo.toml" --bin "$2" "${@:3}"
    writer="${CARGO_TARGET_DIR:-writers/$1/target}/debug/$2"
}

main() { databases; }
if [ "${1:-}" = --servers ]; then
    shift
    # shellcheck source=servers.sh
    . ./servers.sh
fi

[ $# -gt 0 ] || fail "which of: $(cd recipes && echo *.sh | sed 's/\.sh//g')"
for set in "$@"; do
    [ -f "recipes/$set.sh" ] || fail "there is no recipes/$set.sh"
    (
        out="fixtures/$set"
        # shellcheck source=/dev/null
        . "recipes/$set.sh"
        scratch
        prepare
        main
    )
    echo "$set: $(cd "fixtures/$set" && find . -maxdepth 1 -name '*.db' -o -maxdepth 1 -name '*.sql' | sort | tr '\n' ' ')"
done
