/*
 * reconcile.h: recording what no trigger saw.
 */
#ifndef LOYALTY_RECONCILE_H
#define LOYALTY_RECONCILE_H

#include "owner.h"
#include "program.h"
#include "recorder.h"

/* A query that is run with a snapshot of this moment. */
typedef struct BulkRead
{
	TrackedTable *root;
	const char *query;			/* $1: the tracked table; $2: "moment" */
	RecorderMode mode;
	bool		read;			/* all that current_read() wants, not only keys */
	bool		must_read;		/* the recorder reads the orders by their keys */
	bool		dated;			/* the third column is the time by which they are sorted */
	TimestampTz moment;
	TimestampTz record_at;		/* or 0: the moment of the transaction */
	int64		written;		/* the result */
	bool		rejects;		/* whoever does it can be refused */
	int64		without_rate;	/* how many orders that were read do not count for want
								 * of a rate */
} BulkRead;

extern TrackedTable *record_open(const char *program, int32 tracked_table, OwnerScope *scope);
extern void record_query(void *arg);
extern int64 record_keys(TrackedTable *root, bool rejects);
extern int64 record_missing(TrackedTable *root, bool rejects);

#endif							/* LOYALTY_RECONCILE_H */
