# shellcheck shell=bash
# common.sh: what ./demo, ./test, bench/run and the scripts in tools share.  To
# be sourced.
#
# Installs missing distribution packages, builds a copy of the tree, and runs
# servers in a private folder as an unprivileged user.  A script that sources
# this never ends mutely, and leaves no file and no process behind: not when a
# step fails, and not when it is interrupted.

set -Eeuo pipefail
shopt -s inherit_errexit

# Where Debian keeps its servers, one folder for each major; how many seconds to
# wait for another process that uses apt.  tools/selftest sets its own.
PG_HOMES=${PG_HOMES:-/usr/lib/postgresql}
APT_WAIT=${APT_WAIT:-300}
OLDEST=13		# the oldest PostgreSQL that loyalty builds for
WORK=""

say() { printf '== %s\n' "$*"; }

# Marks the failure as told, so that the shells around a subshell don't tell it
# again, and ends.
die() {
	printf 'error: %s\n' "$*" >&2
	[ -z "$WORK" ] || : >"$WORK/told"
	exit 1
}

# The trap for errors: says which line ended the script.
tell_failure() {	# STATUSES COMMAND FILE LINE; of a pipeline, one status for each part
	local text=""
	if [ -n "$WORK" ] && [ -f "$WORK/told" ]; then return; fi
	[ -z "$WORK" ] || [ ! -d "$WORK" ] || : >"$WORK/told"
	[ ! -f "$3" ] || text=$(sed -n "$4p" "$3")
	printf 'error: %s, line %s, failed with status %s:\n%s\n' "$3" "$4" "$1" "${text:-$2}" >&2
}
trap 'tell_failure "${PIPESTATUS[*]}" "$BASH_COMMAND" "${BASH_SOURCE[0]:-$0}" "$LINENO"' ERR

# step WHAT LOG COMMAND...: runs the command with its output in the file LOG.  If
# it fails, shows the end of LOG and dies, saying what failed.
step() {
	local what=$1 log=$2 status=0; shift 2
	"$@" >"$log" 2>&1 || status=$?
	[ "$status" != 0 ] || return 0
	tail -n 40 "$log" >&2 || true
	die "$what failed with status $status: $*"
}

# tended COMMAND...: runs it in the background and waits, because a shell answers
# a signal only when its foreground command is over.
TENDED=""
tended() {
	local status=0
	"$@" </dev/null &
	TENDED=$!
	wait "$TENDED" || status=$?
	TENDED=""
	return "$status"
}

# The private folder -----------------------------------------------------------

# make_work NAME: makes the folder WORK for everything that the script writes, and
# has it removed, with the processes in it, at the end.  Temporary files of
# programs go into it, too.
make_work() {
	local where=${TMPDIR:-/tmp}
	where=$(cd "$where" 2>/dev/null && pwd) || die "cannot use \"${TMPDIR:-/tmp}\" for temporary files: set TMPDIR to a folder that is there"
	WORK=$(mktemp -d "$where/loyalty-$1.XXXXXX" 2>/dev/null) || die "cannot make a folder in \"$where\": set TMPDIR to a folder that you may write to"
	trap finish EXIT
	trap 'interrupted 2' INT
	trap 'interrupted 15' TERM
	trap 'interrupted 1' HUP
	# The name of a Unix socket has at most 107 bytes.
	[ "${#WORK}" -le 75 ] || die "the name of the folder \"$where\" is too long for the sockets in it: set TMPDIR to another one"
	mkdir "$WORK/tmp"
	chmod 755 "$WORK"
	chmod 1777 "$WORK/tmp"
	export TMPDIR=$WORK/tmp
	as_server test -x "$WORK" || die "user \"$SERVER_USER\", who runs the server, cannot enter \"$WORK\": set TMPDIR to another folder"
}

interrupted() {
	printf 'interrupted by signal %s\n' "$1" >&2
	exit $((128 + $1))
}

