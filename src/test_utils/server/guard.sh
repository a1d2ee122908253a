# Manages a server of the tests. It creates a folder, prints its name, and then runs each line of its input as a shell command, and prints
# the exit status. When the input ends, because the process of the tests ended, it removes everything. The first argument is this text:
# servers refuse to run as root, so as root this script runs itself again as another user.
# Until the folder exists, an error is printed instead of its name.
exec 2>&1
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups sh -c "$1"
fi
# A signal ends the reading, but not the cleanup after it.
trap : HUP INT PIPE TERM
folder=$(mktemp -d "${TMPDIR:-/tmp}/switchy-XXXXXX") && cd "$folder" || { echo "$folder"; exit; }
exec 2>/dev/null
server=

is_alive() {
    # Small systems have no ps.
    command -v ps >/dev/null || { kill -0 "$1"; return; }
    case $(ps -o stat= -p "${1:-0}") in "" | Z*) return 1 ;; esac
}

is_running() {
    case $(ps -o stat= -p "$1") in "" | [TZ]*) return 1 ;; esac
}

# Sends SIGKILL to the server and its children. The server is stopped first, so that it starts no more children and does not signal them. It
# is stopped again if necessary, because the system continues stopped processes when the process of the tests ends.
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
# A killed PostgreSQL leaves a segment of shared memory.
if [ -e data/postmaster.pid ]; then
    ipcrm -m "$(sed -n '7s/.* //p' data/postmaster.pid)"
fi
rm -rf "$folder"
