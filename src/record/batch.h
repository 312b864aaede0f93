/*
 * batch.h: orders that are written to the journal at once.
 */
#ifndef LOYALTY_BATCH_H
#define LOYALTY_BATCH_H

#include "access/htup_details.h"

#include "budgets.h"
#include "order.h"
#include "recorder.h"
#include "refunding.h"
#include "terms.h"

/* An order that must be looked up. */
typedef struct Lookup
{
	Order		order;
	bool		must_read;		/* its row says how it stands */
	bool		left;			/* an order had the key, and has another one now */
	MinimalTuple row;			/* or NULL */
	OrderState	known;			/* what is recorded of it */
	OrderState	first;			/* what it begins with, if nothing is */
	int32		removed_terms;	/* what budgets gave to an own entry of these terms that
								 * was */
	Datum		removed_allotted;	/* taken away again; or (Datum) 0 */
	bool		unknown;		/* its own terms have no view, which was dropped: it is
								 * left as it is recorded */
	bool		due;			/* it has a next revision that is to be written, */
	Order		next;			/* by which it stands like this */
} Lookup;

typedef struct Batch
{
	TrackedTable *table;
	RecorderMode mode;
	Terms	   *terms;			/* of new orders, or NULL if they cannot be read */
	TimestampTz now;			/* when all of this is recorded, */
	TimestampTz moved_at;		/* but for orders that get another customer or key */
	Datum		event;			/* text: of which kind these events are, or (Datum) 0 */
	MemoryContext context;
	MemoryContext values;		/* reset with each batch, unless it is context */
	Journal    *journal;
	FmgrInfo	compare;		/* of customers */
	Oid			collation;
	int64		written;
	Budgets    *budgets;		/* NULL: none are asked for */
	Refunding  *refunding;		/* NULL: nobody is refused */

	/* arrays of "size" */
	int			size;
	TupleTableSlot **direct;	/* complete entries */
	TupleTableSlot **completed; /* their slots, if the joining date was added */
	int			directs;
	const Order *single;		/* what direct[0] is of, if it is the only one */
	Lookup	   *items;
	int			item_count;
	TupleTableSlot **entries;
	Lookup	  **entry_items;
	bool	   *conflict;
	Datum	   *customers;		/* of new orders, and since when they are customers */
	Moment	   *joined;

	OrderReader reader;
	TupleTableSlot *row_slot;
} Batch;

extern Batch *batch_begin(TrackedTable *table, RecorderMode mode, int size);
extern void batch_fill_entry(Batch *batch, TupleTableSlot *slot, const Order *order,
							 int32 revision, int32 terms, TimestampTz recorded_at,
							 const OrderState *kept);
extern void batch_fill_origin(TupleTableSlot *slot, const OrderState *brought);
extern void batch_read_entry(TupleTableSlot *slot, Order *order);
extern bool batch_same_order(Batch *batch, TupleTableSlot *a, TupleTableSlot *b);
extern void batch_add_item(Batch *batch, const Order *order, MinimalTuple row,
						   const OrderState *brought, bool left);
extern bool batch_is_direct(Batch *batch, const Order *order);
extern void batch_add_single(Batch *batch, const Order *order);
extern void batch_flush(Batch *batch);
extern int64 batch_end(Batch *batch);

#endif							/* LOYALTY_BATCH_H */
