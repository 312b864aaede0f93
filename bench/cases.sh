# shellcheck shell=bash
# cases.sh: the loads that bench/run measures.  To be sourced.

# "work_mem plus a constant": 4 MB, and 16 for caches, plans and code
MEMORY=20

# COPY, and posting what it recorded.  The peers pay in the COPY for what posting
# does; processor time adds the two up, whoever waits for them.
case_copy() {
	bases
	interleaved run_copy "${CONTESTANTS[@]}"
	local n; n=$(thousands "$ORDERS")
	row copy "COPY of $n orders" s ratio "<=" 1.3
	row copy_post "the same and posting, CPU" s ratio "<=" 1.9
	row copy_memory "memory of a COPY of $n orders" MB value "<=" "$MEMORY"
}
run_copy() {
	local copied
	fresh "base_$1"
	timed "COPY shop.orders FROM '$WORK/server/orders'"
	note copy "$1" "$wall" s
	note copy_memory "$1" "$memory" MB
	copied=$cpu
	cpu=0
	[ "$1" != loyalty ] || timed "CALL loyalty.post('club')"
	note copy_post "$1" "$(calc "$copied + $cpu")" s
}

# Ten rules, half of them conditional, beside one; and the same with a rule for some members.
case_rules() {
	base loyalty
	db postgres -c "CREATE DATABASE base_rules TEMPLATE base_loyalty"
	db base_rules -f "$HERE/rules.sql"
	db postgres -c "CREATE DATABASE base_member_rule TEMPLATE base_rules"
	db base_member_rule -f "$HERE/member_rule.sql"
	COMMIT=off
	interleaved run_rules one_rule ten_rules member_rule
	local n what
	for n in ten_rules member_rule; do
		what="by ten rules"
		[ "$n" = ten_rules ] || what="by ten, one for some members"
		values_as rules_copy "$n" "rules_copy_$n"
		values_as rules_row "$n" "rules_row_$n"
		row "rules_copy_$n" "COPY $what; baseline: one rule" s ratio "<=" 1.3 one_rule
		row "rules_row_$n" "INSERTs $what; baseline: one rule" /s ratio ">=" .77 one_rule
	done
	db postgres -c "DROP DATABASE base_rules" -c "DROP DATABASE base_member_rule"
}
run_rules() {
	local template=base_loyalty
	case $1 in
		ten_rules) template=base_rules ;;
		member_rule) template=base_member_rule ;;
	esac
	fresh "$template"
	timed "COPY shop.orders FROM '$WORK/server/orders'"
	note rules_copy "$1" "$wall" s
	clients rules_row "$1" 100000 "$template"
}
# values_as ROW CONTESTANT NEW: the row NEW has what was noted of a contestant as ours, beside the baseline
values_as() {
	cp "$WORK/values/$1.$2" "$WORK/values/$3.loyalty"
	cp "$WORK/values/$1.one_rule" "$WORK/values/$3.one_rule"
}

# Single orders by 16 clients.
case_one_row() {
	bases
	for COMMIT in off on; do
		interleaved run_one_row "${CONTESTANTS[@]}"
	done
	row one_row_off "one-row INSERTs, 16 clients, asynchronous commit" /s ratio ">=" .75
	row one_row_on "one-row INSERTs, 16 clients, synchronous commit" /s ratio ">=" .85
}
run_one_row() { clients "one_row_$COMMIT" "$1" 100000; }

case_hot() {
	bases
	COMMIT=on
	interleaved run_hot "${CONTESTANTS[@]}"
	row hot "one hot customer, 16 clients, synchronous commit" /s ratio ">=" .85
}
run_hot() { clients hot "$1" 1; }

# clients ROW CONTESTANT CUSTOMERS [TEMPLATE [SCRIPT]]: a second of warm-up takes
# the first touch of most pages, whose full images go to the WAL
clients() {
	local script=${5:-one_row}
	fresh "${4:-base_$2}"
	client run "$script" -D customers="$3" -c 16 -j 2 -T 1
	client run "$script" -D customers="$3" -c 16 -j 2 -T "$DURATION"
	note "$1" "$2" "$tps" /s
}

