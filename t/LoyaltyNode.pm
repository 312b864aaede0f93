# A server for a test, whatever PostgreSQL's own test library is called: it got
# new names in 15.
package LoyaltyNode;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(new_node);

my $new;
BEGIN
{
	if (eval { require PostgreSQL::Test::Cluster; 1 })
	{
		require PostgreSQL::Test::Utils;
		$new = sub { PostgreSQL::Test::Cluster->new(@_) };
	}
	else
	{
		require PostgresNode;
		require TestLib;
		$new = sub { PostgresNode->get_new_node(@_) };
	}
}

# new_node(NAME): a node that is not yet initialised
sub new_node { return $new->(@_) }

1;
