/*
 * probe.h: rows of a table of the host, found by an index on one of its columns.
 */
#ifndef LOYALTY_PROBE_H
#define LOYALTY_PROBE_H

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"

/* Where to look; lives as long as what it is about is remembered. */
typedef struct Probe
{
	Oid			relid;			/* the table; InvalidOid: it takes a query */
	AttrNumber	column;
	Oid			type;			/* of the column, below domains */
	Oid			equality;		/* function */
	Oid			collation;
	Oid			index;			/* over the column, or InvalidOid */
	uint64		checked;		/* when that was found out: of watch_begin() */
	ScanKeyData key;
} Probe;

/* While rows are looked for. */
typedef struct ProbeScan
{
	Probe	   *probe;
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;		/* the row that was found */
} ProbeScan;

extern void probe_init(Probe *probe, Oid relid, AttrNumber column, Oid type, Oid equality,
					   Oid collation);
extern bool probe_begin(ProbeScan *scan, Probe *probe);
extern bool probe_find(ProbeScan *scan, Datum value);
extern bool probe_can_be(Oid type, Datum value);
extern bool probe_find_text(ProbeScan *scan, Datum value);
extern void probe_look_anew(ProbeScan *scan);
extern void probe_end(ProbeScan *scan);

#endif							/* LOYALTY_PROBE_H */
