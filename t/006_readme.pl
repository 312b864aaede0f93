# The examples of README.md run in their order, as they stand, in an empty database, and
# return what README shows.  So do those of docs/programs.md, in another database.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('readme');
$node->init;
$node->start;
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');

# An example, and what follows it as its result, without blanks at the ends of lines.
sub trimmed { return join("\n", map { s/\s+$//r } split(/\n/, $_[0])) }

# Run the examples of a document in a database; there are at least so many, and results of them.
sub run_examples
{
	my ($document, $database, $least_examples, $least_results) = @_;
	open(my $file, '<', "$FindBin::RealBin/../$document") or die "$document: $!";
	my $text = do { local $/; <$file> };
	close($file);
	my ($examples, $results) = (0, 0);
	while ($text =~ /^```sql\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?/msg)
	{
		my ($sql, $shown) = ($1, $2);
		my ($first) = $sql =~ /^(.*)/;
		# 13 attaches no table with such triggers
		next if $sql =~ /ATTACH PARTITION/ && $version < 150000;
		my $ran = IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-P', 'null=', '-d', $node->connstr($database) ],
			'<', \$sql, '>', \my $out, '2>', \my $err);
		ok($ran, "runs: $first") or diag $err;
		unlike($err, qr/ERROR|WARNING:  (?!statements on table)/, "without complaint: $first");
		$examples++;
		next unless defined $shown;
		$results++;
		like(trimmed($out), qr/\Q${\trimmed($shown)}\E\n?$/, "shows: $first");
	}
	cmp_ok($examples, '>=', $least_examples, "there are examples in $document");
	cmp_ok($results, '>=', $least_results, 'and results');
	my $attached = () = $text =~ /^```sql\n(?:(?!^```).)*ATTACH PARTITION/msg;
	is(() = $text =~ /^```sql$/mg, $examples + ($version < 150000 ? $attached : 0), 'all were seen');
}

run_examples('README.md', 'postgres', 8, 6);
# signatures are those of the functions, what may be left out in brackets
my @written = do { open(my $file, '<', "$FindBin::RealBin/../README.md") or die "README.md: $!"; map { /^    ([a-z_]+\(.*\))$/ ? $1 : () } <$file> };
my %signature = map { $_ => 1 } split(/\n/, $node->safe_psql('postgres', q{
	SELECT p.proname || '(' || array_to_string(p.proargnames[1:p.pronargs - p.pronargdefaults], ', ')
	       || CASE WHEN p.pronargdefaults = 0 THEN '' WHEN p.pronargs = p.pronargdefaults THEN '[' ELSE ' [, ' END
	       || array_to_string(p.proargnames[p.pronargs - p.pronargdefaults + 1:p.pronargs], ', ') || CASE WHEN p.pronargdefaults > 0 THEN ']' ELSE '' END || ')'
	  FROM pg_proc p WHERE p.pronamespace = 'club'::regnamespace}));
is(join("\n", grep { !$signature{$_} } @written), '', 'signatures are right');
cmp_ok(scalar(@written), '>', 20, 'and there are some');
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty in the end');
is($node->safe_psql('postgres', "CALL loyalty.post('club'); SELECT * FROM loyalty.verify('club')"), '', 'and after posting');
$node->safe_psql('postgres', 'CREATE DATABASE programs');
run_examples('docs/programs.md', 'programs', 11, 10);
is($node->safe_psql('programs', "SELECT v.* FROM loyalty.programs p CROSS JOIN LATERAL loyalty.verify(p.name) v"), '', 'verify() of all programs is empty');
$node->stop;
done_testing();
