# Each world of examples/ runs in an empty database, as its script stands, and prints what run.out beside it says.  A world
# has both files, ends with verify(), and is told of in examples/README.md.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

# Folders that are no worlds: what ./demo loads.
my %is_data = (cdnow => 1);

my $examples = "$FindBin::RealBin/../examples";

sub text_of
{
	my ($path) = @_;
	open(my $file, '<', $path) or die "$path: $!";
	my $text = do { local $/; <$file> };
	close($file);
	return $text;
}

my $node = new_node('examples');
$node->init;
$node->start;
my $list = text_of("$examples/README.md");
my @folders = grep { !$is_data{$_} } map { /([^\/]+)\/$/ } glob("$examples/*/");
cmp_ok(scalar @folders, '>=', 4, 'there are worlds');

foreach my $world (@folders)
{
	my ($script, $expected) = ("$examples/$world/run.sql", "$examples/$world/run.out");
	my $has_script = ok(-f $script, "$world has a script");
	my $has_expected = ok(-f $expected, "$world has an expected output");
	like($list, qr/^\| \[$world\]\($world\/run\.sql\) \|/m, "$world is told of");
	next unless $has_script && $has_expected;
	like(text_of($script), qr/^SELECT \* FROM loyalty\.verify\('\w+'\);\n\z/m, "$world ends with verify()");
	$node->safe_psql('postgres', "CREATE DATABASE \"$world\"");
	my $ran = IPC::Run::run([ 'psql', '-X', '-d', $node->connstr($world), '-f', $script ], '>', \my $out, '2>', \my $err);
	ok($ran, "$world runs");
	is($err, '', "$world runs without complaint");
	is($out, text_of($expected), "$world prints what is expected");
	like($out, qr/^ violation .*\n-[-+]+\n\(0 rows\)\n\n\z/m, "verify() finds nothing in $world");
	is($node->safe_psql($world, q{SELECT format('CALL loyalty.post(%L)', name) FROM loyalty.programs \gexec
		SELECT v.* FROM loyalty.programs p CROSS JOIN LATERAL loyalty.verify(p.name) v}), '', 'nor after posting');
}
$node->stop;
done_testing();
