/*
 * order.h: what a row of a tracked table says about its order.
 */
#ifndef LOYALTY_ORDER_H
#define LOYALTY_ORDER_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"

#include "program.h"

typedef struct Order
{
	Datum		customer;
	Datum		order_key;		/* text, neither compressed nor out of line */
	bool		counts;			/* else at, amount and awards are zero, and nothing is
								 * said of when the points are available */
	bool		no_points;		/* awards are not known yet: it takes the terms of the
								 * order */
	bool		must_read;		/* only its key is known: its row says how it stands */
	TimestampTz at;
	Datum		amount;			/* numeric */
	Datum		awards;			/* numeric: points before the multiplier; 0 if there are
								 * parts */
	Datum		parts;			/* numeric[]: what each rule gives, where they stack when
								 * entries are folded; or (Datum) 0 */
	Datum		allotted;		/* numeric[]: what budgets give of that (see budgets.c),
								 * once it is written; or (Datum) 0 */
	Datum		currency;		/* text; empty: that of the program */
	Datum		rate;			/* numeric: what one unit of it is worth */
	Moment		available;		/* when its points are, if it says so itself */
	Datum		member;			/* jsonb: what rules use of its customer's row, or
								 * (Datum) 0 */
} Order;

/* The rule whose points cannot be counted with, and what they are. */
typedef struct Blame
{
	const char *rule;			/* what errors call it; NULL: nobody knows */
	const char *value;
} Blame;

/*
 * Evaluates expressions over rows.  Results live until the next
 * ResetExprContext().
 */
typedef struct OrderReader
{
	TrackedTable *table;		/* whose rows these are */
	ExprContext *econtext;
	TupleTableSlot *facts;		/* purchase, seen by rules */
} OrderReader;

extern void order_reader_begin(OrderReader *reader, TrackedTable *table);
extern void order_reader_end(OrderReader *reader);
extern bool order_identify(OrderReader *reader, TupleTableSlot *row, Order *order);
extern bool order_key_of(OrderReader *reader, TupleTableSlot *row, Datum *order_key);
extern void order_refund_without_order(OrderReader *reader, TupleTableSlot *row);
extern void order_evaluate(OrderReader *reader, TupleTableSlot *row, Order *order);
extern void order_evaluate_points(OrderReader *reader, TupleTableSlot *row,
								  Order *order, int32 terms);
extern void order_expect_points(OrderReader *reader, TupleTableSlot *row, Order *order);
extern void order_failed(TrackedTable *table, const char *rule, const char *what,
						 Datum order_key, ErrorData *error);
extern void order_gone(Order *order);
extern bool order_points_are_countable(const Order *order);
extern void order_check_finite(TrackedTable *table, Order *order, const Blame *blame);

#endif							/* LOYALTY_ORDER_H */
