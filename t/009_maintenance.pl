# Maintenance of a program's tables while orders are made, changed, imported and
# posted: tables are rewritten and repacked, indexes are built, rebuilt and
# dropped, and in the end every order counts once, every index has every row, and
# nobody met an error.
use strict;
use warnings;
use IPC::Run ();
use Time::HiRes qw(usleep);
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('maintenance');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nautovacuum_naptime = 1\nmaintenance_work_mem = 4MB\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE EXTENSION amcheck;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 50);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int, at timestamptz DEFAULT now(), total int);
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO orders (customer_id, total) SELECT 1 + i % 50, i % 100 FROM generate_series(1, 5000) i;

-- until this is true, sessions go on
CREATE TABLE enough (yes bool, repacking bool);
INSERT INTO enough VALUES (false, false);

-- single orders, each made, most of them changed, some deleted
CREATE PROCEDURE buy() LANGUAGE plpgsql AS $$
DECLARE o bigint;
BEGIN
	WHILE NOT (SELECT yes FROM enough) LOOP
		INSERT INTO orders (customer_id, total) VALUES (1 + floor(random() * 50), floor(random() * 100)) RETURNING id INTO o;
		COMMIT;
		UPDATE orders SET total = floor(random() * 100) WHERE id = o;
		IF random() < 0.3 THEN
			UPDATE orders SET customer_id = 1 + floor(random() * 50) WHERE id = o;
		END IF;
		COMMIT;
		IF random() < 0.3 THEN
			DELETE FROM orders WHERE id = o;
			COMMIT;
		END IF;
		PERFORM pg_sleep(0.005);	-- pg_repack must catch up with all this
	END LOOP;
END $$;
-- many at once, some of them in a transaction that is taken back in part
CREATE PROCEDURE import() LANGUAGE plpgsql AS $$
DECLARE since bigint;
BEGIN
	WHILE NOT (SELECT yes FROM enough) LOOP
		SELECT max(id) INTO since FROM orders;
		INSERT INTO orders (customer_id, total) SELECT 1 + i % 50, i FROM generate_series(1, 100) i;
		BEGIN
			UPDATE orders SET total = total + 1 WHERE id > since AND id <= since + 50;
			RAISE EXCEPTION 'no';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
		UPDATE orders SET total = total + 3 WHERE id BETWEEN since AND since + 20;
		COMMIT;
		DELETE FROM orders WHERE id BETWEEN since + 10 AND since + 60 AND customer_id % 2 = 0;
		COMMIT;
		COPY orders (customer_id, total) FROM PROGRAM 'for i in 1 2 3 4 5 6 7 8 9 10; do echo "$i,$i"; done' (FORMAT csv);
		COMMIT;
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;
CREATE PROCEDURE keep_posting() LANGUAGE plpgsql AS $$
DECLARE after text;
BEGIN
	WHILE NOT (SELECT yes FROM enough) LOOP
		SELECT last INTO after FROM _loyalty.post_batch('club', after, 200);
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
-- A reader that looks at one moment for a while: nothing may be missing in it, nor
-- there twice.  What pg_repack writes is not seen by snapshots of before, whatever
-- the table, so then each look is a moment of its own.
CREATE PROCEDURE look() LANGUAGE plpgsql AS $$
DECLARE difference numeric;
BEGIN
	WHILE NOT (SELECT yes FROM enough) LOOP
		PERFORM pg_advisory_lock_shared(1);
		COMMIT;
		IF NOT (SELECT repacking FROM enough) THEN
			COMMIT;
			SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
		END IF;
		FOR i IN 1 .. 2 LOOP
			SELECT m.points - o.total INTO difference
			  FROM (SELECT sum(points) AS points FROM club.members) m, (SELECT sum(total) AS total FROM orders) o;
			IF difference <> 0 THEN
				RAISE EXCEPTION 'there are % points too many', difference;
			END IF;
			PERFORM pg_sleep(0.05);
		END LOOP;
		COMMIT;
		PERFORM pg_advisory_unlock_shared(1);
	END LOOP;
END $$;
SQL

my $repack = $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'")
  && grep { -x "$_/pg_repack" } split /:/, $ENV{PATH};
$node->safe_psql('postgres', 'CREATE EXTENSION pg_repack') if $repack;

