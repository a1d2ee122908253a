# shellcheck shell=bash
prepare() {
    python3 -m venv "work/$set/venv"
    "work/$set/venv/bin/pip" install --quiet --requirement writers/alembic/requirements.txt
}
all_but_last() {
    local to="work/$set/all_but_last"
    rm -rf "$to"
    cp -r "fixtures/$set/migrations" "$to"
    rm "$to"/versions/*pinned_notes*
    echo "$to"
}
apply() { PYTHONDONTWRITEBYTECODE=1 "work/$set/venv/bin/python" writers/alembic/writer.py "$1" "$2"; }
