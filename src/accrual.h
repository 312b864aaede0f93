/*
 * accrual.h: what entries make of an account, one after the other.
 */
#ifndef LOYALTY_ACCRUAL_H
#define LOYALTY_ACCRUAL_H

#include "lib/pairingheap.h"

#include "terms.h"

/* How an order stands after the latest entry of it. */
typedef struct StandingOrder
{
	char	   *key;			/* source and order key */
	bool		counted;
	TimestampTz at;
	Datum		amount;
	Datum		points;
	Datum		multiplier;
	const char *tier;
	pairingheap_node by_first;	/* among the counted orders */
	pairingheap_node by_last;
} StandingOrder;

/* An entry as it was recorded. */
typedef struct RecordedEntry
{
	int32		source;
	Datum		order_key;		/* text */
	TimestampTz at;
	bool		counted;
	Datum		amount;			/* numeric */
	Datum		base;			/* numeric */
} RecordedEntry;

/* The account of one customer, and the latest entry's part in it. */
typedef struct Accrual
{
	MemoryContext context;
	Metrics		metrics;		/* after the latest entry, tenure aside */
	bool		has_joined;
	TimestampTz joined_at;

	/* how orders stand; only if some are known from before or come again */
	struct standing_hash *orders;
	pairingheap *first;
	pairingheap *last;

	/* the latest entry */
	const char *tier;
	Datum		multiplier;
	Datum		points;
	int32		orders_change;
	Datum		amount_change;
	Datum		points_change;
} Accrual;

extern Accrual *accrual_begin(MemoryContext context);
extern void accrual_remember_orders(Accrual *accrual);
extern void accrual_known_order(Accrual *accrual, int32 source, Datum order_key,
								bool counted, TimestampTz at, Datum amount,
								Datum points, Datum multiplier, const char *tier);
extern void accrual_add(Accrual *accrual, Terms *terms, const RecordedEntry *entry);

#endif							/* LOYALTY_ACCRUAL_H */
