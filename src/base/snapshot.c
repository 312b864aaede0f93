/*
 * snapshot.c: what this moment looks like.
 *
 * Recording asks how an order stands now, whatever the isolation level, so it
 * reads with a snapshot of this moment.  Under SERIALIZABLE, rows that are read
 * with such a snapshot would be locked against writers (SIREAD), and orders that
 * have nothing to do with each other could fail for having been recorded.  So
 * there, rows are read with SnapshotSelf, which takes no such locks: what is
 * committed when a row is looked at, and what this transaction did.
 *
 * Rows that are read in this way are not of one moment.  They decide only where
 * that cannot matter: lines and refunds of an order whose row is locked, which
 * nobody else can change; versions of the terms, which never change; and rows
 * that say which order a key is of, which are read again when they are locked or
 * when some are missing (see current.c).  Index-only and bitmap scans do not work
 * with it, nor do parallel workers, which could not be told what it is, so they are
 * off while such queries are planned (settings_look_up() in owner.c).  A function
 * of a user that reads tables may have kept plans of its own with such scans, so
 * where one is called, the snapshot is of one moment, and what is read is locked as
 * that function's reads would be anyway.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "snapshot.h"

/*
 * Does the active snapshot show the same rows as that which was active when the name was
 * filled in?  If not, the name becomes that of the active one.
 */
bool
snapshot_is_active(SnapshotName *name)
{
	Snapshot	snapshot = GetActiveSnapshot();
	SnapshotName active;

	memset(&active, 0, sizeof(active));
	active.xmin = snapshot->xmin;
	active.xmax = snapshot->xmax;
	active.running = snapshot->xcnt;
	active.subtransactions_running = snapshot->subxcnt;
	active.command = snapshot->curcid;
	active.subtransaction = GetCurrentSubTransactionId();
	if (memcmp(&active, name, sizeof(active)) == 0)
		return true;
	*name = active;
	return false;
}

/*
 * Make a snapshot of this moment the active one, for queries that only read; with
 * user_code, they may call functions that are not built in.
 */
void
snapshot_push_current(bool user_code)
{
	if (snapshot_is_of_one_moment(user_code))
		PushActiveSnapshot(GetLatestSnapshot());
	else
		PushActiveSnapshot(SnapshotSelf);
}

/*
 * Does that snapshot show all rows as they were at one moment?
 */
bool
snapshot_is_of_one_moment(bool user_code)
{
	return user_code || !IsolationIsSerializable();
}
