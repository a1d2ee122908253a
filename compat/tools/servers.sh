# shellcheck shell=bash
# Of make.sh: private servers, and the dumps of what a tool made on them. A server of each kind is started once, in a folder of its
# own, and stopped when make.sh ends. As the superuser of the machine it needs `runuser`, because PostgreSQL refuses to be run by him.

folder=$(mktemp -d)
chmod 755 "$folder"
trap stop EXIT
declare -A port

stop() {
    local pid
    for pid in "$folder"/*.pid; do
        if [ -e "$pid" ]; then kill "$(cat "$pid")" && tail --pid="$(cat "$pid")" -f /dev/null; fi
    done
    rm -rf "$folder"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# lowly <command>...: as nobody, if we are the superuser.
lowly() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }

# ready <command>...: waits until it succeeds, for half a minute.
ready() {
    local _
    for _ in $(seq 150); do if "$@" > /dev/null 2>&1; then return; fi; sleep 0.2; done
    cat "$folder"/*.log >&2
    fail "the server does not answer"
}

start_postgres() {
    local bin
    bin=$(find /usr/lib/postgresql -path '*/bin/postgres' | sort | tail -1 | xargs dirname)
    port[postgres]=$(free_port)
    mkdir "$folder/postgres"
    if [ "$(id -u)" = 0 ]; then chown nobody "$folder/postgres"; fi
    lowly "$bin/initdb" -D "$folder/postgres" -U app -A trust -E UTF8 --locale=C --no-sync > "$folder/postgres.log"
    lowly "$bin/postgres" -D "$folder/postgres" -k "$folder/postgres" -c listen_addresses=127.0.0.1 -c "port=${port[postgres]}" -c fsync=off \
        > "$folder/postgres.log" 2>&1 &
    ready psql "postgres://app@127.0.0.1:${port[postgres]}/postgres" -c 'SELECT 1'
    head -1 "$folder/postgres/postmaster.pid" > "$folder/postgres.pid"
}

start_mysql() {
    port[mysql]=$(free_port)
    mkdir "$folder/mysql"
    mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db --datadir="$folder/mysql" > "$folder/mysql.log"
    local user=()
    if [ "$(id -u)" = 0 ]; then user=(--user=root); fi
    mariadbd --no-defaults "${user[@]}" --datadir="$folder/mysql" --socket="$folder/mysql/socket" --bind-address=127.0.0.1 \
        --port="${port[mysql]}" --pid-file="$folder/mysql.pid" > "$folder/mysql.log" 2>&1 &
    ready mariadb --no-defaults -h 127.0.0.1 -P "${port[mysql]}" -u root -e 'SELECT 1'
}

# fresh <kind>: an empty database `app`, whose address is then "$url".
fresh() {
    case $1 in
    postgres)
        url="postgres://app@127.0.0.1:${port[postgres]}/app"
        psql -q "${url%/app}/postgres" -c 'DROP DATABASE IF EXISTS app' -c 'CREATE DATABASE app' 2> /dev/null
        ;;
    mysql)
        url="mysql://root@127.0.0.1:${port[mysql]}/app"
        say mysql '' <<< 'DROP DATABASE IF EXISTS app; CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci'
        ;;
    esac
}

# say <kind> [database]: runs what it is given, up to the first error; answers are bare.
say() {
    case $1 in
    postgres) psql -qAtX -v ON_ERROR_STOP=1 "$url" ;;
    mysql) mariadb --no-defaults -N -h 127.0.0.1 -P "${port[mysql]}" -u root "${2-app}" ;;
    esac
}

# dump <kind>: the whole database, in statements that any client runs: nothing for the programs `psql` and `mariadb` in it.
dump() {
    case $1 in
    postgres)
        pg_dump --inserts --no-owner --no-privileges "$url" \
            | sed -E '/^(--|SET |SELECT pg_catalog\.set_config|\\)/d' | cat -s
        ;;
    mysql)
        echo 'SET FOREIGN_KEY_CHECKS = 0;'
        # Views come in comments that only a server takes for statements, and with the name of whoever made them.
        mapfile -t tables < <(say mysql <<< "SHOW FULL TABLES WHERE table_type = 'BASE TABLE'" | cut -f1)
        mariadb-dump --no-defaults --compact --hex-blob --skip-extended-insert --complete-insert -h 127.0.0.1 -P "${port[mysql]}" -u root app "${tables[@]}" \
            | sed -E '/^\/\*/d'
        say mysql <<< "SELECT concat('CREATE VIEW \`', table_name, '\` AS ', replace(view_definition, '\`app\`.', ''), ';')
            FROM information_schema.views WHERE table_schema = 'app'"
        echo 'SET FOREIGN_KEY_CHECKS = 1;'
        ;;
    esac
}

# keep <file>: the dump, once it is known that it can be loaded and is then the same.
keep() {
    dump "$kind" > "$1"
    fresh "$kind"
    say "$kind" < "$1" > "$folder/answers"
    dump "$kind" | cmp - "$1" || fail "$1 is not what was dumped"
}

# A recipe says how its tool is run with an address (`serve <migrations> <url>`), and on which kinds of server a failure leaves a trace.
kinds='postgres mysql'
traces=''

main() {
    local kind
    for kind in $kinds; do
        fresh "$kind"
        serve "$(all_but_last)" "$url"
        say "$kind" < rows.sql
        keep "$out/$kind.sql"
        if [[ " $traces " == *" $kind "* ]]; then
            say "$kind" <<< 'CREATE INDEX pinned_notes ON notes (user_id)'
            if serve "fixtures/$set/migrations" "$url"; then fail "$set: the obstacle was none"; fi
            keep "$out/$kind-failed.sql"
        fi
    done
}

start_postgres
start_mysql
