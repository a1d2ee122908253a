# shellcheck shell=bash
prepare() { npm install --silent --no-save --prefix "work/$set" dbmate@2.36.0; }
apply() { serve "$1" "sqlite:$2"; }
serve() {
    local url=$2
    case $url in postgres:*) url="$url?sslmode=disable" ;; esac
    "work/$set/node_modules/.bin/dbmate" --url "$url" --migrations-dir "$1" --no-dump-schema up
}
