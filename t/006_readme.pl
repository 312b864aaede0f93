# The examples of README.md run in their order, as they stand, in an empty database, and
# return what README shows.  So do those of docs/programs.md, in another database.  What README lists is
# all that there is, and its links lead somewhere.
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

sub text_of
{
	my ($document) = @_;
	open(my $file, '<', "$FindBin::RealBin/../$document") or die "$document: $!";
	my $text = do { local $/; <$file> };
	close($file);
	return $text;
}

# Run the examples of a document in a database; there are at least so many, and results of them.
sub run_examples
{
	my ($document, $database, $least_examples, $least_results) = @_;
	my $text = text_of($document);
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

my $readme = text_of('README.md');

# Signatures are those of the functions, what may be left out in brackets; each function for a program has one.
sub check_signatures
{
	my $code = $readme =~ s/,\n {8}(?=\S)/, /gr;
	my @written = $code =~ /^ {4}((?:loyalty\.)?[a-z_]+\([^()\n]*\))$/mg;
	my @signatures = split(/\n/, $node->safe_psql('postgres', q{
		SELECT CASE WHEN p.pronamespace = 'loyalty'::regnamespace THEN 'loyalty.' ELSE '' END
		       || p.proname || '(' || array_to_string(p.proargnames[1:p.pronargs - p.pronargdefaults], ', ')
		       || CASE WHEN p.pronargdefaults = 0 THEN '' WHEN p.pronargs = p.pronargdefaults THEN '[' ELSE ' [, ' END
		       || array_to_string(p.proargnames[p.pronargs - p.pronargdefaults + 1:p.pronargs], ', ') || CASE WHEN p.pronargdefaults > 0 THEN ']' ELSE '' END || ')'
		  FROM pg_proc p WHERE p.pronamespace IN ('club'::regnamespace, 'loyalty'::regnamespace)}));
	my %signature = map { $_ => 1 } @signatures;
	my %is_written = map { $_ => 1 } @written;
	is(join("\n", grep { !$signature{$_} } @written), '', 'signatures are right');
	is(join("\n", grep { /^loyalty\.\w+\((program|name)\b/ && !$is_written{$_} } @signatures), '', 'and each function for a program has one');
}

# What a program has is named in the list of it, but for calls that are tried or by card, which are named as calls; each
# function of the schema loyalty is named somewhere; and settings have the defaults that README shows.
sub check_names
{
	my ($list) = $readme =~ /^(\| in the schema \| what \|\n.*?)^$/ms;
	my $objects = $node->safe_psql('postgres', q{
		SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relkind IN ('r', 'v', 'c') AND c.relname !~ '_[0-9]+$'
		UNION SELECT regexp_replace(p.proname, '^try_|_by_card$', '', 'g') FROM pg_proc p WHERE p.pronamespace = 'club'::regnamespace ORDER BY 1});
	is(join(' ', grep { $list !~ /`\Q$_\E[`(]/ } split(/\n/, $objects)), '', 'all that a program has is listed');
	my $functions = $node->safe_psql('postgres', q{SELECT DISTINCT p.proname FROM pg_proc p WHERE p.pronamespace = 'loyalty'::regnamespace ORDER BY 1});
	is(join(' ', grep { $readme !~ /`(?:CALL )?(?:loyalty\.)?\Q$_\E[`(]/ } split(/\n/, $functions)), '', 'all functions of the schema loyalty are told of');
	my ($settings) = $readme =~ /^### Settings\n(.*?)^### /ms;
	my $columns = $node->safe_psql('postgres', q{SELECT s.key || ' ' || coalesce(s.value, '') FROM stars.program p, jsonb_each_text(to_jsonb(p)) s ORDER BY 1});
	my %column = map { split(/ /, $_, 2) } split(/\n/, $columns);
	is(join(' ', grep { $settings !~ /`$_`/ } sort keys %column), '', 'all settings are told of');
	while ($settings =~ /^\| `(\w+)` \| `(\w+)` \|/mg)
	{
		is($column{$1}, $2, "default of $1");
	}
}

# The contents name all headings, in their order, and all links lead somewhere.
sub check_contents
{
	my ($contents) = $readme =~ /^## Contents\n(.*?)^## /ms;
	my $text = $readme =~ s/^```.*?^```$//msgr;
	my @headings = grep { $_ ne 'Contents' } $text =~ /^##+ (.*)$/mg;
	my $written = join("\n", $contents =~ /\[(.*?)\]\(#/g);
	is($written, join("\n", @headings), 'the contents are the headings');
	# as GitHub makes them
	my %anchor = map { (lc($_) =~ s/[^a-z0-9 _-]//gr =~ s/ /-/gr) => 1 } @headings;
	$anchor{$_} = 1 for $text =~ /<a name="([^"]+)">/g;
	my @links = $text =~ /\]\(#([^)]+)\)/g;
	foreach my $document ('ARCHITECTURE.md', 'CONTRIBUTING.md', glob("$FindBin::RealBin/../docs/*.md"))
	{
		push @links, text_of($document =~ s/.*(?=docs\/)//r) =~ /README\.md#([a-z0-9-]+)/g;
	}
	is(join(' ', grep { !$anchor{$_} } @links), '', 'all links lead somewhere');
}

run_examples('README.md', 'postgres', 8, 6);
check_signatures();
check_names();
check_contents();
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty in the end');
is($node->safe_psql('postgres', "CALL loyalty.post('club'); SELECT * FROM loyalty.verify('club')"), '', 'and after posting');
$node->safe_psql('postgres', 'CREATE DATABASE programs');
run_examples('docs/programs.md', 'programs', 11, 10);
is($node->safe_psql('programs', "SELECT v.* FROM loyalty.programs p CROSS JOIN LATERAL loyalty.verify(p.name) v"), '', 'verify() of all programs is empty');
$node->stop;
done_testing();
