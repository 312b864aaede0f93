# Values of the type loyalty.history as others make them: text, binary form and stored bytes
# that are random or were changed at random.  Each is refused with an error that users can
# understand, or means a value that comes back the same, and no session dies.  Then dumps, and
# values in binary form.
#
#   LOYALTY_SEED   repeats a run; the seed is told
#   LOYALTY_STEPS  how many inputs of each kind, 4000 if it is not set
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $seed = $ENV{LOYALTY_SEED} // int(rand(1_000_000_000));
my $steps = $ENV{LOYALTY_STEPS} || 4000;
srand($seed);
note "LOYALTY_SEED=$seed";

my $node = new_node('history');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off\n");
$node->start;
my $dir = $node->basedir;
my $conn = $node->connstr('postgres');

$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION loyalty;
ALTER DATABASE postgres SET search_path = public, loyalty;
CREATE TABLE given (n integer PRIMARY KEY, kind text, input bytea);
CREATE TABLE became (n integer, h loyalty.history, state text, message text);
CREATE TABLE received (h loyalty.history);

-- a value of what recv reads, in a file of one row
CREATE FUNCTION receive(message bytea) RETURNS loyalty.history LANGUAGE plpgsql AS \$\$
DECLARE
	file oid;
	result loyalty.history;
BEGIN
	file := lo_from_bytea(0, '\\x5047434f50590aff0d0a000000000000000000' || '\\x0001'::bytea || int4send(length(message)) || message || '\\xffff');
	PERFORM lo_export(file, '$dir/message'), lo_unlink(file);
	COPY received FROM '$dir/message' (FORMAT binary);
	DELETE FROM received RETURNING h INTO result;
	RETURN result;
END \$\$;

-- bytes as they are stored, whatever they say: as a file has them that is damaged
CREATE CAST (bytea AS loyalty.history) WITHOUT FUNCTION;

-- all that reads a value, so that what is wrong with it is met
CREATE FUNCTION read_all(h loyalty.history) RETURNS loyalty.history LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM total(h), times(h), days(h), gaps(h), first_day(h), last_day(h), during(h, '2000-01-01'), -h, h - h,
	        _loyalty.history_hash(h), _loyalty.history_send(h), h::text, (SELECT count(*) FROM unnest(h)), h = h;
	RETURN h + '{}';
END \$\$;

-- ends its transaction now and then, since each file locks a large object
CREATE PROCEDURE try_all() LANGUAGE plpgsql AS \$\$
DECLARE
	one record;
	value loyalty.history;
BEGIN
	FOR one IN SELECT * FROM given ORDER BY n LOOP
		BEGIN
			value := CASE one.kind WHEN 'text' THEN convert_from(one.input, 'UTF8')::loyalty.history
			                       WHEN 'binary' THEN receive(one.input)
			                       ELSE read_all(one.input::loyalty.history) END;
			INSERT INTO became VALUES (one.n, value);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO became VALUES (one.n, NULL, SQLSTATE, SQLERRM);
		END;
		IF one.n % 1000 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END \$\$;
SQL

# Values in their binary form and their text, made without any code of the type.
my @words = (0, 1, 1, 1, 2, 3, 63, 64, 100, 8191, 1250, 99999, 9223372036854775807);
sub random_number { my $n = $words[ rand @words ]; return rand() < 0.3 ? -$n : $n }
sub random_value
{
	my ($text, $binary, $day, $count) = ('', '', -40 + int rand 80, int rand 4);
	for (1 .. $count)
	{
		$day += 1 + int rand 90;
		my ($times, $amount) = (random_number(), random_number());
		$times = 1 if $times == 0 && $amount == 0;
		my ($y, $m, $d) = (gmtime(946684800 + 86400 * $day))[ 5, 4, 3 ];
		$text .= ($text eq '' ? '' : ', ') . sprintf('%04d-%02d-%02d %s %s', $y + 1900, $m + 1, $d, $times, $amount);
		$binary .= pack('l>q>q>q>', $day, $times, $amount < 0 ? -1 : 0, $amount);
	}
	return ("{$text}", pack('CCN', 1, 0, $count) . $binary);
}

# One of the changes that such input suffers.
sub change
{
	my ($input, @pieces) = @_;
	for (0 .. rand 3)
	{
		my $place = int rand(1 + length $input);
		my $piece = $pieces[ rand @pieces ];
		my $what = rand 5;
		if ($what < 1) { substr($input, $place, 1) = $piece if $place < length $input }
		elsif ($what < 2) { substr($input, $place, 0) = $piece }
		elsif ($what < 3) { substr($input, $place, 1 + int rand 4) = '' }
		elsif ($what < 4) { substr($input, $place, 0) = substr($input, int rand(1 + length $input), 1 + int rand 30) }
		else { $input = substr($input, 0, $place) if rand() < 0.3 }
	}
	return $input;
}

