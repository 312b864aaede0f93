# shellcheck shell=bash
# measure.sh: how bench/run measures, and how it shows what it measured.  To be
# sourced.

CONTESTANTS=(plain row_trigger statement_trigger loyalty)

# db DATABASE ARGUMENT...
db() {
	local database=$1; shift
	as_server env PGOPTIONS="-c client_min_messages=warning" "$BINDIR/psql" -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 \
		-h "$WORK/server" -U postgres "$@" -d "$database"
}

# Databases --------------------------------------------------------------------

# The orders of every load, as files that the server reads.
make_orders() {
	say "generating orders"
	create empty -f "$HERE/plain.sql"
	db empty -c "SELECT setseed(0.5)" \
		-c "COPY (SELECT * FROM bench.orders(1, $EARLIER, '2021-01-01')) TO '$WORK/server/earlier'" \
		-c "COPY (SELECT * FROM bench.orders($EARLIER + 1, $ORDERS, '2022-01-01')) TO '$WORK/server/orders'" >/dev/null
	settle empty
}

# create DATABASE ARGUMENT...: new, then psql with the arguments
create() {
	local database=$1; shift
	db postgres -c "CREATE DATABASE $database"
	db "$database" "$@"
}

# Fresh statistics and hint bits, so that no contestant pays for them later.
settle() { db "$1" -c "VACUUM ANALYZE"; }

# base CONTESTANT: makes base_CONTESTANT, with the earlier orders, once
base() {
	! exists "base_$1" || return 0
	echo "   preparing $1"
	db postgres -c "CREATE DATABASE base_$1 TEMPLATE empty"
	[ "$1" = plain ] || db "base_$1" -f "$HERE/$1.sql"
	db "base_$1" -c "COPY shop.orders FROM '$WORK/server/earlier'"
	post "base_$1" "$1"
	settle "base_$1"
}
bases() { local c; for c in "${CONTESTANTS[@]}"; do base "$c"; done; }

exists() { [ "$(db postgres -c "SELECT count(*) FROM pg_database WHERE datname = '$1'")" = 1 ]; }

# post DATABASE CONTESTANT
post() { [ "$2" != loyalty ] || db "$1" -c "CALL loyalty.post('club')"; }

# fresh TEMPLATE: the database "run", a copy of another, all of it in memory and
# nothing left to write
fresh() {
	db postgres -c "DROP DATABASE IF EXISTS run WITH (FORCE)" -c "CREATE DATABASE run TEMPLATE $1"
	db run -c "SELECT sum(pg_prewarm(c.oid)) FROM pg_class c
	            WHERE c.relkind IN ('r', 'i')
	              AND c.relnamespace::regnamespace::text IN ('shop', 'peer', 'club')" >/dev/null
	db run -c CHECKPOINT
}

# verified DATABASE CONTESTANT: what is fast must also be right, posting included
verified() {
	local check
	case $2 in
		loyalty | one_rule | ten_rules | member_rule) check="loyalty.verify('club')" ;;
		row_trigger | statement_trigger | by_hand | balance | sum) check="peer.verify()" ;;
		*) return 0 ;;
	esac
	post "$1" "$2"
	[ "$(db "$1" -c "SELECT count(*) FROM $check")" = 0 ] && return
	db "$1" -c "SELECT * FROM $check LIMIT 5" >&2
	die "$2 is wrong"
}

# Measuring --------------------------------------------------------------------

# interleaved FUNCTION CONTESTANT...: calls FUNCTION with each contestant, in
# turns, so that a slow minute of the machine hits all of them
interleaved() {
	local function=$1 repetition contestant; shift
	for ((repetition = 1; repetition <= REPETITIONS; repetition++)); do
		for contestant; do
			printf '   %d/%d %-18s' "$repetition" "$REPETITIONS" "$contestant"
			"$function" "$contestant"
			echo
			[ "$repetition" != "$REPETITIONS" ] || verified run "$contestant"
		done
	done
}

# note ROW CONTESTANT VALUE UNIT
note() {
	echo "$3" >>"$WORK/values/$1.$2"
	printf '  %s: %s' "$1" "$(show "$3" "$4")"
}

# timed STATEMENT: sets wall, cpu (s) and memory (MB)
timed() {
	local out
	out=$(db run -v statement="$1" -v ticks_per_second="$(getconf CLK_TCK)" -f "$HERE/timed.sql")
	read -r wall cpu memory <<<"$out"
}

PIN=()
# client DATABASE SCRIPT OPTION...: runs pgbench with the synchronous_commit in
# COMMIT, by way of the command in PIN; sets tps
client() {
	local database=$1 script=$2; shift 2
	as_server "${PIN[@]}" env PGOPTIONS="-c synchronous_commit=$COMMIT" "$BINDIR/pgbench" -n -M prepared \
		-h "$WORK/server" -U postgres -f "$HERE/$script.sql" "$@" "$database" >"$WORK/pgbench.log" 2>&1 ||
		{ cat "$WORK/pgbench.log" >&2; die "pgbench failed"; }
	! grep -q 'failed transactions: [1-9]' "$WORK/pgbench.log" || { cat "$WORK/pgbench.log" >&2; die "transactions failed"; }
	tps=$(awk '/^tps = / && !/including/ { print $3 }' "$WORK/pgbench.log")
}

# The table --------------------------------------------------------------------

calc() { awk "BEGIN { printf \"%.6f\", $1 }"; }
thousands() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }
show() { awk -v v="$1" -v u="$2" 'BEGIN { printf (v >= 1000 ? "%.0f %s" : "%.3g %s"), v, u }'; }

# median ROW CONTESTANT; nothing if it was not measured
median() {
	[ -f "$WORK/values/$1.$2" ] || return 0
	sort -g "$WORK/values/$1.$2" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'
}

line() { printf '%-52s %12s %12s %12s %12s  %-10s %s\n' "$@"; }
table_head() { line load baseline "row trigger" "statement" loyalty target met; }

# row ROW TITLE UNIT ratio|value "<=|>=" TARGET [BASELINE]: prints a row of the
# table.  ratio: contestants are shown, and ours is judged, relative to the
# baseline; value: as they are.  Without a target, nothing is judged.
row() {
	local key=$1 title=$2 unit=$3 kind=$4 sense=$5 target=$6 baseline contestant v cells=() ours="" met=""
	baseline=$(median "$key" "${7:-plain}")
	for contestant in row_trigger statement_trigger loyalty; do
		v=$(median "$key" "$contestant")
		if [ -z "$v" ]; then
			cells+=("")
			continue
		fi
		[ "$kind" = value ] || v=$(calc "$v / $baseline")
		cells+=("$([ "$kind" = value ] && show "$v" "$unit" || printf '%.2f' "$v")")
		[ "$contestant" != loyalty ] || ours=$v
	done
	if [ -n "$target" ]; then
		met=$(awk "BEGIN { print ($ours $sense $target) ? \"yes\" : \"no\" }")
		target="$sense $target"
	fi
	[ -z "$baseline" ] || baseline=$(show "$baseline" "$unit")
	line "$title" "$baseline" "${cells[@]}" "$target" "$met" >>"$WORK/table"
	tail -n 1 "$WORK/table"
}