KEEP_WORK=false		# the folder and its server outlive the script
APT_ANSWERS=""		# a file of ours in /etc, while packages are installed
finish() {
	local status=$?
	set +e
	cd / || true			# or this shell would be among the processes to end
	trap - ERR EXIT
	trap '' INT TERM HUP
	[ -z "$TENDED" ] || end_family "$TENDED"
	[ -z "$APT_ANSWERS" ] || "${AS_ROOT[@]}" rm -f "$APT_ANSWERS"
	if ! $KEEP_WORK; then
		end_processes "$WORK"
		rm -rf "$WORK"
		[ ! -e "$WORK" ] || printf 'error: could not remove %s\n' "$WORK" >&2
	fi
	exit "$status"
}

# processes_in FOLDER: the processes whose working folder is in FOLDER.  Zombies
# have none.
processes_in() {
	find /proc -maxdepth 2 -path '/proc/[0-9]*/cwd' \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null | cut -d / -f 3 || true
}

# end_processes FOLDER: ends what runs in FOLDER: first those who start servers,
# then the servers at once, but so that they free their shared memory, then the rest.
end_processes() {
	local pid signal
	for signal in TERM QUIT KILL; do
		for pid in $(processes_in "$1"); do
			[ "$signal:$(cat "/proc/$pid/comm" 2>/dev/null || true)" = TERM:postgres ] || kill -s $signal "$pid" 2>/dev/null || true
		done
		for _ in {1..30}; do
			case $(processes_in "$1" | sed 's,.*,/proc/&/comm,' | xargs -r cat 2>/dev/null | sort -u || true) in
				"") return 0 ;;
				postgres) [ $signal != TERM ] || break ;;
			esac
			sleep 0.1
		done
	done
}

# family PID: the process and all that it started, and these started
family() {
	local file line fields
	echo "$1"
	for file in /proc/[0-9]*/stat; do
		{ read -r line <"$file"; } 2>/dev/null || continue
		read -r -a fields <<<"${line##*) }"
		[ "${fields[1]}" != "$1" ] || [ "${fields[0]}" = Z ] || family "${line%% *}"
	done
}

# end_family PID: scripts like this one have something to do before they end
end_family() {
	local pid pids
	mapfile -t pids < <(family "$1")
	kill "${pids[@]}" 2>/dev/null
	for _ in {1..100}; do
		for pid in "${pids[@]}"; do
			if kill -0 "$pid" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$pid/status"; then sleep 0.1; continue 2; fi
		done
		return
	done
}

# Packages ---------------------------------------------------------------------

AS_ROOT=()
# become_root WHAT: sets AS_ROOT to the command that runs others as root
become_root() {
	[ "$(id -u)" != 0 ] || return 0
	AS_ROOT=(sudo)
	command -v sudo >/dev/null || die "cannot $1: you are not root, and there is no sudo; run this as root"
	if sudo -n true 2>/dev/null; then return 0; fi
	{ : </dev/tty; } 2>/dev/null ||
		die "cannot $1: sudo asks for a password, and there is no terminal to type it at; run this as root, or as a user who needs no password"
	sudo -v || die "cannot $1: sudo does not let user \"$(id -un)\"; run this as root"
}

# apt_get ARGUMENT...: with its output in a file.  Waits for others who use it.
apt_get() {
	local waited=0 holder
	while ! "${AS_ROOT[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$WORK/apt.log" 2>&1 </dev/null; do
		holder=$(grep -m 1 -E 'Could not get lock|Unable to (lock|acquire)' "$WORK/apt.log") || return 1
		[ "$waited" != 0 ] || say "another process uses apt; waiting up to $APT_WAIT seconds (${holder#E: })"
		[ "$waited" -lt "$APT_WAIT" ] || die "another process has been using apt for $waited seconds; try again when it is done (${holder#E: })"
		sleep 5
		waited=$((waited + 5))
	done
}

