# Values of the type lots that come from outside: whatever text and bytes are read, they
# are refused with an error that says so, or come back as they were.  And values survive a
# dump, and a copy in binary format.
#
# LOTS_SEED=number replays a run.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $seed = $ENV{LOTS_SEED} || int(rand(1_000_000));
srand($seed);
note "LOTS_SEED=$seed";

my $node = new_node('lots');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\n");
$node->start;
my $folder = $node->basedir . '/values';
mkdir $folder or die "$folder: $!";

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
SET search_path = loyalty, public;
CREATE TABLE public.kept (n int PRIMARY KEY, l loyalty.lots, list loyalty.lots[]);
INSERT INTO public.kept
	SELECT n, sum(lots_of(((random() - 0.5) * 10 ^ (n % 9))::numeric(20, 6), CASE WHEN m % 2 = 0 THEN timestamptz '2026-01-01 00:00+00' + random() * interval '1 year' END,
			CASE WHEN m % 3 > 0 THEN timestamptz '2027-01-01 00:00+00' + (random() * 12)::int * interval '1 month' END, 1 + m % 4)),
		CASE WHEN n % 7 = 0 THEN ARRAY['{}', NULL, '{1}']::lots[] END
	  FROM generate_series(1, 500) n, generate_series(0, n % 11) m GROUP BY n;
INSERT INTO public.kept VALUES (0, '{}'), (-1, NULL),
	(-2, (SELECT sum(lots_of(m, timestamptz '2026-01-01 00:00+00' + m * interval '1 s')) FROM generate_series(1, 10000) m));
CREATE INDEX ON public.kept (l, n) WHERE n > 0;
CREATE INDEX ON public.kept USING hash (l);
CREATE TABLE public.read (l loyalty.lots);

