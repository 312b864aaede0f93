# The line of README that lets pg_cron maintain a program, as it stands: what has expired is
# in the ledger afterwards, without anybody calling.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Time::HiRes qw(usleep);
use LoyaltyNode;
use Test::More;

my $node = new_node('cron');
$node->init;
$node->start;
if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'") eq '0')
{
	$node->stop;
	plan skip_all => 'pg_cron is not installed';
}
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'postgres'\ncron.use_background_workers = on\n");
$node->restart;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE EXTENSION pg_cron;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers VALUES (1);
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz, total int);
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
UPDATE club.wallet SET expires = 'earned_on + 30';
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO orders VALUES (1, 1, now() - interval '1 year', 70), (2, 1, now(), 20);
SQL
open(my $file, '<', "$FindBin::RealBin/../README.md") or die "README.md: $!";
my ($line) = join('', <$file>) =~ /`(SELECT cron\.schedule\(.*?\))`/;
close($file);
isnt($line, undef, 'README has a line for pg_cron');
my $job = $node->safe_psql('postgres', $line);
like($job, qr/^\d+$/, 'which makes a job');
# not at night, but with the next minute
$node->safe_psql('postgres', "SELECT cron.alter_job($job, schedule => '* * * * *')");
my $seconds = 0;
until ($node->safe_psql('postgres', "SELECT count(*) FROM club.ledger WHERE kind = 'expiry'") || $seconds > 130)
{
	usleep(500_000);
	$seconds += 0.5;
}
is($node->safe_psql('postgres', 'SELECT kind, points_change, points_change = -70 FROM club.ledger WHERE tracked_table = -1'), 'expiry|-70|t', 'what had expired is taken off');
is($node->safe_psql('postgres', 'SELECT count(*) FROM club.journal'), '0', 'and all is posted');
is($node->safe_psql('postgres', 'SELECT points FROM club.members'), '20', 'the rest is there');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT status, ' ') FROM cron.job_run_details WHERE status NOT IN ('running', 'starting')"), 'succeeded', 'the job met no error');
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty');
$node->stop;
done_testing();
