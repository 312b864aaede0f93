# A program goes from one version of the extension to the next: what calls for
# it says so, nothing that is recorded or that users added is lost, and a dump of the
# older version can be restored where the next one is installed.
#
# The next version is made here: a function that views call gets another argument, a
# table another column, a view too.  It is found by a server whose folders are made
# here, too, of copies and links: a server looks for its files relative to its program.
use strict;
use warnings;
use File::Basename;
use File::Copy;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $root = tempdir(CLEANUP => 1);

# place(NAME): a folder of the installed server
sub place
{
	my ($name) = @_;
	chomp(my $path = `pg_config --$name`);
	return $path;
}

sub contents
{
	my ($file) = @_;
	open my $handle, '<', $file or die "cannot open $file: $!";
	local $/;
	return scalar <$handle>;
}

sub write_file
{
	my ($file, $text) = @_;
	unlink $file;
	open my $handle, '>', $file or die "cannot write $file: $!";
	print $handle $text;
	close $handle or die "cannot write $file: $!";
}

# Programs are copied, for a link would lead to the folders of the installed server.
my ($bin, $share, $lib) = map { place($_) } qw(bindir sharedir pkglibdir);
make_path("$root$bin", "$root$share/extension", dirname("$root$lib"));
for my $program (qw(postgres initdb pg_ctl pg_config psql pg_dump))
{
	copy("$bin/$program", "$root$bin/") or die "cannot copy $bin/$program: $!";
	chmod 0755, "$root$bin/$program" or die "cannot change $root$bin/$program: $!";
}
symlink $lib, "$root$lib" or die "cannot link $lib: $!";
symlink $_, "$root$share/" . basename($_) for grep { basename($_) ne 'extension' } glob "$share/*";
symlink $_, "$root$share/extension/" . basename($_) for glob "$share/extension/*";
$ENV{PATH} = "$root$bin:$ENV{PATH}";

my $control = contents("$share/extension/loyalty.control");
my ($version) = $control =~ /^default_version = '(.*)'$/m or die 'which version is it?';
my $script = contents("$share/extension/loyalty--$version.sql");
my ($layout) = $script =~ /CREATE FUNCTION _loyalty\.layout\(\).*?AS \$\$\s*SELECT (\d+)\s*\$\$/s or die 'which layout has it?';
my $next = $layout + 1;
my ($templates) = $script =~ /^(CREATE FUNCTION _loyalty\.templates\(\).*?\n\$templates\$;)/ms or die 'there are no templates';
$templates =~ s/^CREATE FUNCTION/CREATE OR REPLACE FUNCTION/;
# with_reason(TEXT): with one more argument where the function is called
sub with_reason
{
	my ($text) = @_;
	return $text =~ s/(_loyalty\.tier_for)(\((?:[^()]++|(?2))*+\))/$1 . substr($2, 0, -1) . ", NULL)"/ger;
}

isnt(with_reason($templates), $templates, 'templates call the function that is changed');
$templates = with_reason($templates);
ok($templates =~ s/(CREATE OR REPLACE VIEW \@schema\@\.members AS\n)(.*?);\n/$1SELECT m.*, m.orders > 0 AS has_bought FROM ($2) m;\n/s, 'the view that is changed is there');
ok($templates =~ s/(CREATE TABLE \@schema\@\.account \(\n.*?)\n\)/$1,\n\tvisits bigint NOT NULL DEFAULT 0\n)/s, 'the table that is changed is there');
$templates =~ s/\n\$templates\$;$/,\n(100000, name '$next', 'upgrade', name '$next', NULL, NULL, NULL, \$template\$
ALTER TABLE \@schema\@.account ADD COLUMN IF NOT EXISTS visits bigint NOT NULL DEFAULT 0;
\$template\$)\n\$templates\$;/;
my @callers = map { with_reason($_) } grep { with_reason($_) ne $_ } $script =~ /^(CREATE FUNCTION _loyalty\.\w+\((?:(?!^CREATE ).)*?^AS \$\$\n.*?^\$\$;)/msg;
my $update = <<"SQL" . join "\n", map { s/^CREATE FUNCTION/CREATE OR REPLACE FUNCTION/r } @callers;
DO \$do\$
BEGIN
	EXECUTE (SELECT format('CREATE FUNCTION _loyalty.tier_for(%s, reason text) RETURNS %s LANGUAGE c STABLE AS %L, %L',
	                       pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), p.probin, p.prosrc)
	           FROM pg_proc p WHERE p.oid = '_loyalty.tier_for'::regproc);
END
\$do\$;
SELECT _loyalty.retire(p.oid) FROM pg_proc p
 WHERE p.proname = 'tier_for' AND p.pronamespace = '_loyalty'::regnamespace AND NOT 'reason' = ANY (p.proargnames);
$templates
CREATE OR REPLACE FUNCTION _loyalty.layout()
RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT $next';
-- the library does not differ, but in what it says
CREATE OR REPLACE FUNCTION _loyalty.library_layout()
RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT $next';
SQL
write_file("$root$share/extension/loyalty--$version--999.sql", $update);
write_file("$root$share/extension/loyalty--999.sql", "$script\n$update");

