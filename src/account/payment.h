/*
 * payment.h: points that orders were paid with, and what comes back of them.
 */
#ifndef LOYALTY_PAYMENT_H
#define LOYALTY_PAYMENT_H

#include "nodes/pg_list.h"

#include "purse.h"
#include "terms.h"

/* A call that spent points for an order, with all that was done about it since. */
typedef struct Payment
{
	int			recorded_for;	/* whom: a place among the keys of the account */
	int32		tracked_table;	/* the order */
	text	   *order_key;
	text	   *reference;		/* of the call */
	int32		terms;			/* by whose order it took points from several wallets, or
								 * 0 */
	int32		revision;		/* of its newest entry */
	TimestampTz recorded_at;	/* when that was recorded */
	Datum		net;			/* numeric: by how much all its entries change the points */
	Datum		paid;			/* numeric: what was spent, less what calls reversed of
								 * it */
	Datum		returned;		/* numeric: what came back by refunds */
	LotList    *left;			/* what neither came back nor was reversed, below zero */
} Payment;

/* A part of an order: so much of so much. */
typedef struct Share
{
	Datum		part;			/* numeric; (Datum) 0: all of it */
	Datum		whole;
} Share;

/* Points that come back by an entry. */
typedef struct Returned
{
	Payment    *payment;
	Datum		points;
	int32		revision;		/* of the entry by which they do */
	TimestampTz at;
	Datum		net;			/* of the payment after it */
	Lots	   *lots;			/* what it does to dated points; NULL: nothing */
	int64		number;			/* among the entries that are added */
} Returned;

extern Share payment_share(const Terms *terms, bool counts, Datum amount, Datum most);
extern bool payment_is_for(const Payment *payment, int32 tracked_table, const text *order_key);
extern List *payments_due(List *payments, int32 tracked_table, const text *order_key, Share share,
						  int scale, Datum *total);
extern void payment_return(Returned *returned, MemoryContext context, Purse *purse, const Terms *terms,
						   TimestampTz at);

#endif							/* LOYALTY_PAYMENT_H */
