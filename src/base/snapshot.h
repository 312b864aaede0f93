/*
 * snapshot.h: what this moment looks like.
 */
#ifndef LOYALTY_SNAPSHOT_H
#define LOYALTY_SNAPSHOT_H

#include "utils/snapshot.h"

/* What tells snapshots apart that one transaction uses. */
typedef struct SnapshotName
{
	TransactionId xmin;
	TransactionId xmax;
	uint32		running;
	int32		subtransactions_running;
	CommandId	command;
	SubTransactionId subtransaction;
} SnapshotName;

extern bool snapshot_is_active(SnapshotName *name);
extern void snapshot_push_current(bool user_code);
extern bool snapshot_is_of_one_moment(bool user_code);

#endif							/* LOYALTY_SNAPSHOT_H */
