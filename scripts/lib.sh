# Functions for the scripts of this folder: packages, a private copy of the
# PostgreSQL installation, private clusters.  Sourced by bash with set -euo pipefail.
#
# Nothing here touches the system's own installation or clusters.  The server
# runs as an unprivileged user: `postgres` where root calls, else the caller.
#
# EPS_BUILD   where everything goes (default: build/ of the source tree)
# EPS_PG      major version of PostgreSQL (default: 15)

EPS_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
EPS_BUILD=${EPS_BUILD:-$EPS_TOP/build}
EPS_PG=${EPS_PG:-15}

# What a caller's environment says of other servers must not reach ours.
for eps_name in $(compgen -e | grep '^PG' || :); do
	unset "$eps_name"
done
unset eps_name
export LC_ALL=C.UTF-8

eps_say()
{
	printf '%s\n' "$*"
}

eps_die()
{
	printf '%s\n' "${0##*/}: $*" >&2
	exit 1
}

# The system's pg_config of the chosen major version.
eps_system_pg_config()
{
	local debian=/usr/lib/postgresql/$EPS_PG/bin/pg_config

	if [ -x "$debian" ]; then
		printf '%s\n' "$debian"
	else
		command -v pg_config || eps_die "no pg_config: scripts/deps installs PostgreSQL $EPS_PG"
	fi
}

# --- who runs the server -----------------------------------------------------

eps_server_user()
{
	if [ "$(id -u)" != 0 ]; then
		id -un
	elif getent passwd postgres >/dev/null; then
		printf 'postgres\n'
	else
		printf 'nobody\n'
	fi
}

# Runs a command as the server's user, in a folder that this user can enter.
eps_as_server()
{
	local home=${EPS_WORK:-/}

	if [ "$(id -u)" != 0 ]; then
		(cd "$home" && exec env HOME="$home" "$@")
	else
		(cd "$home" && exec runuser -u "$(eps_server_user)" -- env HOME="$home" "$@")
	fi
}

# --- where it runs -----------------------------------------------------------