# Asynchronous commit: waiting for the disk would flatter everybody.
case_thousand() {
	bases
	COMMIT=off
	interleaved run_thousand "${CONTESTANTS[@]}"
	row thousand "1,000-row INSERT statements" ms ratio "<=" 2.0
}
run_thousand() {
	fresh "base_$1"
	client run thousand -c 1 -t 3
	client run thousand -c 1 -t "$STATEMENTS"
	note thousand "$1" "$(calc "1000 / $tps")" ms
}

# A tenth of all orders refunded, everything posted before.
case_refund() {
	local c
	bases
	for c in "${CONTESTANTS[@]}"; do
		echo "   loading $c"
		db postgres -c "CREATE DATABASE loaded_$c TEMPLATE base_$c"
		db "loaded_$c" -c "COPY shop.orders FROM '$WORK/server/orders'"
		post "loaded_$c" "$c"
		settle "loaded_$c"
	done
	interleaved run_refund "${CONTESTANTS[@]}"
	row refund "UPDATE of $(thousands $((ORDERS / 10))) of $(thousands "$ORDERS") orders to refunded" s ratio "<=" 1.6
	for c in "${CONTESTANTS[@]}"; do db postgres -c "DROP DATABASE loaded_$c"; done
}
run_refund() {
	fresh "loaded_$1"
	timed "UPDATE shop.orders SET status = 'refunded' WHERE order_id > $EARLIER AND order_id % 10 = 0"
	note refund "$1" "$wall" s
}

# Orders of the past: recorded, and posted; by hand, both are one.
case_backfill() {
	echo "   loading $(thousands "$BACKFILL") orders"
	db postgres -c "CREATE DATABASE past TEMPLATE empty"
	db past -c "SELECT setseed(0.5)" \
		-c "INSERT INTO shop.orders SELECT * FROM bench.orders(1, $BACKFILL, '2022-01-01')" >/dev/null
	settle past
	interleaved run_backfill by_hand loyalty
	local n; n=$(thousands "$BACKFILL")
	row backfill "backfill of $n orders; baseline: SQL by hand" s ratio "<=" .40 by_hand
	row backfill_post "the same and posting" s ratio "<=" .40 by_hand
	row backfill_memory "memory of it" MB value "<=" "$MEMORY" by_hand
	db postgres -c "DROP DATABASE run" -c "DROP DATABASE past"
}
run_backfill() {
	backfilled "$1" backfill loyalty by_hand
	note backfill_memory "$1" "$memory" MB
}

# backfilled CONTESTANT ROW PROGRAM BY_HAND: the past of one contestant; memory is that of
# the backfill
backfilled() {
	local seconds peak
	fresh past
	if [ "$1" = by_hand ]; then
		db run -f "$HERE/peer.sql"
		timed "$(cat "$HERE/$4.sql")"
	else
		db run -f "$HERE/$3.sql"
		timed "SELECT loyalty.backfill('club', 'shop.orders')"
	fi
	note "$2" "$1" "$wall" s
	seconds=$wall peak=$memory
	wall=0
	[ "$1" != loyalty ] || timed "CALL loyalty.post('club')"
	note "$2_post" "$1" "$(calc "$seconds + $wall")" s
	memory=$peak
}

# The same of orders with lines, by ten rules.  The amounts of the orders are those of
# their lines, by which the peers are verified.
case_backfill_lines() {
	local n=$((BACKFILL / 5))
	echo "   loading $(thousands $n) orders with lines"
	db postgres -c "CREATE DATABASE past TEMPLATE empty"
	db past -f "$HERE/lines.sql" -c "SELECT setseed(0.5)" \
		-c "INSERT INTO shop.lines SELECT * FROM bench.lines(1, $n)" \
		-c "INSERT INTO shop.orders SELECT o.order_id, o.customer_id, o.ordered_at, l.amount, o.status
		      FROM bench.orders(1, $n, '2022-01-01') o
		      JOIN (SELECT order_id, sum(qty * price) AS amount FROM shop.lines GROUP BY 1) l USING (order_id)" >/dev/null
	settle past
	interleaved run_backfill_lines by_hand loyalty
	n=$(thousands $n)
	row backfill_lines "backfill of $n orders of lines, ten rules; by hand" s ratio "" "" by_hand
	row backfill_lines_post "the same and posting" s ratio "" "" by_hand
	db postgres -c "DROP DATABASE run" -c "DROP DATABASE past"
}
run_backfill_lines() { backfilled "$1" backfill_lines ten_rules by_hand_lines; }

