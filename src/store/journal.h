/*
 * journal.h: reading and appending what is recorded of orders.
 */
#ifndef LOYALTY_JOURNAL_H
#define LOYALTY_JOURNAL_H

#include "access/genam.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"

#include "writer.h"

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
	ENTRY_CURRENCY,
	ENTRY_RATE,
	ENTRY_COLUMNS
} EntryColumn;

/* Columns of the ledger behind them. */
enum
{
	LEDGER_ENTRY = ENTRY_COLUMNS,
	LEDGER_TIER,
	LEDGER_MULTIPLIER,
	LEDGER_POINTS,
	LEDGER_ORDERS_CHANGE,
	LEDGER_AMOUNT_CHANGE,
	LEDGER_POINTS_CHANGE,
	LEDGER_JOINED_AT,
	LEDGER_COLUMNS
};

/* The primary key of both tables is their first columns, in order. */
#define ENTRY_KEYS (ENTRY_REVISION + 1)

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
	Datum		currency;		/* text; empty: that of the program */
	Datum		rate;			/* numeric: what one unit of it is worth */
} OrderState;

/* Ways into one of the two tables. */
typedef struct EntryTable
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData keys[ENTRY_KEYS];
	Writer	   *writer;			/* or NULL: nothing was written yet */
	MemoryContext context;
} EntryTable;

typedef struct Journal
{
	EntryTable	journal;
	EntryTable	ledger;
	int32		source;
	MemoryContext context;

	/* order keys of one customer in the ledger, for journal_posted() */
	IndexScanDesc customer_scan;
	MemoryContext posted_context;
	Datum		posted_customer;
	bool		posted_valid;
	int			posted_count;	/* -1: too many to remember */
	text	  **posted_keys;
} Journal;

extern void journal_init_keys(Relation index, ScanKeyData *keys);
extern Journal *journal_open(Oid journal, Oid ledger, int32 source,
							 const ScanKeyData *keys);
extern void journal_find(Journal *journal, Datum customer, Datum order_key,
						 OrderState *state);
extern int32 journal_posted_revision(Journal *journal, Datum customer,
									 Datum order_key);
extern bool journal_posted(Journal *journal, Datum customer, Datum order_key);
extern void journal_append(Journal *journal, TupleTableSlot **slots, int count,
						   bool *conflict);
extern void journal_retract(Journal *journal, TupleTableSlot *slot);
extern void journal_wait(Journal *journal, TupleTableSlot *slot);
extern void journal_close(Journal *journal);

extern void entry_table_open(EntryTable *table, Oid relid, LOCKMODE lock,
							 const ScanKeyData *keys);
extern void entry_table_insert(EntryTable *table, TupleTableSlot **slots,
							   int count, bool *conflict);
extern void entry_table_delete(EntryTable *table, ItemPointer tids, int count);
extern void entry_table_close(EntryTable *table);

#endif							/* LOYALTY_JOURNAL_H */
