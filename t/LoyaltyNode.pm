# A server for a test, whatever PostgreSQL's own test library is called: it got
# new names in 15.
package LoyaltyNode;
use strict;
use warnings;
use Exporter 'import';
use Time::HiRes qw(usleep);
our @EXPORT = qw(new_node await_death);

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

# is_dead(PID): a zombie is dead, too.  Where process 1 reaps nothing, as in many
# containers, an orphan that was killed stays one for ever.
sub is_dead
{
	my ($pid) = @_;
	return 1 unless kill 0, $pid;
	open my $stat, '<', "/proc/$pid/stat" or return !-d '/proc/self';
	my $line = <$stat> // return 1;
	return $line =~ /^\d+ \(.*\) [ZX] /s ? 1 : 0;
}

# await_death(NODE, PIDS...): waits until the killed postmaster of a node, and
# the given processes of its, are dead.  A dying process holds the shared memory
# for a moment.  If the postmaster is a zombie, the next one would believe that
# it lives: its lock files and its shared memory are removed then.
sub await_death
{
	my ($node, @pids) = @_;
	my $file = $node->data_dir . '/postmaster.pid';
	open my $lock, '<', $file or die "cannot open $file: $!";
	chomp(my @lines = <$lock>);
	close $lock;
	my ($postmaster, $memory) = ($lines[0], $lines[6]);
	for my $pid ($postmaster, @pids)
	{
		my $left = 3000;
		usleep(20_000) until is_dead($pid) || --$left == 0;
		die "process $pid was killed and is still there after a minute" if $left == 0;
	}
	return unless kill 0, $postmaster;
	for my $name ($file, $node->host . '/.s.PGSQL.' . $node->port . '.lock')
	{
		unlink $name or die "cannot remove $name: $!";
	}
	shmctl((split ' ', $memory)[1], 0, 0) or die "cannot remove the shared memory: $!" if defined $memory && $memory =~ /\d/;	# 0 is IPC_RMID
}

1;
