/*
 * journal.h: reading and appending what is recorded of orders.
 */
#ifndef LOYALTY_JOURNAL_H
#define LOYALTY_JOURNAL_H

#include "datatype/timestamp.h"

#include "entries.h"

/* A moment that may be null. */
typedef struct Moment
{
	bool		is_known;
	TimestampTz at;
} Moment;

/* The tier that was held just before an order, and what rules were for its customer. */
typedef struct HeldTier
{
	bool		is_known;		/* else posting finds it */
	Datum		multiplier;		/* numeric */
	Datum		tier;			/* text, or (Datum) 0: none */
	Datum		rules;			/* int[]: those whose for_members held then; or (Datum)
								 * 0: its terms have none that ask */
} HeldTier;

/* An order as it stands: what one entry says. */
typedef struct OrderState
{
	int32		revision;		/* 0: never recorded */
	TimestampTz at;
	TimestampTz recorded_at;
	int32		terms;
	bool		counts;
	Datum		amount;			/* numeric */
	Datum		awards;			/* numeric: points before the multiplier */
	Datum		parts;			/* numeric[]: what each rule gives, or (Datum) 0 */
	Datum		allotted;		/* the same of what budgets give; or (Datum) 0 */
	Datum		currency;		/* text; empty: that of the program */
	Datum		rate;			/* numeric: what one unit of it is worth */
	Moment		joined;			/* since when its customer is one, if the tenure matters */
	Datum		member;			/* jsonb: what rules use of its customer's row; or
								 * (Datum) 0: they use nothing of it */
	bool		moved;			/* it came from another customer or key */
	HeldTier	held;			/* of posted and moved orders */
	Moment		available;		/* when its points are, if it says so itself */
	Datum		came_from;		/* text: the key that the order had until this entry, or
								 * (Datum) 0: this one */
	int32		came_revision;	/* by the newest entry there */
	bool		came_over;		/* it was another customer's */
	bool		is_own;			/* this transaction wrote it to the journal: */
	ItemPointerData place;		/* there */
} OrderState;

typedef struct Journal
{
	EntryTable	journal;
	EntryTable	ledger;
	int32		tracked_table;
	MemoryContext context;

	/* order keys of one customer in the ledger, for journal_posted() */
	IndexScanDesc customer_scan;
	MemoryContext posted_context;
	Datum		posted_customer;
	bool		posted_valid;
	int			posted_count;	/* -1: too many to remember */
	text	  **posted_keys;
} Journal;

extern Journal *journal_open(Oid journal, Oid ledger, int32 tracked_table,
							 const ScanKeyData *keys);
extern void journal_find(Journal *journal, Datum customer, Datum order_key,
						 OrderState *state);
extern Moment journal_read_moment(TupleTableSlot *slot, EntryColumn column);
extern void journal_read_state(TupleTableSlot *slot, OrderState *state);
extern bool journal_find_posted_tier(Journal *journal, Datum customer,
									 Datum order_key, int32 terms, HeldTier *held);
extern int32 journal_posted_revision(Journal *journal, Datum customer,
									 Datum order_key);
extern bool journal_posted(Journal *journal, Datum customer, Datum order_key);
extern void journal_append(Journal *journal, TupleTableSlot **slots, int count,
						   bool *conflict);
extern void journal_remove(Journal *journal, ItemPointer place);
extern void journal_retract(Journal *journal, TupleTableSlot *slot);
extern void journal_wait(Journal *journal, TupleTableSlot *slot);
extern void journal_close(Journal *journal);

#endif							/* LOYALTY_JOURNAL_H */