# Without full images of pages: they depend on the checkpoints, not on the order.
case_wal() {
	bases
	COMMIT=on
	db postgres -c "ALTER SYSTEM SET full_page_writes = off" -c "SELECT pg_reload_conf()" >/dev/null
	sleep 1
	interleaved run_wal "${CONTESTANTS[@]}"
	row wal "WAL per one-row order" bytes value "<=" 560
	db postgres -c "ALTER SYSTEM RESET full_page_writes" -c "SELECT pg_reload_conf()" >/dev/null
	sleep 1
}
run_wal() {
	local before n=5000
	fresh "base_$1"
	client run one_row -D customers=100000 -c 1 -t 500
	before=$(db run -c "SELECT pg_current_wal_insert_lsn()")
	client run one_row -D customers=100000 -c 1 -t $n
	note wal "$1" "$(db run -c "SELECT (pg_current_wal_insert_lsn() - '$before') / $n")" bytes
}

# one_processor COMMAND...: client and server share a processor meanwhile: to wake an
# idle one can take longer than a read.
one_processor() {
	local postmaster processors
	postmaster=$(as_server head -n 1 "$WORK/server/data/postmaster.pid")
	processors=$(as_server taskset -cp "$postmaster" | sed 's/.*: //')
	PIN=(taskset -c "${processors%%[,-]*}")
	as_server taskset -cp "${processors%%[,-]*}" "$postmaster" >/dev/null
	"$@"
	as_server taskset -cp "$processors" "$postmaster" >/dev/null
	PIN=()
}

# One member with 1,000 entries, which came between those of others.
case_read() {
	local c
	for c in row_trigger loyalty; do
		base "$c"
		echo "   loading $c"
		db postgres -c "CREATE DATABASE read_$c TEMPLATE base_$c"
		db "read_$c" -c "INSERT INTO shop.orders
			SELECT order_id, CASE WHEN order_id % 50 = 0 THEN 1 ELSE customer_id END, ordered_at, amount, status
			  FROM bench.orders($EARLIER + 1, 50000, '2022-01-01')"
		post "read_$c" "$c"
		settle "read_$c"
	done
	COMMIT=on
	one_processor interleaved run_read balance sum loyalty
	row read "read a member, 1,000 entries; baseline: balance row" ms value "<=" 0.04 balance
	row read "the same; baseline: SUM over a ledger" ms value "" "" sum
	for c in row_trigger loyalty; do db postgres -c "DROP DATABASE read_$c"; done
}
run_read() {
	local template=read_row_trigger
	[ "$1" != loyalty ] || template=read_loyalty
	fresh $template
	client run "read_$1" -c 1 -T 1
	client run "read_$1" -c 1 -T "$DURATION"
	note read "$1" "$(calc "1000 / $tps")" ms
}

# Points are spent by 16 clients, of a customer each time; the baseline is what one would write
# by hand: an UPDATE of a balance, and an INSERT into a log.
case_redeem() {
	db postgres -c "CREATE DATABASE redeem_hand TEMPLATE empty" -c "CREATE DATABASE redeem_loyalty TEMPLATE empty"
	db redeem_hand -c "CREATE SCHEMA peer" -c "CREATE TABLE peer.balance (customer_id bigint PRIMARY KEY, points numeric NOT NULL) WITH (fillfactor = 80)" \
		-c "CREATE TABLE peer.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL, points numeric NOT NULL, at timestamptz NOT NULL DEFAULT now())" \
		-c "CREATE INDEX ON peer.log (customer_id)" -c "INSERT INTO peer.balance SELECT customer_id, 1000 FROM shop.customers"
	db redeem_loyalty -f "$HERE/loyalty.sql" \
		-c "INSERT INTO shop.orders (order_id, customer_id, ordered_at, amount) SELECT customer_id, customer_id, '2022-01-01', 1000 FROM shop.customers"
	post redeem_loyalty loyalty
	settle redeem_hand
	settle redeem_loyalty
	for COMMIT in off on; do
		interleaved run_redeem hand loyalty
	done
	row redeem_off "redeem, 16 clients, asynchronous commit; UPDATE and INSERT" /s ratio ">=" .50 hand
	row redeem_on "the same, synchronous commit" /s ratio ">=" .50 hand
	db postgres -c "DROP DATABASE run" -c "DROP DATABASE redeem_hand" -c "DROP DATABASE redeem_loyalty"
}
run_redeem() { clients "redeem_$COMMIT" "$1" 100000 "redeem_$1" "redeem_$1"; }

