# shellcheck shell=bash
prepare() {
    cp writers/drizzle/* "work/$set"
    npm ci --silent --ignore-scripts --prefix "work/$set"
}
apply() { serve "$1" "file:$2"; }
serve() { node "work/$set/writer.js" "$1" "$2"; }

# What runs is what the journal says.
all_but_last() {
    local to="work/$set/all_but_last"
    rm -rf "$to"
    cp -r "fixtures/$set/migrations" "$to"
    rm "$to"/*pinned_notes*
    node - "$to/meta/_journal.json" <<'JS'
const [file] = process.argv.slice(2);
const fs = require("fs");
const journal = JSON.parse(fs.readFileSync(file));
journal.entries.pop();
fs.writeFileSync(file, JSON.stringify(journal));
JS
    echo "$to"
}
