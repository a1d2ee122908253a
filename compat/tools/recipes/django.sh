# shellcheck shell=bash
# For the servers it builds a driver, with Debian's packages libmariadb-dev and pkg-config.
prepare() {
    python3 -m venv "work/$set/venv"
    "work/$set/venv/bin/pip" install --quiet --requirement writers/django/requirements.txt
    if [ -n "${kinds:-}" ]; then "work/$set/venv/bin/pip" install --quiet --requirement writers/django/requirements-servers.txt; fi
    cp writers/django/manage.py "work/$set"
    mkdir "work/$set/notes"
    touch "work/$set/notes/__init__.py"
}

# manage <migrations> <url> <command>...
manage() {
    rm -rf "work/$set/notes/migrations"
    cp -r "$1" "work/$set/notes/migrations"
    PYTHONDONTWRITEBYTECODE=1 "work/$set/venv/bin/python" "work/$set/manage.py" "${@:2}"
}
apply() { serve "$1" "sqlite:$2"; }
serve() { manage "$1" "$2" migrate --no-color; }

# What the migrations are in SQL, as Django itself says it, without the lines that begin and end a transaction.
scripts() {
    local file name
    rm -rf "$out/sql"
    mkdir "$out/sql"
    for file in "$out"/migrations/0*.py; do
        name=$(basename "$file" .py)
        script "$name" > "$out/sql/$name.up.sql"
        script "$name" --backwards > "$out/sql/$name.down.sql"
    done
}
script() { manage "$out/migrations" sqlite::memory: sqlmigrate notes "$@" | grep -vx -e 'BEGIN;' -e 'COMMIT;'; }
databases() { complete; partial; scripts; }