# Sets EPS_WORK, the folder of a private installation and its clusters: below
# build/, or where the server's user cannot reach that (or a socket's path would
# be too long), in /var/tmp, remembered in build/NAME.path.
eps_work()
{
	local name=$1 memo=$EPS_BUILD/$1.path

	mkdir -p "$EPS_BUILD"
	EPS_WORK=
	if [ ${#EPS_BUILD} -le 50 ] && eps_as_server test -x "$EPS_BUILD"; then
		EPS_WORK=$EPS_BUILD/$name
		mkdir -p "$EPS_WORK"
	elif [ -f "$memo" ] && [ -O "$(cat "$memo")" ]; then
		EPS_WORK=$(cat "$memo")
	else
		EPS_WORK=$(mktemp -d /var/tmp/pg_epsilon.XXXXXX)
		printf '%s\n' "$EPS_WORK" > "$memo"
	fi
	chmod 755 "$EPS_WORK"
	mkdir -p "$EPS_WORK/run"
	[ "$(id -u)" != 0 ] || chown "$(eps_server_user)" "$EPS_WORK/run"
}

# Removes what eps_work made outside the build folder.
eps_work_remove_outside()
{
	local memo=$EPS_BUILD/$1.path

	[ -f "$memo" ] || return 0
	rm -rf -- "$(cat "$memo")" "$memo"
}

# --- the private installation ------------------------------------------------

# Builds a flavour (release or test) and installs it into a private copy of
# PostgreSQL; shows what failed and returns 1 if it cannot.  Sets EPS_BIN, its folder of programs, and EPS_PGXS.
eps_install()
{
	local flavour=$1
	local system bindir sharedir stamp root
	local -a args=("BUILD=$EPS_BUILD/$flavour")

	[ "$flavour" != test ] || args+=(EPS_TEST_BUILD=1)
	system=$(eps_system_pg_config)
	bindir=$("$system" --bindir)
	sharedir=$("$system" --sharedir)
	root=$EPS_WORK/root-$flavour
	stamp="$("$system" --version) $(stat -c '%Y %s' "$bindir/postgres")"

	if [ "$(cat "$root/stamp" 2>/dev/null || :)" != "$stamp" ]; then
		rm -rf "$root"
		mkdir -p "$root$(dirname "${bindir%/bin}")" "$root$(dirname "$sharedir")"
		cp -a "${bindir%/bin}" "$root$(dirname "${bindir%/bin}")/"
		cp -a "$sharedir" "$root$(dirname "$sharedir")/"
		printf '%s\n' "$stamp" > "$root/stamp"
	fi
	make --no-print-directory -C "$EPS_TOP" -f pgxs.mk PG_CONFIG="$system" "${args[@]}" \
		DESTDIR="$root" install > "$EPS_WORK/install-$flavour.log" 2>&1 || {
		cat "$EPS_WORK/install-$flavour.log" >&2
		return 1
	}
	eps_use "$flavour"
}

# Chooses an installed flavour.
eps_use()
{
	local system bindir

	system=$(eps_system_pg_config)
	bindir=$("$system" --bindir)
	EPS_BIN=$EPS_WORK/root-$1$bindir
	EPS_PGXS=$EPS_WORK/root-$1$(dirname "$("$system" --pgxs)")/..
}

# --- private clusters --------------------------------------------------------

EPS_STARTED=()

# eps_cluster_start NAME [setting...]: initialises and starts a cluster of the
# flavour in use; shows the log and returns 1 if that fails.  Sets PGHOST, PGPORT,
# PGUSER for it.  Its folder is open to the
# server's user only, so connections are trusted.
eps_cluster_start()
{
	local name=$1
	local dir=$EPS_WORK/run/$1

	shift
	eps_cluster_stop "$name"
	eps_as_server mkdir -m 700 "$dir"
	eps_as_server sh -c 'umask 077 && head -c 32 /dev/urandom > "$1"' sh "$dir/wrapping.key"
	eps_as_server "$EPS_BIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync > "$EPS_WORK/initdb-$name.log" 2>&1 || {
		cat "$EPS_WORK/initdb-$name.log" >&2
		return 1
	}
	{
		cat <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
shared_preload_libraries = 'pg_epsilon'
dp.key_file = '$dir/wrapping.key'
max_connections = 60
max_prepared_transactions = 10
max_worker_processes = 100
log_line_prefix = '%m [%p] %q%u@%d '
cluster_name = 'pg_epsilon $name'
CONF
		[ $# = 0 ] || printf '%s\n' "$@"
	} | eps_as_server tee -a "$dir/data/postgresql.conf" > /dev/null
	EPS_STARTED+=("$name")
	eps_as_server "$EPS_BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start > /dev/null || {
		eps_as_server tail -n 30 "$dir/log" >&2
		return 1
	}
	export PGHOST=$dir PGPORT=5432 PGUSER=postgres
}

# Stops a cluster and removes it. No error if there is none.
eps_cluster_stop()
{
	local dir=$EPS_WORK/run/$1

	[ -e "$dir" ] || return 0
	if [ -e "$dir/data/postmaster.pid" ] && [ -n "${EPS_BIN:-}" ] && [ -x "$EPS_BIN/pg_ctl" ]; then
		eps_as_server "$EPS_BIN/pg_ctl" -D "$dir/data" -m immediate -w stop > /dev/null 2>&1 || :
	fi
	rm -rf -- "$dir"
}

# For a trap: stops every cluster that this script started.
eps_cluster_stop_all()
{
	local name

	for name in "${EPS_STARTED[@]}"; do
		eps_cluster_stop "$name"
	done
	EPS_STARTED=()
}

# psql without the user's own start-up file, stopping at the first error.
eps_psql()
{
	eps_as_server "$EPS_BIN/psql" -X -v ON_ERROR_STOP=1 "$@"
}