# install_packages NAME...: Debian's package postgresql makes and starts a cluster of its own: not here.
install_packages() {
	local hint=""
	command -v apt-get >/dev/null || die "missing: $*; there is no apt-get to install these packages of Debian: install what they are called on your system, and if need be set PG_CONFIG"
	become_root "install $*"
	say "installing $*"
	if ! apt_get update || grep -qE '^(W|E|Err).*(Failed to fetch|Could not resolve|Could not connect|Temporary failure)' "$WORK/apt.log"; then
		hint="; the lists of packages could not be brought up to date: is the network there?"
		grep -E '^[WE]: ' "$WORK/apt.log" | tail -n 5 >&2 || true
	fi
	if [[ " $* " == *" postgresql "* ]] && ! [ -e /etc/postgresql-common/createcluster.conf ] &&
		"${AS_ROOT[@]}" mkdir -p /etc/postgresql-common/createcluster.d; then
		APT_ANSWERS=/etc/postgresql-common/createcluster.d/loyalty.conf
		echo "create_main_cluster = false" | "${AS_ROOT[@]}" tee "$APT_ANSWERS" >/dev/null
	fi
	apt_get install -y --no-install-recommends "$@" || { tail -n 20 "$WORK/apt.log" >&2; die "could not install $*$hint"; }
	[ -z "$APT_ANSWERS" ] || "${AS_ROOT[@]}" rm -f "$APT_ANSWERS"
	APT_ANSWERS=""
}