my (%output, %session);
for my $call (qw(buy import keep_posting look), 'buy ')
{
	$output{$call} = '';
	$session{$call} = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', 'SET client_min_messages = error',
		'-c', "SET statement_timeout = '100s'", '-c', "CALL $call()" ], '<', \undef, '>&', \$output{$call});
}

# maintain(WHAT): as a user would do it, beside the others
sub maintain
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '60s';\n$sql");
	is($err, '', $sql =~ s/;\n/; /gr);
}

my $at_work = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL %'";
for (1 .. 50)
{
	last if $node->safe_psql('postgres', $at_work) == 5;
	usleep(100_000);
}
my $counted = sub { $node->safe_psql('postgres', "SELECT count(*) FROM orders") };
my $before = $counted->();
maintain("CREATE INDEX CONCURRENTLY my_$_ ON club.$_ (" . ($_ eq 'account' ? 'points' : 'recorded_at') . ")") for qw(journal ledger account);
for my $table (qw(journal ledger account))
{
	maintain("REINDEX INDEX CONCURRENTLY club.${table}_pkey");
	maintain("REINDEX TABLE club.$table");
	maintain("REINDEX TABLE CONCURRENTLY club.$table");
	maintain("VACUUM (FULL, ANALYZE) club.$table");
	maintain("CLUSTER club.$table USING ${table}_pkey");
	maintain("REINDEX INDEX club.${table}_pkey");
	maintain("VACUUM (FREEZE) club.$table");
	SKIP:
	{
		skip 'pg_repack is not installed', 1 unless $repack;
		my ($ok, $out, $err) = (0, '', '');
		$node->safe_psql('postgres', 'UPDATE enough SET repacking = true');
		$node->safe_psql('postgres', 'SELECT pg_advisory_lock(1)');		# until the reader's last look is over
		# pg_repack waits for locks with a statement_timeout, which on a busy machine can hit
		# the statement that takes it back: then it has done nothing, and is called again
		for (1 .. 5)
		{
			$ok = IPC::Run::run([ 'pg_repack', '--no-kill-backend', '--wait-timeout=60', '-h', $node->host, '-p', $node->port,
				'-d', 'postgres', '-t', "club.$table" ], '>', \$out, '2>', \$err);
			last if $ok || $err !~ /query was: RESET statement_timeout/;
		}
		ok($ok && $err !~ /ERROR|WARNING/, "pg_repack -t club.$table") or diag($err);
		$node->safe_psql('postgres', 'UPDATE enough SET repacking = false');
	}
}
maintain("DROP INDEX CONCURRENTLY club.my_$_") for qw(journal ledger account);
is($node->safe_psql('postgres', $at_work), '5', 'all others were at work all the time');
my $after = $counted->();
cmp_ok($after, '>', $before + 100, 'orders were made meanwhile');

$node->safe_psql('postgres', 'UPDATE enough SET yes = true');
for my $call (sort keys %session)
{
	$session{$call}->finish;
	is($output{$call}, '', "$call() met no error");
}

# what the orders say is right, before the rest is posted and after
for my $when ('not all is posted', 'all is posted')
{
	is($node->safe_psql('postgres', <<'SQL'), '', "points are those of the orders, $when");
SELECT m.id, o.customer_id, m.points, m.orders, o.points, o.orders
  FROM club.members m FULL JOIN (SELECT customer_id, sum(total) AS points, count(*) AS orders FROM orders GROUP BY 1) o ON o.customer_id = m.id
 WHERE (m.points, m.orders) IS DISTINCT FROM (o.points, o.orders)
SQL
	is($node->safe_psql('postgres', <<'SQL'), '', "every index has every row, $when");
SELECT i FROM (SELECT i.indexrelid::regclass AS i, bt_index_check(i.indexrelid, true) AS checked
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam
 WHERE c.relnamespace = 'club'::regnamespace AND a.amname = 'btree' OFFSET 0) x WHERE checked IS NULL OR i IS NULL
SQL
	is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', "verify() is empty, $when");
	$node->safe_psql('postgres', "SET client_min_messages = error; CALL loyalty.post('club')");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM club.journal'), '0', 'nothing is left in the journal');
is($node->safe_psql('postgres', 'SELECT count(*) FROM club.set_aside'), '0', 'and nothing was set aside');
note $node->safe_psql('postgres', "SELECT count(*) || ' entries were posted' FROM club.ledger");
$node->stop;
done_testing();
