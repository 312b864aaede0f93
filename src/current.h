/*
 * current.h: orders as they stand in the tracked table at this moment.
 */
#ifndef LOYALTY_CURRENT_H
#define LOYALTY_CURRENT_H

#include "order.h"

/* Receives one order; its values live until it returns. */
typedef void (*OrderSink) (void *arg, Order *order);

extern bool current_identify(TrackedTable *table, uint64 i, Order *order);
extern void current_lock(TrackedTable *table, Datum *keys, int count);
extern void current_customers(TrackedTable *table, Datum *keys, int count,
							  OrderSink sink, void *arg);
extern void current_orders(TrackedTable *table, Datum *keys, int count,
						   int32 terms, OrderSink sink, void *arg);

#endif							/* LOYALTY_CURRENT_H */
