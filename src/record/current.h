/*
 * current.h: orders as they stand in the tracked table at this moment.
 */
#ifndef LOYALTY_CURRENT_H
#define LOYALTY_CURRENT_H

#include "order.h"

/* Receives one order; its values live until it returns. */
typedef void (*OrderSink) (void *arg, Order *order);

/* The same, with the number of the pin that asked for it. */
typedef void (*PinnedOrderSink) (void *arg, Order *order, int asked);

/*
 * An order that is asked for, with the rate that it keeps in a currency, and what it keeps
 * of its customer's row.
 */
typedef struct OrderPin
{
	Datum		order_key;		/* text */
	Datum		customer;
	Datum		currency;		/* text, or (Datum) 0: nothing is pinned */
	Datum		rate;			/* numeric */
	Datum		member;			/* jsonb: empty if nothing is pinned */
} OrderPin;

/*
 * The columns of a view of orders, called v, that current_read() wants, and the number of
 * the column behind them.
 */
#define CURRENT_COLUMNS \
	"v.customer, v.order_key, v.counts, v.at, v.amount, v.awards, v.rate, v.currency, v.available_at, v.parts, v.member"
#define CURRENT_END 12

extern bool current_identify(TrackedTable *table, uint64 i, int column, Order *order);
extern bool current_read(TrackedTable *table, uint64 i, Order *order);
extern void current_check_finite(TrackedTable *table, Order *order, int32 terms);
extern void current_customers(TrackedTable *table, Datum *keys, int count,
							  bool lock, TrackedTable *refunds, OrderSink sink, void *arg);
extern bool current_without_lines(TrackedTable *table, const Datum *keys, int count, bool *without);
extern void current_orders(TrackedTable *table, const OrderPin *pins, int count,
						   int32 terms, PinnedOrderSink sink, void *arg);

#endif							/* LOYALTY_CURRENT_H */
