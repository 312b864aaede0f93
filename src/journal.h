/*
 * journal.h: reading and appending what is recorded of orders.
 */
#ifndef LOYALTY_JOURNAL_H
#define LOYALTY_JOURNAL_H

#include "access/genam.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"

/* Columns that the journal and the ledger have in common, in this order. */
typedef enum EntryColumn
{
	ENTRY_CUSTOMER = 0,
	ENTRY_SOURCE,
	ENTRY_ORDER_KEY,
	ENTRY_REVISION,
	ENTRY_AT,
	ENTRY_RECORDED_AT,
	ENTRY_TERMS,
	ENTRY_COUNTED,
	ENTRY_AMOUNT,
	ENTRY_BASE,
	ENTRY_COLUMNS
} EntryColumn;

/* An order as it stands: what one entry says. */
typedef struct OrderState
{
	int32		revision;		/* 0: never recorded */
	TimestampTz at;
	TimestampTz recorded_at;
	int32		terms;
	bool		counted;
	Datum		amount;			/* numeric */
	Datum		base;			/* numeric: points before the multiplier */
} OrderState;

/* Ways into one of the two tables. */
typedef struct EntryTable
{
	Relation	heap;
	Relation	index;
	bool		empty;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData keys[3];
} EntryTable;

#define JOURNAL_BATCH 500

typedef struct Journal
{
	EntryTable	journal;
	EntryTable	ledger;
	int32		source;
	IndexInfo  *index_info;
	int			pending;
	bool		written;
	TupleTableSlot *slots[JOURNAL_BATCH];
	struct BulkInsertStateData *bulk;
	MemoryContext context;
} Journal;

extern Journal *journal_open(Oid journal, Oid ledger, int32 source);
extern void journal_find(Journal *journal, Datum customer, Datum order_key,
						 OrderState *state);
extern void journal_append(Journal *journal, Datum customer, Datum order_key,
						   const OrderState *state);
extern void journal_close(Journal *journal);

#endif							/* LOYALTY_JOURNAL_H */
