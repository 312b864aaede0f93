/*
 * entries.h: the journal and the ledger, which hold the entries of a program.
 */
#ifndef LOYALTY_ENTRIES_H
#define LOYALTY_ENTRIES_H

#include "access/genam.h"
#include "access/stratnum.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

#include "layout.h"
#include "writer.h"

/* The tracked table of entries that are of no order: those of calls, and those that time makes. */
#define NO_TRACKED_TABLE 0
#define TIME_TABLE (-1)

/* What time does to points, as the column "kind" calls it. */
#define EXPIRY "expiry"
#define VESTING "vesting"

/* Of calls, what spends points, and what comes back of these by a refund. */
#define REDEMPTION "redemption"
#define CAPTURE "capture"
#define RETURNED "return"

/* Ways into one of the two tables. */
typedef struct EntryTable
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;			/* of entry_find_newest(); or NULL */
	TupleTableSlot *slot;
	ScanKeyData keys[ENTRY_KEYS];
	bool		is_known_plain; /* writer_is_plain() */
	Writer	   *writer;			/* or NULL: nothing was written yet */
	MemoryContext context;
} EntryTable;

/* Some entries, in the order of the primary key. */
typedef struct EntryScan
{
	IndexScanDesc scan;
	TupleTableSlot *slot;		/* the entry */
} EntryScan;

extern void entry_init_keys(Relation index, ScanKeyData *keys);
extern void entry_table_open(EntryTable *table, Oid relid, LOCKMODE lock,
							 const ScanKeyData *keys);
extern void entry_table_insert(EntryTable *table, TupleTableSlot **slots,
							   int count, bool *conflict);
extern void entry_table_delete(EntryTable *table, ItemPointer tids, int count);
extern void entry_table_close(EntryTable *table);
extern void entry_customer_key(EntryTable *table, StrategyNumber strategy,
							   Datum customer, ScanKeyData *key);
extern bool entry_find_newest(EntryTable *table, Snapshot snapshot, Datum customer,
							  int32 tracked_table, Datum order_key);
extern EntryScan entry_scan_begin(EntryTable *table, Snapshot snapshot,
								  ScanKeyData *keys, int count);
extern bool entry_scan_next(EntryScan *scan);
extern void entry_scan_end(EntryScan *scan);

#endif							/* LOYALTY_ENTRIES_H */
