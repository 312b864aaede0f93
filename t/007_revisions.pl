# The entries of an order are posted as they were at one moment: whenever a
# transaction that changed an order many times commits while a session posts, the
# poster takes all of its revisions or none.
#
# The customers' key is a type whose comparison can be stopped: session "poster" is
# stopped at one of its comparisons of keys, and the transaction commits then; in
# the next round at a later one, and so on until it makes no more of them.  Order
# keys are long, so that the entries of an order are on several pages of the index,
# and the poster compares customers between them.
use strict;
use warnings;
use IPC::Run ();
use Time::HiRes qw(usleep);
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('revisions');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nautovacuum = off\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE TYPE key AS ENUM ('a', 'b', 'c');
CREATE SEQUENCE comparison;
-- compares, and waits for the advisory lock 1 at the comparison whose number the setting test.stop is
CREATE FUNCTION key_compare(key, key) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	IF current_setting('test.stop', true) <> '' THEN
		IF nextval('public.comparison') = current_setting('test.stop')::bigint THEN
			PERFORM pg_advisory_lock_shared(1);
			PERFORM pg_advisory_unlock_shared(1);
		END IF;
	END IF;
	RETURN enum_cmp($1, $2);
END $$;
CREATE FUNCTION key_lt(key, key) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN enum_cmp($1, $2) < 0; END';
CREATE FUNCTION key_le(key, key) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN public.key_compare($1, $2) <= 0; END';
CREATE FUNCTION key_eq(key, key) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN enum_cmp($1, $2) = 0; END';
CREATE FUNCTION key_ge(key, key) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN public.key_compare($1, $2) >= 0; END';
CREATE FUNCTION key_gt(key, key) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN enum_cmp($1, $2) > 0; END';
CREATE OPERATOR < (LEFTARG = key, RIGHTARG = key, FUNCTION = key_lt, COMMUTATOR = >);
CREATE OPERATOR <= (LEFTARG = key, RIGHTARG = key, FUNCTION = key_le, COMMUTATOR = >=);
CREATE OPERATOR = (LEFTARG = key, RIGHTARG = key, FUNCTION = key_eq, COMMUTATOR = =, MERGES);
CREATE OPERATOR >= (LEFTARG = key, RIGHTARG = key, FUNCTION = key_ge, COMMUTATOR = <=);
CREATE OPERATOR > (LEFTARG = key, RIGHTARG = key, FUNCTION = key_gt, COMMUTATOR = <);
CREATE OPERATOR CLASS key_ops DEFAULT FOR TYPE key USING btree AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 key_compare(key, key);
-- four to a page, and not to be compressed
CREATE FUNCTION long_id(int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char($1, '00000000') || string_agg(md5(i::text || $1), '') FROM generate_series(1, 55) i $$;
CREATE FUNCTION name_order() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.long_id := public.long_id(NEW.id); RETURN NEW; END';
CREATE TABLE customers (id key PRIMARY KEY);
INSERT INTO customers VALUES ('a'), ('b'), ('c');
CREATE TABLE orders (id int PRIMARY KEY, long_id text UNIQUE, customer key, at timestamptz DEFAULT '2024-01-01', total int);
CREATE TRIGGER name_order BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION name_order();
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total', order_key => 'long_id');
SQL

my $dsn = $node->connstr('postgres');
# A session that is given statements one after the other.
sub session
{
	my ($in, $out) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $dsn ], '<', \$in, '>&', \$out, IPC::Run::timeout(100));
	return { run => $run, in => \$in, out => \$out, asked => 0 };
}
sub ask		# sends statements
{
	my ($session, $sql) = @_;
	${ $session->{in} } .= "$sql\n\\echo done " . ++$session->{asked} . "\n";
	$session->{run}->pump_nb;
}
sub answered
{
	my ($session) = @_;
	$session->{run}->pump_nb;
	die "a session met an error: ${$session->{out}}" if ${ $session->{out} } =~ /ERROR|FATAL|lost/;
	return ${ $session->{out} } =~ /^done $session->{asked}$/m;
}
sub await
{
	my ($session) = @_;
	until (answered($session)) { usleep(1_000); }
}

