# shellcheck shell=bash
# Needs Debian's packages ruby-activerecord and ruby-sqlite3, on the servers ruby-pg and ruby-mysql2.
apply() { serve "$1" "sqlite3:$2"; }
serve() { RAILS_ENV=production ruby writers/rails/writer.rb "$1" "${2/#mysql:/mysql2:}"; }

# The statements that each migration ran.
scripts() {
    rm -rf "$out/sql"
    mkdir "$out/sql"
    RAILS_ENV=production ruby writers/rails/writer.rb "$out/migrations" "sqlite3::memory:" "$out/sql"
}
databases() { complete; partial; scripts; }
