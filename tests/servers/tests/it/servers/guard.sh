# Stands beside a server of the tests. It makes a folder, says its name, and then does what it reads, a line of shell each, answering
# with the exit status. When there is nothing more to read, because the process of the tests ended somehow, it leaves nothing behind.
# The first argument is this text: as root, whom servers refuse, it is run again as somebody else.
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups sh -c "$1"
fi
# A signal ends the reading, and not what comes after it.
trap : HUP INT PIPE TERM
folder=$(mktemp -d "${TMPDIR:-/tmp}/switchy-XXXXXX") && cd "$folder" || exit
server=

is_alive() {
    case $(ps -o stat= -p "${1:-0}") in "" | Z*) return 1 ;; esac
}

is_running() {
    case $(ps -o stat= -p "$1") in "" | [TZ]*) return 1 ;; esac
}

# SIGKILL for the server and its children. It is stopped first, so that it starts no more of them and tells them nothing; and stopped
# again, since the system wakes whoever is stopped when the process of the tests ends.
kill_all() {
    [ "$server" ] || return 0
    while is_running "$server"; do kill -STOP "$server"; done
    all="$server $(ps -A -o ppid= -o pid= | sed -n "s/^ *$server  *//p")"
    kill -KILL $all
    wait "$server"
    for one in $all; do
        while is_alive "$one"; do :; done
    done
    server=
}

echo "$folder"
while read -r order; do
    eval "$order" >>log 2>&1 </dev/null
    echo $?
done
kill_all
# PostgreSQL keeps a piece of shared memory for whoever looks after what was killed.
if [ -e data/postmaster.pid ]; then
    ipcrm -m "$(sed -n '7s/.* //p' data/postmaster.pid)"
fi
rm -rf "$folder"