# Orders of three lines: header and lines by 16 clients, and loaded one after the
# other, as one does.
case_lines() {
	local c n
	db postgres -c "CREATE DATABASE with_lines TEMPLATE empty"
	db with_lines -f "$HERE/lines.sql" -c "SELECT setseed(0.5)" \
		-c "COPY (SELECT * FROM bench.lines(1, $EARLIER)) TO '$WORK/server/earlier_lines'" \
		-c "COPY (SELECT * FROM bench.lines($EARLIER + 1, $LINES)) TO '$WORK/server/lines'" \
		-c "COPY (SELECT order_id, customer_id, ordered_at, 0, status FROM bench.orders($EARLIER + 1, $LINES, '2022-01-01'))
		     TO '$WORK/server/headers'" >/dev/null
	for c in plain loyalty; do
		echo "   preparing $c"
		db postgres -c "CREATE DATABASE lines_$c TEMPLATE with_lines"
		[ "$c" = plain ] || db "lines_$c" -f "$HERE/loyalty_lines.sql"
		db "lines_$c" -c "COPY shop.orders FROM '$WORK/server/earlier'" -c "COPY shop.lines FROM '$WORK/server/earlier_lines'"
		post "lines_$c" "$c"
		settle "lines_$c"
	done
	COMMIT=off
	interleaved run_one_order plain loyalty
	row one_order "orders of three lines, 16 clients, asynchronous" /s ratio "" ""
	interleaved run_copy_lines plain loyalty
	n=$(thousands "$LINES")
	row copy_lines "COPY of $n orders, then of their lines" s ratio "" ""
	for c in with_lines lines_plain lines_loyalty; do db postgres -c "DROP DATABASE $c"; done
}
run_one_order() { clients one_order "$1" 100000 "lines_$1" one_order; }
run_copy_lines() {
	local headers
	fresh "lines_$1"
	timed "COPY shop.orders FROM '$WORK/server/headers'"
	headers=$wall
	timed "COPY shop.lines FROM '$WORK/server/lines'"
	note copy_lines "$1" "$(calc "$headers + $wall")" s
}

# The same orders in many partitions; single ones all go into one of them.
case_partitions() {
	local c n
	for c in plain loyalty; do
		echo "   preparing $c"
		db postgres -c "CREATE DATABASE parts_$c TEMPLATE empty"
		db "parts_$c" -v partitions="$PARTITIONS" -f "$HERE/partitions.sql"
		[ "$c" = plain ] || db "parts_$c" -f "$HERE/loyalty.sql"
		db "parts_$c" -c "COPY shop.orders FROM '$WORK/server/earlier'"
		post "parts_$c" "$c"
		settle "parts_$c"
	done
	n=$(thousands "$PARTITIONS")
	COMMIT=off
	interleaved run_one_row_parts plain loyalty
	row one_row_parts "one-row INSERTs, 16 clients, $n partitions" /s ratio ">=" .75
	interleaved run_copy_parts plain loyalty
	row copy_parts "COPY of $(thousands "$ORDERS") orders, $n partitions" s ratio "<=" 1.3
	for c in parts_plain parts_loyalty; do db postgres -c "DROP DATABASE $c"; done
}
run_one_row_parts() { clients one_row_parts "$1" 100000 "parts_$1"; }
run_copy_parts() {
	fresh "parts_$1"
	timed "COPY shop.orders FROM '$WORK/server/orders'"
	note copy_parts "$1" "$wall" s
}