-- what becomes of a text: an error, or a value that is written and read as the same
CREATE FUNCTION public.try_text(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	value loyalty.lots;
BEGIN
	value := input::loyalty.lots;
	RETURN CASE WHEN value::text::loyalty.lots OPERATOR(loyalty.=) value THEN 'read' ELSE 'differs' END;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
-- what becomes of a file in binary format: an error, or a value that is sent as what was read
CREATE FUNCTION public.try_file(file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	value loyalty.lots;
BEGIN
	DELETE FROM public.read;
	EXECUTE format('COPY public.read FROM %L (FORMAT binary)', file);
	SELECT l INTO STRICT value FROM public.read;
	-- the signature, flags and extension of 19 bytes, one column, and its length
	RETURN CASE WHEN value::text::loyalty.lots OPERATOR(loyalty.<>) value THEN 'differs'
	            WHEN _loyalty.lots_send(value) = substring(pg_read_binary_file(file), 26, octet_length(_loyalty.lots_send(value))) THEN 'read'
	            ELSE 'is sent otherwise' END;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
SQL

# --- dumps and binary copies ---------------------------------------------------------
sub contents { return $node->safe_psql($_[0], 'SELECT * FROM kept ORDER BY n') }
my $before = contents('postgres');
$node->safe_psql('postgres', "COPY kept TO '$folder/kept' (FORMAT binary)");
$node->safe_psql('postgres', "CREATE TABLE copied (LIKE kept); COPY copied FROM '$folder/kept' (FORMAT binary)");
is($node->safe_psql('postgres', 'SELECT * FROM copied ORDER BY n'), $before, 'a copy in binary format has the same values');
for my $format ('plain', 'custom')
{
	$node->safe_psql('postgres', "CREATE DATABASE $format");
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', "$folder/$format", $node->connstr('postgres') ], "dumped as $format");
	$node->command_ok(
		$format eq 'plain'
		? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/$format", $node->connstr($format) ]
		: [ 'pg_restore', '-e', '-d', $node->connstr($format), "$folder/$format" ],
		"and restored");
	is(contents($format), $before, 'a restored table has the same values');
	is($node->safe_psql($format, "SET enable_seqscan = off; SELECT count(*) FROM kept k WHERE n > 0 AND n NOT IN (SELECT n FROM kept WHERE l OPERATOR(loyalty.=) k.l AND n > 0)"),
		'0', 'and its indexes find them');
}

# --- random and mutated values ---------------------------------------------------------
sub one_of { return $_[ int(rand(@_)) ] }

sub moment
{
	my $text = sprintf('%04d-%02d-%02d', one_of(2026, 2026, 2027, 9999, 10000, 294276, 0, int(rand(300000))), 1 + int(rand(12)), 1 + int(rand(31)));
	$text .= sprintf('T%02d:%02d:%02d%sZ', int(rand(25)), int(rand(60)), int(rand(60)), one_of('', '.5', '.000001', '.999999')) if rand() < 0.6;
	return rand() < 0.1 ? "-$text" : $text;
}

sub lot
{
	return join('', one_of('', '', ' ', "\n"), one_of('', '', 'wallet 1: ', 'wallet 2:', 'wallet ' . int(rand(2**32)) . ' : '),
		one_of(1, -1, 100, 12.5, -0.25, int(rand(1000)) . '.' . int(rand(1000)), '9' x int(1 + rand(40)), '0.' . '1' x int(1 + rand(14))),
		one_of('', '', ' from ' . moment()), one_of('', ' until ' . moment()));
}

# change, remove, double or insert something
sub mutated
{
	my ($value, @insert) = @_;
	for (0 .. int(rand(3)))
	{
		my ($at, $length) = (int(rand(1 + length $value)), int(rand(6)));
		my $what = int(rand(4));
		if ($what == 0 && $at < length $value) { substr($value, $at, 1) = chr(ord(substr($value, $at, 1)) ^ (1 << int(rand(7)))) }
		elsif ($what == 1) { substr($value, $at, $length) = '' }
		elsif ($what == 2) { substr($value, $at, 0) = substr($value, $at, $length) }
		else { substr($value, $at, 0) = one_of(@insert) }
	}
	return $value;
}

my @words = ('{', '}', ',', ':', ' ', '.', '-', '0', '7', 'wallet', 'from', 'until', '2026-01-01', 'T00:00:00Z', 'Z', 'e', '9' x 38, "\x01");
open my $texts, '>', "$folder/texts" or die "$folder/texts: $!";
for (1 .. 6000)
{
	my $text = '{' . join(',', map { lot() } 1 .. int(rand(4))) . '}';
	$text = mutated($text, @words) if rand() < 0.7;
	$text = join('', map { one_of(@words) } 0 .. int(rand(10))) if rand() < 0.1;
	$text =~ s/\0/0/g;
	print $texts unpack('H*', $text), "\n";
}
close $texts;
my $became = $node->safe_psql('postgres', <<"SQL");
CREATE TABLE texts (bytes text);
COPY texts FROM '$folder/texts';
SELECT became, count(*) FROM texts, try_text(convert_from(decode(bytes, 'hex'), 'SQL_ASCII')) became GROUP BY 1 ORDER BY 1;
SQL
note $became;
like($became, qr/^22003\|\d+\n22P02\|\d+\nread\|\d+$/, "texts are read, or refused with an error of theirs (seed $seed)");

# a row of one column, as COPY writes it
sub copied { return "PGCOPY\n\xff\r\n\0" . pack('NNnN', 0, 0, 1, length $_[0]) . $_[0] . pack('n', 0xffff) }

my @values = map { pack('H*', $_) } split(/\n/, $node->safe_psql('postgres', "SELECT encode(_loyalty.lots_send(l), 'hex') FROM kept WHERE n >= 0"));
for my $number (1 .. 3000)
{
	my $value = one_of(@values);
	$value = mutated($value, "\0", "\1", "\xff" x 8, "\x7f" . "\xff" x 7, "\x80" . "\0" x 7, "\0" x 36, substr($value, 6, 36)) if rand() < 0.8;
	$value = join('', map { chr(int(rand(256))) } 0 .. int(rand(60))) if rand() < 0.1;
	open my $file, '>:raw', "$folder/$number" or die "$folder/$number: $!";
	print $file copied($value);
	close $file;
}
$became = $node->safe_psql('postgres', "SELECT became, count(*) FROM generate_series(1, 3000) n, try_file('$folder/' || n) became GROUP BY 1 ORDER BY 1");
note $became;
like($became, qr/^(?:08P01\|\d+\n)?22P03\|\d+\nread\|\d+$/, "bytes are read, or refused with an error of theirs (seed $seed)");

$node->stop;
done_testing();