my $buyer = session();		# records
my $poster = session();		# posts
my $control = session();	# stops one of them
my $watch = session();		# sees whether it is stopped
ask($_, 'SET client_min_messages = error;') for $buyer, $poster, $control, $watch;
await($_) for $buyer, $poster, $control, $watch;
sub now { my ($session, $sql) = @_; ${ $session->{out} } = ''; ask($session, $sql); await($session); my $out = ${ $session->{out} }; $out =~ s/^done \d+\n//m; chomp $out; return $out; }

# is_stopped(SESSION): runs until it is stopped (true) or through with it (false)
sub is_stopped
{
	my ($session) = @_;
	while (1)
	{
		return 0 if answered($session);
		return 1 if now($watch, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted;}) eq '1';
		usleep(1_000);
	}
}
# what was recorded is right, by the orders themselves, and by verify() now and then
my $wrong = '';
sub look
{
	my ($when) = @_;
	my $points = now($watch, <<'SQL');
SELECT string_agg(format('%s has %s points and %s orders, not %s and %s', m.id, m.points, m.orders, o.points, o.orders), '; ' ORDER BY m.id::text)
  FROM club.members m JOIN LATERAL (SELECT coalesce(sum(total), 0) AS points, count(*) AS orders FROM orders o WHERE o.customer::text = m.id::text) o
       ON (m.points, m.orders) IS DISTINCT FROM (o.points, o.orders);
SQL
	my $verify = $when =~ /[05]$/ ? now($watch, "SELECT * FROM loyalty.verify('club');") : '';
	$wrong .= "$when: $points $verify\n" if "$points$verify" ne '';
}

# how a transaction changes the orders of this round, which begin at $_[0]
my %change = (
	'revisions' => sub { "INSERT INTO orders (id, customer, total) VALUES ($_[0], 'a', 100), ($_[0] + 1, 'b', 1), ($_[0] + 2, 'b', 1), ($_[0] + 3, 'c', 5);"
		. join '', map { "UPDATE orders SET total = total + $_ WHERE id >= $_[0];" } 1 .. 9 },
	'half taken back' => sub { "INSERT INTO orders (id, customer, total) VALUES ($_[0], 'a', 100), ($_[0] + 1, 'b', 1);"
		. "UPDATE orders SET total = total + 1 WHERE id >= $_[0]; UPDATE orders SET total = total + 1 WHERE id >= $_[0]; UPDATE orders SET total = total + 1 WHERE id >= $_[0]; SAVEPOINT s; UPDATE orders SET total = 7 WHERE id >= $_[0]; DELETE FROM orders WHERE id = $_[0];"
		. "ROLLBACK TO s; UPDATE orders SET total = 9 WHERE id >= $_[0]; SAVEPOINT t; UPDATE orders SET customer = 'c' WHERE id = $_[0]; RELEASE t;" },
	'earlier orders' => sub { "UPDATE orders SET total = total + 1 WHERE id >= $_[0] - 10; UPDATE orders SET total = total + 1, customer = 'b' WHERE id >= $_[0] - 10 AND id % 10 = 5;"
		. "DELETE FROM orders WHERE id = $_[0] - 4; UPDATE orders SET total = total - 1 WHERE id >= $_[0] - 10;" },
);

for my $name (sort keys %change)
{
	$wrong = '';
	my $rounds = 0;
	my $stride = 1;
	for (my $stop = 1; ; $stop += $stride)
	{
		now($watch, 'VACUUM club.journal; VACUUM club.ledger;');		# dead entries are compared, too
		my $base = now($watch, 'SELECT (coalesce(max(id), 0) / 10 + 1) * 10 FROM orders;');
		# something is posted already, and something waits to be, before and behind
		now($buyer, "INSERT INTO orders (id, customer, total) VALUES ($base + 5, 'a', 10); UPDATE orders SET total = 11 WHERE id = $base + 5;");
		now($buyer, 'BEGIN; ' . $change{$name}->($base));
		now($buyer, "INSERT INTO orders (id, customer, total) VALUES ($base + 6, 'b', 20);");
		now($watch, 'SELECT setval(\'comparison\', 1, false);');
		now($control, 'SELECT pg_advisory_lock(1);');
		${ $poster->{out} } = '';
		ask($poster, "SET test.stop = $stop; SELECT posted FROM _loyalty.post_batch('club', NULL, 1000); SET test.stop = '';");
		my $stopped = is_stopped($poster);
		now($buyer, 'COMMIT;');
		now($control, 'SELECT pg_advisory_unlock(1);');
		await($poster);
		look("stop $stop, before the rest is posted");
		now($poster, "CALL loyalty.post('club');");
		look("stop $stop");
		$wrong .= "stop $stop: entries are left\n" if now($watch, 'SELECT count(*) FROM club.journal;') ne '0';
		last if !$stopped || ++$rounds == 50;
		# some of all moments
		$stride = 1 + int(now($watch, 'SELECT last_value FROM comparison;') / 60) if $rounds == 1;
	}
	is($wrong, '', "$name: committed at any of $rounds moments of posting");
	cmp_ok($rounds, '>', 5, "$name: posting was stopped");
	is(now($watch, "SELECT * FROM loyalty.verify('club');"), '', "$name: verify() is empty");
}
$_->{run}->finish for map { ${ $_->{in} } .= "\\q\n"; $_ } $buyer, $poster, $control, $watch;
$node->stop;
done_testing();