my $node = new_node('upgrade');
$node->init;
$node->start;
my $dir = $node->basedir;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE keeper LOGIN;
CREATE ROLE clerk LOGIN;
CREATE ROLE analyst LOGIN;
CREATE DATABASE older;
GRANT CREATE ON DATABASE older TO keeper;
SQL
$node->safe_psql('older', <<'SQL');
CREATE EXTENSION loyalty;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO keeper;
CREATE SCHEMA shop AUTHORIZATION keeper;
SET ROLE keeper;
CREATE TABLE shop.customers (customer_id bigint PRIMARY KEY, created_at timestamptz);
INSERT INTO shop.customers SELECT i, '2015-01-01' FROM generate_series(1, 20) i;
CREATE TABLE shop.orders (order_id bigint PRIMARY KEY, customer_id bigint, at timestamptz, total numeric, money text);
CREATE TABLE shop.order_lines (line_id bigint PRIMARY KEY, order_id bigint, price numeric);
CREATE TABLE shop.returns (return_id bigint PRIMARY KEY, order_id bigint, amount numeric);
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'created_at', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 1.5), ('Gold', 2, $$spend >= 200 AND tenure >= '5 years'$$, 2);
INSERT INTO club.exchange_rate VALUES ('CHF', '-infinity', 1.1);
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'at', amount => 'total', currency => 'money',
                            lines => 'shop.order_lines', line_order => 'order_id');
SELECT loyalty.track_refunds('club', 'shop.returns', order_key => 'order_id', amount => 'amount');
INSERT INTO club.earning_rule (name, points, per) VALUES ('per line', 'price * rate', 'line');
INSERT INTO shop.orders SELECT i, 1 + i % 20, timestamptz '2020-01-01' + i * interval '1 day', i % 47, CASE WHEN i % 3 = 0 THEN 'CHF' END FROM generate_series(1, 300) i;
INSERT INTO shop.order_lines SELECT i, 1 + i % 300, i % 13 FROM generate_series(1, 500) i;
CALL loyalty.post('club');
UPDATE club.earning_rule SET points = 'amount * 2' WHERE name = 'one';
INSERT INTO shop.returns SELECT i, i * 3, 1 FROM generate_series(1, 40) i;
INSERT INTO shop.orders SELECT i, 1 + i % 20, timestamptz '2021-01-01' + i * interval '1 day', i % 47, NULL FROM generate_series(301, 500) i;
-- one whose customers are called as the next version calls a column
CREATE TABLE shop.people (has_bought int PRIMARY KEY);
INSERT INTO shop.people VALUES (1);
SELECT loyalty.create_program('other', customers => 'shop.people', time_zone => 'UTC');
-- what users add
CREATE VIEW shop.golden AS SELECT customer_id, points FROM club.members WHERE tier = 'Gold';
CREATE INDEX by_time ON club.ledger (at);
GRANT USAGE ON SCHEMA shop TO clerk, analyst;
GRANT INSERT ON shop.orders TO clerk;
GRANT SELECT ON shop.golden TO analyst;
SELECT loyalty.grant_access('club', 'analyst', 'read');
SQL

my %state = (
	members => 'SELECT customer_id, tier, points, lifetime_value, orders, first_order_at, last_order_at FROM club.members ORDER BY 1',
	entries => 'SELECT customer_id, entry, order_key, revision, tier, multiplier, points, balance, posted FROM club.entries ORDER BY 1, 2',
	golden => 'SELECT * FROM shop.golden ORDER BY 1',
	now => 'SELECT i, club.balance(i), club.tier_at(i) FROM generate_series(1, 20) i ORDER BY 1',
	then => q{SELECT i, club.balance(i, '2020-06-01'), club.tier_at(i, '2020-06-01'), (club.member_at(i, '2020-06-01')).* FROM generate_series(1, 20) i ORDER BY 1});
