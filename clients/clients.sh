# shellcheck shell=bash
# clients.sh: the suite "clients" of ./test, which reads programs through the drivers and
# mappers that applications use.  To be sourced.
#
# Each client is a program in this folder, in its own language, and gets a database of
# its own, made by setup.sql.  It connects by TCP with a password, as the role "app", and
# finds where in the variables of libpq: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE.
# It prints "ok" or "not ok" for each test, and "done" at the end.  Then its recipe in
# docs/clients.md is run.
#
# What a client needs is installed from the distribution.  One that cannot be installed
# is told to be not available, with the reason, and counts neither as passed nor as failed.

CLIENTS=(psycopg2 psycopg asyncpg sqlalchemy django jdbc node)
CLIENT_PYTHON=/usr/bin/python3		# that of the distribution, which has its modules

# has_module NAME: whether the distribution's Python has it
has_module() { "$CLIENT_PYTHON" -c "import $1" 2>/dev/null; }

# need_client NAME: installs what the client needs.  Sets CLIENT to what runs its programs,
# CLIENT_TEST to that of its tests with its arguments, and RECIPE to what clients/recipe takes.
need_client() {
	local missing=() jar=/usr/share/java/postgresql.jar
	CLIENT=("$CLIENT_PYTHON" -B)
	CLIENT_TEST=("$1_test.py")
	RECIPE=("$1" python "" "")
	case $1 in
		psycopg2 | psycopg)
			has_module "$1" || missing=(python3 "python3-$1")
			CLIENT_TEST=(psycopg_test.py "$1")
			;;
		asyncpg)
			has_module asyncpg || missing=(python3 python3-asyncpg)
			RECIPE=()
			;;
		sqlalchemy | django)
			has_module "$1" || missing=(python3 "python3-$1")
			has_module psycopg2 || missing+=(python3-psycopg2)
			RECIPE=(SQLAlchemy python "" "")
			[ "$1" = sqlalchemy ] || RECIPE=(Django python "import django_settings; django_settings.configure(['__main__'])" "")
			;;
		jdbc)
			command -v javac >/dev/null || missing=(default-jdk-headless)
			[ -f $jar ] || missing+=(libpostgresql-jdbc-java)
			CLIENT=(java -cp "$jar")
			CLIENT_TEST=(JdbcTest.java)
			RECIPE=(JDBC java "class Recipe { public static void main(String[] arguments) throws Exception {" "} }")
			;;
		node)
			command -v node >/dev/null || missing=(nodejs)
			CLIENT=(env NODE_PATH="$WORK/node/usr/share/nodejs" node)
			CLIENT_TEST=(node_test.js)
			RECIPE=(node-postgres js "(async () => {" "})().catch((error) => { console.log(error); process.exitCode = 1 })")
			;;
	esac
	[ "${#missing[@]}" = 0 ] || (install_packages "${missing[@]}") || return
	[ "$1" != node ] || (unpack_node_modules)
}

# unpack_node_modules: the driver into the private folder, since the packages that
# have it depend on the distribution's own Node, which may be another one here.
unpack_node_modules() {
	local packages=(node-pg node-split2 node-xtend) file
	command -v apt-get >/dev/null || die "missing: ${packages[*]}; there is no apt-get to download these packages of Debian"
	become_root "bring the lists of packages up to date"
	mkdir -p "$WORK/node"
	cd "$WORK/node" || die "cannot enter $WORK/node"
	if ! apt_get update || ! apt_get download "${packages[@]}"; then
		tail -n 20 "$WORK/apt.log" >&2
		die "could not download ${packages[*]}"
	fi
	for file in *.deb; do dpkg-deb -x "$file" . || die "could not unpack $file"; done
	rm -f ./*.deb		# root's, if it was sudo that downloaded them
	chmod -R a+rX . || die "could not open $WORK/node to the user of the server"
}

# free_port: a port of this machine that nobody listens at
free_port() {
	local port
	for _ in {1..100}; do
		port=$((20000 + RANDOM % 10000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	die "found no free port between 20000 and 29999"
}

# start_clients_server: one of its own, as not all drivers know Unix sockets.  Who comes by
# TCP needs the password, and is no superuser.  Sets PGHOST, PGPORT, PGUSER and PGPASSWORD.
start_clients_server() {
	local folder=$WORK/clients_server
	PGHOST=127.0.0.1
	PGPORT=$(free_port)
	PGUSER=app
	PGPASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	mkdir -p "$folder"
	printf '%s\n' 'local all postgres trust' 'host all app 127.0.0.1/32 scram-sha-256' >"$folder/hba"
	start_server "$folder" "-c listen_addresses=$PGHOST -p $PGPORT -c hba_file='$folder/hba'"
	clients_psql postgres -c 'CREATE DATABASE clients' \
		-c "SET password_encryption = 'scram-sha-256'" -c "CREATE ROLE app LOGIN PASSWORD '$PGPASSWORD'"
	clients_psql clients -f "$WORK/tree/clients/setup.sql"
}

# clients_psql DATABASE ARGUMENT...: as the superuser
clients_psql() {
	step "psql" "$WORK/clients_psql.log" as_server env -u PGPASSWORD "$BINDIR/psql" -X -q -v ON_ERROR_STOP=1 \
		-h "$WORK/clients_server" -p "$PGPORT" -U postgres -d "$@"
}

# in_clients COMMAND...: as the user of the server, in the folder of the copy
in_clients() { as_server bash -c 'cd "$1" && shift && exec "$@"' _ "$WORK/tree/clients" "$@"; }

# run_clients NAME...
run_clients() {
	local name run=0
	local -x PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE
	start_clients_server
	for name; do
		if ! need_client "$name" 2>"$WORK/need_client.log"; then
			rm -f "$WORK/told"
			unavailable+=("clients $name ($(sed -nE '/^(E|error): /p' "$WORK/need_client.log" | paste -sd' '))")
			continue
		fi
		clients_psql postgres -c "CREATE DATABASE \"$name\" TEMPLATE clients"
		PGDATABASE=$name
		run_checks "clients: $name" in_clients "${CLIENT[@]}" "${CLIENT_TEST[@]}"
		[ "${#RECIPE[@]}" = 0 ] || run_checks "clients: the recipe for $name" in_clients ./recipe "${RECIPE[@]}" "${CLIENT[@]}"
		run=$((run + 1))
	done
	if [ "$run" = 0 ]; then
		echo "clients: none of them is available"
		failed=$((failed + 1))
	fi
}