# Reads of all kinds, of orders that are posted and of others that are not, up to as many
# again.  There are no statistics, as after a load.  Customer 1 has 10,000 orders.
case_reads() {
	local unposted n from=$((ORDERS + 1))
	COMMIT=on
	db postgres -c "CREATE DATABASE reads_0 TEMPLATE empty"
	db reads_0 -f "$HERE/loyalty.sql" -c "SELECT setseed(0.5)" \
		-c "INSERT INTO shop.orders SELECT * FROM bench.orders(1, $ORDERS, '2022-01-01')" \
		-c "INSERT INTO shop.orders SELECT order_id + 1000000000, 1, ordered_at, amount, status FROM bench.orders(1, 10000, '2022-01-01')" >/dev/null
	post reads_0 loyalty
	for unposted in 10000 $ORDERS; do
		db postgres -c "CREATE DATABASE reads_$unposted TEMPLATE reads_0"
		db "reads_$unposted" -c "INSERT INTO shop.orders SELECT * FROM bench.orders($from, $unposted, '2023-01-01')" \
			-c "UPDATE shop.orders SET amount = amount + 1 WHERE order_id = 1000005000"
	done
	for UNPOSTED in 0 10000 $ORDERS; do
		n=$(thousands "$UNPOSTED")
		one_processor interleaved run_reads loyalty
		row "reads_key_$UNPOSTED" "member by key, $n unposted: prepared" ms value "<=" "$([ "$UNPOSTED" = "$ORDERS" ] && echo .08 || echo .04)"
		row "reads_simple_$UNPOSTED" "the same, planned each time" ms value "" ""
		row "reads_balance_$UNPOSTED" "balance()" ms value "<=" "$([ "$UNPOSTED" = "$ORDERS" ] && echo .08 || echo .04)"
		row "reads_in_$UNPOSTED" "three members by IN" ms value "" ""
		row "reads_join_$UNPOSTED" "members joined by another column" ms value "" ""
		row "reads_heavy_$UNPOSTED" "a member with 10,000 orders" ms value "" ""
		row "reads_list_$UNPOSTED" "50 orders with their points" ms value "" ""
		interleaved run_all_members scan loyalty
		row "reads_all_$UNPOSTED" "all members with tier and points; scan of accounts" s ratio "<=" 8 scan
	done
	db postgres -c "DROP DATABASE run" -c "DROP DATABASE reads_0" -c "DROP DATABASE reads_10000" -c "DROP DATABASE reads_$ORDERS"
}
run_reads() {
	local script options
	fresh "reads_$UNPOSTED"
	for script in key simple balance in join heavy list; do
		options=(-c 1)
		[ "$script" != simple ] || options+=(-M simple)
		client run "reads_${script/simple/key}" "${options[@]}" -T 1
		client run "reads_${script/simple/key}" "${options[@]}" -T "$DURATION"
		note "reads_${script}_$UNPOSTED" "$1" "$(calc "1000 / $tps")" ms
	done
}
run_all_members() {
	fresh "reads_$UNPOSTED"
	if [ "$1" = scan ]; then
		timed "SELECT count(*), sum(points) FROM club.account"
	else
		timed "SELECT count(tier), sum(points) FROM club.members"
	fi
	note "reads_all_$UNPOSTED" "$1" "$wall" s
}

