# shellcheck shell=bash
# Needs Debian's packages ruby-activerecord and ruby-sqlite3.
apply() { RAILS_ENV=production ruby writers/rails/writer.rb "$1" "$2"; }

# The statements that each migration ran.
scripts() {
    rm -rf "$out/sql"
    mkdir "$out/sql"
    RAILS_ENV=production ruby writers/rails/writer.rb "$out/migrations" ":memory:" "$out/sql"
}
databases() { complete; partial; scripts; }
