# shellcheck shell=bash
prepare() {
    cp writers/drizzle/writer.js writers/drizzle-1/* "work/$set"
    npm ci --silent --ignore-scripts --prefix "work/$set"
}
apply() { node "work/$set/writer.js" "$1" "file:$2"; }

# A history of 0.45, met by this version: it adds its columns and says which migration each row is.
upgraded() {
    cp fixtures/drizzle/partial.db "$out/upgraded.db"
    apply "$out/migrations" "$out/upgraded.db"
    close "$out/upgraded.db"
}
databases() { complete; partial; upgraded; }