my @characters = ((0 .. 9) x 3, split(//, '--..,,{}  BCe+NaI/:'), "\t", "\n", '12.50', '0.000000000001', 'infinity', '0', '99999999999999999999');
my @bytes = ((map { chr int rand 256 } 1 .. 40), "\0", "\1", "\x7f", "\x80", "\xff", "\0\0\0\1", "\xff\xff\xff\xff", "\x80\0\0\0\0\0\0\0");
my (@rows, %unchanged);
for my $n (1 .. $steps)
{
	my ($text, $binary) = random_value();
	my $stored = pack('C', (rand() < 0.9 ? 0x10 + int rand 14 : int rand 256)) . join('', map { chr(rand() < 0.6 ? int rand 128 : int rand 256) } 1 .. rand 12);
	$unchanged{ 3 * $n } = $text if rand() < 0.3;
	my @inputs = defined $unchanged{ 3 * $n } ? ($text, $binary) : (change($text, @characters), change($binary, @bytes));
	push @rows, 3 * $n + 1, 'text', $inputs[0], 3 * $n, 'binary', $inputs[1], 3 * $n + 2, 'stored', $stored;
}
open my $file, '>', "$dir/given" or die "cannot write $dir/given: $!";
while (my ($n, $kind, $input) = splice @rows, 0, 3)
{
	next if $kind eq 'text' && $input =~ /\0/;
	print $file "$n\t$kind\t\\\\x" . unpack('H*', $input) . "\n";
}
close $file;
$node->safe_psql('postgres', "COPY given FROM '$dir/given'");
$node->safe_psql('postgres', 'CALL try_all()');

sub none { my ($name, $query) = @_; return is($node->safe_psql('postgres', $query), '', "$name (seed $seed)"); }
none('text is refused for its form or its size', q(SELECT convert_from(input, 'UTF8'), state, message FROM became JOIN given USING (n)
	WHERE kind = 'text' AND state NOT IN ('22P02', '22003') LIMIT 5));
none('binary input is refused for its form or its size', q(SELECT input, state, message FROM became JOIN given USING (n)
	WHERE kind = 'binary' AND state NOT IN ('22P03', '22003', '08P01') LIMIT 5));
none('bytes that are damaged are told to be', q(SELECT input, state, message FROM became JOIN given USING (n)
	WHERE kind = 'stored' AND state NOT IN ('XX001', '22003') LIMIT 5));
none('whatever was read comes back as text', q(SELECT input, h FROM became JOIN given USING (n)
	WHERE state IS NULL AND (h::text::history <> h OR h::text::history::text <> h::text) LIMIT 5));
none('the binary form of what was read is what was read', q(SELECT input, h FROM became JOIN given USING (n)
	WHERE kind = 'binary' AND _loyalty.history_send(h) <> input LIMIT 5));
none('the bytes of what was read are those of its text', q(SELECT n, h FROM became
	WHERE h::text::history::text <> h::text OR _loyalty.history_hash(h) <> _loyalty.history_hash(h::text::history) LIMIT 5));
none('each kind has some that are read and some that are not', q(SELECT kind FROM became JOIN given USING (n)
	GROUP BY kind HAVING count(h) < 30 OR count(state) < 30));
my $read = $node->safe_psql('postgres', 'SELECT n, h FROM became WHERE n % 3 = 0 ORDER BY n');
my %read = map { split /\|/, $_, 2 } split /\n/, $read;
is_deeply([ map { $read{$_} // 'nothing' } sort keys %unchanged ], [ map { $unchanged{$_} } sort keys %unchanged ],
	"what was not changed is read as it was meant (seed $seed)");

# dumps, and values in binary form
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE kept (n integer, h history, list history[], CHECK (h >= '{}'), EXCLUDE USING hash (h WITH =));
INSERT INTO kept SELECT min(n), h, ARRAY[h, NULL, h] FROM became WHERE h IS NOT NULL AND h >= '{}' GROUP BY h;
INSERT INTO kept SELECT 0, history('1900-01-01'::date + 3 * n, n * 0.01), '{}' FROM generate_series(1, 10000) n;
INSERT INTO kept VALUES (NULL, NULL, NULL);
CREATE INDEX kept_order ON kept (h) WHERE n <> 0;
CREATE VIEW totals AS SELECT n, days(during(h, until => '2000-01-01')), sum(h) - h AS nothing FROM kept GROUP BY n, h;
CREATE MATERIALIZED VIEW days AS SELECT n, h FROM kept GROUP BY n, h HAVING days(h) > 1;
SQL
sub run_ok { my ($name, @command) = @_; return is(system(@command), 0, $name); }
run_ok('dump', 'pg_dump', '-d', $conn, '-Fp', '-t', 'kept', '-t', 'totals', '-t', 'days', '-f', "$dir/dump.sql");
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->safe_psql('restored', 'CREATE EXTENSION loyalty');
run_ok('restore', 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', "$dir/dump.sql", '-o', "$dir/restore.log");
for my $query (map { "SELECT * FROM public.$_ ORDER BY 1, 2" } qw(kept totals days))
{
	is($node->safe_psql('restored', $query), $node->safe_psql('postgres', $query), "restored: $query");
}
$node->safe_psql('postgres', "COPY kept TO '$dir/kept' (FORMAT binary); CREATE TABLE copied (LIKE kept); COPY copied FROM '$dir/kept' (FORMAT binary)");
none('COPY in binary form', 'SELECT n FROM (TABLE kept EXCEPT ALL TABLE copied) d');
is($node->safe_psql('postgres', 'SELECT count(*) FROM copied'), $node->safe_psql('postgres', 'SELECT count(*) FROM kept'), 'all of it');

# an ordinary user needs no right to work with values, and none of this was lost
is($node->safe_psql('postgres', 'SELECT count(*) FROM became'), $node->safe_psql('postgres', 'SELECT count(*) FROM given'), 'each input was tried');
$node->stop;
done_testing();