# verify(), over reading what it has to read once.  There are no statistics, as after a load.
case_verify() {
	local n
	n=$(thousands "$ORDERS")
	db postgres -c "CREATE DATABASE verify_unposted TEMPLATE empty"
	db verify_unposted -f "$HERE/loyalty.sql" -c "SELECT setseed(0.5)" \
		-c "INSERT INTO shop.orders SELECT * FROM bench.orders(1, $ORDERS, '2022-01-01')" >/dev/null
	db postgres -c "CREATE DATABASE verify_posted TEMPLATE verify_unposted"
	post verify_posted loyalty
	db postgres -c "CREATE DATABASE verify_lines TEMPLATE empty"
	db verify_lines -f "$HERE/lines.sql" -f "$HERE/ten_rules.sql" -c "SELECT setseed(0.5)" \
		-c "INSERT INTO shop.lines SELECT * FROM bench.lines(1, $LINES)" \
		-c "INSERT INTO shop.orders SELECT order_id, customer_id, ordered_at, 0, status FROM bench.orders(1, $LINES, '2022-01-01')" >/dev/null
	post verify_lines loyalty
	for VERIFIED in posted unposted lines; do
		interleaved run_verify reading loyalty
	done
	row verify_posted "verify() of $n orders, posted; reading them once" s ratio "<=" 10 reading
	row verify_unposted "the same, unposted" s ratio "<=" 12 reading
	row verify_lines "verify() of $(thousands "$LINES") orders of lines, ten rules" s ratio "" "" reading
	db postgres -c "DROP DATABASE run" -c "DROP DATABASE verify_posted" -c "DROP DATABASE verify_unposted" -c "DROP DATABASE verify_lines"
}
run_verify() {
	local entries=ledger statement
	fresh "verify_$VERIFIED"
	[ "$VERIFIED" != unposted ] || entries=journal
	statement="SELECT * FROM (SELECT count(*), sum(amount) FROM shop.orders) o, (SELECT count(*), sum(amount) FROM club.$entries) e"
	[ "$VERIFIED" != lines ] || statement+=", (SELECT count(*), sum(price) FROM shop.lines) l"
	[ "$1" = reading ] || statement="SELECT * FROM loyalty.verify('club')"
	timed "$statement"
	note "verify_$VERIFIED" "$1" "$wall" s
}

# What other rules would have given to all orders, beside reading what they gave.
case_simulate() {
	local n; n=$(thousands "$ORDERS")
	echo "   loading $n orders"
	db postgres -c "CREATE DATABASE simulated TEMPLATE empty"
	db simulated -f "$HERE/loyalty.sql" -c "SELECT setseed(0.5)" \
		-c "INSERT INTO shop.orders SELECT * FROM bench.orders(1, $ORDERS, '2022-01-01')" >/dev/null
	post simulated loyalty
	interleaved run_simulate reading loyalty
	row simulate "what-if over $n orders; reading their points" s value "" "" reading
	row simulate_memory "memory of it" MB value "" "" reading
	db postgres -c "DROP DATABASE run" -c "DROP DATABASE simulated"
}
run_simulate() {
	fresh simulated
	if [ "$1" = reading ]; then
		timed "SELECT count(*), sum(points) FROM club.order_points"
	else
		db run -c "UPDATE club.earning_rule SET points = 'amount * 2'"
		timed "SELECT count(*), sum(difference) FROM loyalty.simulate('club')"
	fi
	note simulate "$1" "$wall" s
	note simulate_memory "$1" "$memory" MB
}

# The tier of a member with 1,000 orders by those of twelve months, beside one by all of them; and of all members.
case_tiers() {
	local by
	for by in spend loyalty; do
		echo "   loading $by"
		db postgres -c "CREATE DATABASE tiers_$by TEMPLATE empty"
		db "tiers_$by" -f "$HERE/loyalty.sql" -c "DELETE FROM club.tier"
		[ "$by" = spend ] && db "tiers_$by" -c "INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 1, 'spend >= 5000')"
		[ "$by" = spend ] || db "tiers_$by" -c "INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 1, 'total(purchases, today - interval ''1 year'') >= 5000')"
		db "tiers_$by" -c "SELECT setseed(0.5)" \
			-c "INSERT INTO shop.orders SELECT order_id, CASE WHEN order_id <= 1000 THEN 1 ELSE customer_id END, now() - order_id % 1000 * interval '1 day', amount, 'paid' FROM bench.orders(1, $ORDERS, '2022-01-01')" >/dev/null
		post "tiers_$by" loyalty
	done
	interleaved run_tiers spend loyalty
	row tiers_one "a member of 1,000 orders by 12 months; by all" ms value "<=" .1 spend
	row tiers_all "all members; by all orders" s ratio "" "" spend
	for by in spend loyalty; do db postgres -c "DROP DATABASE tiers_$by"; done
}
run_tiers() {
	fresh "tiers_$1"
	timed "DO 'BEGIN FOR i IN 1..10000 LOOP PERFORM tier FROM club.members WHERE customer_id = 1; END LOOP; END'"
	note tiers_one "$1" "$(calc "$wall / 10")" ms
	timed "SELECT count(tier) FROM club.members"
	note tiers_all "$1" "$wall" s
}
