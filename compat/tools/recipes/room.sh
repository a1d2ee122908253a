# shellcheck shell=bash
# Not the tool itself: the number in the header of the file, and the two tables that Room and Android make.
apply() {
    local file
    if [ "$(sqlite3 "$2" 'PRAGMA user_version')" = 0 ]; then
        sql "$2" <<'SQL'
CREATE TABLE android_metadata (locale TEXT);
INSERT INTO android_metadata VALUES ('en_GB');
CREATE TABLE room_master_table (id INTEGER PRIMARY KEY,identity_hash TEXT);
SQL
    fi
    for file in "$1"/*.sql; do
        local version
        version=$(basename "$file" | sed 's/_.*//')
        if [ "$version" -le "$(sqlite3 "$2" 'PRAGMA user_version')" ]; then continue; fi
        { echo 'BEGIN EXCLUSIVE;'; cat "$file"; identity "$version"; echo "PRAGMA user_version = $version; COMMIT;"; } | sql "$2"
    done
}

# Room takes the hash of the entities in the program; any 32 digits will do here.
identity() { echo "INSERT OR REPLACE INTO room_master_table (id, identity_hash) VALUES (42, '$(md5sum <<< "$1" | cut -c1-32)');"; }