my %before = map { $_ => $node->safe_psql('older', $state{$_}) } keys %state;
like($before{golden}, qr/\d\|\d/, 'there is something to compare');
is($node->safe_psql('older', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty before');

# asked(DATABASE, ROLE, COMMAND): the result of a command, and its messages
sub asked
{
	my ($db, $role, $command) = @_;
	my ($code, $out, $err) = $node->psql($db, $command, extra_params => [ '-U', $role ]);
	return ($code, $out, $err);
}

sub refused
{
	my ($db, $role, $command, $pattern, $what) = @_;
	my ($code, $out, $err) = asked($db, $role, $command);
	isnt($code, 0, "$what is refused");
	like($err, $pattern, "$what says why");
	like($err, qr/HINT: .*loyalty\.upgrade_program\('club'\)/, "$what says what to do");
}

sub upgraded
{
	my ($db, $what) = @_;
	my $differs = qr/loyalty program "club" has layout $layout, the installed extension needs $next/;
	refused($db, 'analyst', 'SELECT * FROM club.members', qr/loyalty program "club" has not the layout|$differs/, "$what: a view");
	refused($db, 'analyst', 'SELECT club.tier_at(1)', qr/loyalty program "club" has not the layout|$differs/, "$what: a function of the program");
	refused($db, 'keeper', "SELECT * FROM loyalty.verify('club')", $differs, "$what: verify()");
	refused($db, 'keeper', "CALL loyalty.post('club')", $differs, "$what: post()");
	refused($db, 'keeper', "SELECT * FROM loyalty.reconcile('club')", $differs, "$what: reconcile()");
	refused($db, 'keeper', "UPDATE club.earning_rule SET points = '7'", $differs, "$what: a change of a rule");
	my ($code, $out, $err) = asked($db, 'clerk', "INSERT INTO shop.orders VALUES (1000, 1, '2022-01-01', 10, 'CHF')");
	is($code, 0, "$what: an order goes on");
	like($err, qr/WARNING: .*has layout $layout, the installed extension needs $next/, "$what: and its role is told that it is not recorded");

	($code, $out, $err) = asked($db, 'clerk', "SELECT loyalty.upgrade_program('club')");
	like($err, qr/permission denied/, "$what: not everybody may upgrade");
	($code, $out, $err) = asked($db, 'keeper', 'SELECT loyalty.upgrade_program(name) FROM loyalty.programs');
	is($code, 0, "$what: the owner may") or diag $err;
	is($node->safe_psql($db, "SELECT sum(recorded) FROM loyalty.reconcile('club')"), 1, "$what: the order is recorded afterwards");
	is((asked($db, 'keeper', 'DELETE FROM shop.orders WHERE order_id = 1000'))[2], '', "$what: its deletion at once");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty");
	for my $name (sort grep { $_ ne 'entries' } keys %state)
	{
		is((asked($db, 'analyst', $state{$name}))[1], $before{$name}, "$what: $name are as before, for whom they were granted");
	}
	is($node->safe_psql($db, $state{entries} =~ s/ORDER BY/WHERE order_key <> '1000' ORDER BY/r), $before{entries}, "$what: entries are as before");

	is($node->safe_psql($db, "SELECT count(*), bool_and(has_bought) FROM club.members"), '20|t', "$what: the view has its new column");
	is($node->safe_psql($db, "SELECT count(*), sum(visits) FROM club.account"), '20|0', "$what: the table has its new column");
	is($node->safe_psql($db, "SELECT customer, has_bought, other.balance(1) FROM other.members"), '1|f|0', "$what: a key that is called like it is called otherwise");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('other')"), '', "$what: verify() of that program is empty");
	is($node->safe_psql($db, "SELECT to_regclass('club.by_time')"), 'club.by_time', "$what: an index of users stays");
	is($node->safe_psql($db, "SELECT _loyalty.strangers('club')"), '', "$what: the program is as one that is made now");
	is((asked($db, 'keeper', "SELECT loyalty.upgrade_program('club')"))[2], '', "$what: once more");

	my $points = $node->safe_psql($db, 'SELECT points FROM club.members WHERE customer_id = 1');
	# 10 francs are 11: twice, at Gold, twice more
	is((asked($db, 'clerk', "INSERT INTO shop.orders VALUES (1001, 1, '2022-01-01', 10, 'CHF')"))[2], '', "$what: a new order is recorded");
	is($node->safe_psql($db, 'SELECT points, tier FROM club.members WHERE customer_id = 1'), ($points + 44) . '|Gold', "$what: and earns");
	is((asked($db, 'keeper', "CALL loyalty.post('club')"))[0], 0, "$what: entries are posted");
	$node->safe_psql($db, "UPDATE club.earning_rule SET points = 'amount' WHERE name = 'one'");
	$node->safe_psql($db, "SELECT loyalty.rerate('club', dry_run => false)");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty after all of that");
}

sub run_ok
{
	my ($what, @command) = @_;
	my $result = IPC::Run::run(\@command, '>', \my $out, '2>', \my $err);
	ok($result, $what) or diag $err;
}

run_ok('a dump of the older version', 'pg_dump', '-d', $node->connstr('older'), '-f', "$dir/older.sql");
$node->safe_psql('older', "ALTER EXTENSION loyalty UPDATE TO '999'");
upgraded('older', 'updated');

# from now on, CREATE EXTENSION makes the next version
write_file("$root$share/extension/loyalty.control", $control =~ s/^default_version = .*$/default_version = '999'/mr);
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->safe_psql('postgres', 'GRANT CREATE ON DATABASE restored TO keeper');
run_ok('its restore where the next one is installed', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', "$dir/older.sql");
is($node->safe_psql('restored', "SELECT extversion FROM pg_extension WHERE extname = 'loyalty'"), '999', 'it is');
$node->safe_psql('restored', 'GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO keeper');
upgraded('restored', 'restored');

# and one of an upgraded program is like any other
run_ok('a dump of the next version', 'pg_dump', '-d', $node->connstr('older'), '-f', "$dir/next.sql");
$node->safe_psql('postgres', 'CREATE DATABASE again');
run_ok('its restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('again'), '-f', "$dir/next.sql");
is($node->safe_psql('again', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty there');
$node->stop;
done_testing();