# newest_server: the newest major in PG_HOMES that has a server, or nothing.  A
# folder may hold clients only.
newest_server() {
	local file major newest=0
	for file in "$PG_HOMES"/*/bin/postgres; do
		[ -x "$file" ] || continue
		major=${file#"$PG_HOMES"/}
		major=${major%%/*}
		[[ $major =~ ^[0-9]+$ ]] || continue
		[ "$major" -lt "$OLDEST" ] || [ "$major" -le "$newest" ] || newest=$major
	done
	[ "$newest" = 0 ] || echo "$newest"
}

# has_server PG_CONFIG: whether it belongs to a server, and not to clients only
has_server() {
	local bin
	bin=$("$1" --bindir 2>/dev/null) || return 1
	[ -x "$bin/postgres" ]
}

# has_headers PG_CONFIG
has_headers() { [ -f "$("$1" --includedir-server 2>/dev/null)/postgres.h" ] && [ -f "$("$1" --pgxs 2>/dev/null)" ]; }

# need_server [perl]: installs what is missing to build and to run a server, and
# Perl with what TAP tests need; sets PG_CONFIG, BINDIR, VERSION and MAJOR
need_server() {
	local missing=() major=""
	gcc -E - <<<'#include <stdio.h>' >/dev/null 2>&1 || missing+=(gcc libc6-dev)
	command -v make >/dev/null || missing+=(make)
	if [ "${1:-}" = perl ]; then
		command -v prove >/dev/null || missing+=(perl)
		perl -MIPC::Run -e 1 >/dev/null 2>&1 || missing+=(libipc-run-perl)
	fi
	if [ -z "${PG_CONFIG:-}" ]; then
		major=$(newest_server)
		if [ -z "$major" ] && has_server pg_config; then
			PG_CONFIG=pg_config
		elif [ -z "$major" ]; then
			install_packages "${missing[@]}" postgresql
			missing=()
			major=$(newest_server)
			[ -n "$major" ] || die "the package postgresql is installed, but there is no server of PostgreSQL $OLDEST or newer in $PG_HOMES: set PG_CONFIG to the pg_config of yours"
		fi
	fi
	if [ -n "$major" ]; then
		PG_CONFIG=$PG_HOMES/$major/bin/pg_config
		has_headers "$PG_CONFIG" || missing+=("postgresql-server-dev-$major")
	fi
	check_pg_config
	[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
	has_headers "$PG_CONFIG" || die "PG_CONFIG \"$PG_CONFIG\" belongs to $VERSION, whose development files are missing: $("$PG_CONFIG" --includedir-server)/postgres.h or $("$PG_CONFIG" --pgxs) is not there"
}

# check_pg_config: PG_CONFIG may be anything that a user has set
check_pg_config() {
	local found program
	found=$(command -v "$PG_CONFIG") || die "PG_CONFIG is \"$PG_CONFIG\", but there is no such program"
	PG_CONFIG=$found
	VERSION=$("$PG_CONFIG" --version 2>/dev/null) || die "PG_CONFIG is \"$PG_CONFIG\", but \"$PG_CONFIG --version\" fails"
	VERSION=${VERSION%%$'\n'*}
	[[ $VERSION =~ ^PostgreSQL\ ([0-9]+) ]] || die "PG_CONFIG is \"$PG_CONFIG\", but it says \"$VERSION\": it is no pg_config"
	MAJOR=${BASH_REMATCH[1]}
	[ "$MAJOR" -ge "$OLDEST" ] || die "PG_CONFIG \"$PG_CONFIG\" belongs to $VERSION; loyalty needs PostgreSQL $OLDEST or newer"
	BINDIR=$("$PG_CONFIG" --bindir)
	for program in postgres initdb pg_ctl psql; do
		[ -x "$BINDIR/$program" ] || die "PG_CONFIG \"$PG_CONFIG\" belongs to $VERSION, but $BINDIR has no $program: install the server, or set PG_CONFIG to the pg_config of another one"
	done
	export PG_CONFIG BINDIR VERSION MAJOR
}

# Building and running ---------------------------------------------------------

# The user that servers run as: never root.
SERVER_USER=$(id -un)
as_server() {
	if [ "$(id -u)" != 0 ]; then "$@"; return; fi
	[ "$SERVER_USER" = postgres ] || SERVER_USER=$(id -un postgres 2>/dev/null) || SERVER_USER=nobody
	# the folder of the caller may be closed to that user, which programs complain of
	(cd / && exec runuser -u "$SERVER_USER" -- "$@")
}

# give FOLDER: to the user that servers run as
give() { if [ "$(id -u)" = 0 ]; then as_server true; chown -R "$SERVER_USER" "$1"; fi; }

# copy_tree SOURCE TARGET: copies what git knows and what is new; all, where there is no git
copy_tree() {
	mkdir -p "$2"
	git -c safe.directory='*' -C "$1" ls-files -z -co --exclude-standard >"$WORK/files" 2>/dev/null ||
		(cd "$1" && find . -name .git -prune -o -type f -print0) >"$WORK/files"
	[ -s "$WORK/files" ] || die "there is nothing to copy in \"$1\""
	# a file that was deleted is known to git nevertheless
	(cd "$1" && while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done <"$WORK/files") >"$WORK/files.there"
	tar -C "$1" --null --files-from="$WORK/files.there" -cf "$WORK/files.tar"
	tar -C "$2" --no-same-owner -xf "$WORK/files.tar"
	rm -f "$WORK/files" "$WORK/files.there" "$WORK/files.tar"
}

COPT=""				# for the C compiler
# build_copy SOURCE: copies the tree to $WORK/tree, builds and installs it
build_copy() {
	local make=(make -C "$WORK/tree" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT="$COPT") lib extensions
	copy_tree "$1" "$WORK/tree"
	say "building against $VERSION${COPT:+ with $COPT}"
	step "the build" "$WORK/build.log" "${make[@]}"
	lib=$("$PG_CONFIG" --pkglibdir)
	extensions=$("$PG_CONFIG" --sharedir)/extension
	if ! [ -w "$lib" ] || ! [ -w "$extensions" ]; then become_root "install the extension into $lib and $extensions"; fi
	say "installing the extension's files"
	step "make install" "$WORK/install.log" "${AS_ROOT[@]}" "${make[@]}" install
	give "$WORK/tree"
}

# start_server FOLDER [option ...]: a private server on a Unix socket in FOLDER
start_server() {
	local folder=$1; shift
	mkdir -p "$folder"
	give "$folder"
	step initdb "$WORK/initdb.log" as_server "$BINDIR/initdb" -D "$folder/data" -U postgres -A trust --locale=C.UTF-8 -E UTF8
	as_server "$BINDIR/pg_ctl" -D "$folder/data" -l "$folder/log" -w \
		-o "-c listen_addresses='' -c unix_socket_directories='$folder' $*" start >"$WORK/start.log" 2>&1 ||
		{ cat "$WORK/start.log" "$folder/log" >&2; die "the private server did not start"; }
}
