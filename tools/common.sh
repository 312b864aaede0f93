# common.sh: what ./demo, ./test and bench/run share.  To be sourced.
#
# Installs missing distribution packages, builds a copy of the tree, and runs
# servers in a private folder as an unprivileged user.

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

if [ "$(id -u)" = 0 ]; then AS_ROOT=""; else AS_ROOT="sudo"; fi

# Debian's package postgresql makes and starts a cluster of its own: not here.
install_packages() {
	command -v apt-get >/dev/null || die "missing: $*; install them with your package manager"
	[ -z "$AS_ROOT" ] || command -v sudo >/dev/null || die "missing: $*; run as root or install sudo"
	say "installing $*"
	export DEBIAN_FRONTEND=noninteractive
	$AS_ROOT apt-get update -qq
	if ! dpkg -s postgresql-common >/dev/null 2>&1; then
		$AS_ROOT mkdir -p /etc/postgresql-common/createcluster.d
		echo "create_main_cluster = false" |
			$AS_ROOT tee /etc/postgresql-common/createcluster.d/loyalty.conf >/dev/null
	fi
	$AS_ROOT env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$WORK/apt.log" 2>&1 ||
		{ tail -n 20 "$WORK/apt.log" >&2; die "could not install $*"; }
	$AS_ROOT rm -f /etc/postgresql-common/createcluster.d/loyalty.conf
}

# need_server: sets PG_CONFIG and BINDIR; further packages as arguments
need_server() {
	local missing=() major=""
	command -v gcc >/dev/null || missing+=(gcc libc6-dev)
	command -v make >/dev/null || missing+=(make)
	for p in "$@"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
	if [ -z "${PG_CONFIG:-}" ]; then
		major=$(ls /usr/lib/postgresql 2>/dev/null | sort -n | while read -r v; do
			[ -x "/usr/lib/postgresql/$v/bin/postgres" ] && echo "$v"; done | tail -n 1)
		if [ -z "$major" ]; then
			missing+=(postgresql)
			[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
			missing=()
			major=$(ls /usr/lib/postgresql | sort -n | tail -n 1)
		fi
		PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
		[ -f "/usr/include/postgresql/$major/server/postgres.h" ] || missing+=("postgresql-server-dev-$major")
	fi
	[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
	[ -x "$PG_CONFIG" ] || die "$PG_CONFIG is not there"
	BINDIR=$("$PG_CONFIG" --bindir)
	export PG_CONFIG BINDIR
}

# The user that servers run as: never root.
if [ "$(id -u)" = 0 ]; then SERVER_USER=postgres; else SERVER_USER=$(id -un); fi
as_server() {
	if [ "$(id -u)" = 0 ]; then runuser -u "$SERVER_USER" -- "$@"; else "$@"; fi
}

# build_copy SOURCE: copy what git knows, and what is new, to $WORK/tree and build
build_copy() {
	mkdir -p "$WORK/tree"
	(cd "$1" && if git rev-parse --git-dir >/dev/null 2>&1; then
		git -c safe.directory='*' ls-files -z -co --exclude-standard
	else
		find . -type f -print0
	fi | tar --null --files-from=- --ignore-failed-read -cf -) | tar -C "$WORK/tree" -xf -
	say "building against $("$PG_CONFIG" --version)"
	make -C "$WORK/tree" PG_CONFIG="$PG_CONFIG" with_llvm=no ${MAKE_FLAGS:+"$MAKE_FLAGS"} >"$WORK/build.log" 2>&1 ||
		{ tail -n 40 "$WORK/build.log" >&2; die "the build failed"; }
	say "installing the extension files"
	$AS_ROOT make -C "$WORK/tree" PG_CONFIG="$PG_CONFIG" with_llvm=no install >"$WORK/install.log" 2>&1 ||
		{ tail -n 20 "$WORK/install.log" >&2; die "make install failed"; }
	[ "$(id -u)" != 0 ] || chown -R "$SERVER_USER" "$WORK/tree"
}

# start_server FOLDER [option ...]: a private server on a Unix socket in FOLDER
start_server() {
	local folder=$1; shift
	mkdir -p "$folder"
	[ "$(id -u)" != 0 ] || chown "$SERVER_USER" "$folder"
	as_server "$BINDIR/initdb" -D "$folder/data" -U postgres -A trust --locale=C.UTF-8 -E UTF8 >"$WORK/initdb.log" 2>&1 ||
		{ cat "$WORK/initdb.log" >&2; die "initdb failed"; }
	as_server "$BINDIR/pg_ctl" -D "$folder/data" -l "$folder/log" -w \
		-o "-c listen_addresses='' -c unix_socket_directories='$folder' $*" start >/dev/null ||
		{ cat "$folder/log" >&2; die "the private server did not start"; }
}

stop_server() {
	[ -f "$1/data/postmaster.pid" ] || return 0
	as_server "$BINDIR/pg_ctl" -D "$1/data" -m immediate stop >/dev/null 2>&1 || true
}
