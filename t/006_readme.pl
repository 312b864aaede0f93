# The examples of README.md run in their order, as they stand, in an empty database, and
# return what README shows.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

open(my $file, '<', "$FindBin::RealBin/../README.md") or die "README.md: $!";
my $readme = do { local $/; <$file> };
close($file);

my $node = new_node('readme');
$node->init;
$node->start;
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');

# An example, and what follows it as its result, without blanks at the ends of lines.
sub trimmed { return join("\n", map { s/\s+$//r } split(/\n/, $_[0])) }
my ($examples, $results) = (0, 0);
while ($readme =~ /^```sql\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?/msg)
{
	my ($sql, $shown) = ($1, $2);
	my ($first) = $sql =~ /^(.*)/;
	# 13 attaches no table with such triggers
	next if $sql =~ /ATTACH PARTITION/ && $version < 150000;
	my $ran = IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-P', 'null=', '-d', $node->connstr('postgres') ],
		'<', \$sql, '>', \my $out, '2>', \my $err);
	ok($ran, "runs: $first") or diag $err;
	unlike($err, qr/ERROR|WARNING:  (?!statements on table)/, "without complaint: $first");
	$examples++;
	next unless defined $shown;
	$results++;
	like(trimmed($out), qr/\Q${\trimmed($shown)}\E\n?$/, "shows: $first");
}
cmp_ok($examples, '>=', 8, 'there are examples');
cmp_ok($results, '>=', 6, 'and results');
is(() = $readme =~ /^```sql$/mg, $examples + ($version < 150000 ? 1 : 0), 'all were seen');
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty in the end');
is($node->safe_psql('postgres', "CALL loyalty.post('club'); SELECT * FROM loyalty.verify('club')"), '', 'and after posting');
$node->stop;
done_testing();
