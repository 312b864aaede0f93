/*
 * payment.c: points that orders were paid with, and what comes back of them.
 *
 * A call can say of an order that its points pay for it.  When the order is refunded, they come
 * back, as the terms of the order say: with the dates that they had, as by a reversal, and as the next entry of
 * that call, before the entry of the order.  So what is left of a call is the sum of
 * all its entries and those that reverse it, and whoever comes later finds less.
 *
 * What has to have come back is computed from how the order stands, and never from how it
 * changed: of what was spent and not reversed by calls, the part of the order that is returned, of the highest
 * amount that it had, rounded down.  What came back already is taken off.  So all of it
 * has come back when all of the order is returned, and nothing comes back twice.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "compat.h"
#include "number.h"
#include "payment.h"

static bool
is_positive(Datum number)
{
	return DatumGetBool(DirectFunctionCall2(numeric_gt, number, number_zero()));
}

/* One with so many zeros behind it, or decimals before it. */
static Datum
power_of_ten(int exponent)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(psprintf("1e%d", exponent)), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/*
 * Which part of what was paid has to have come back of an order, as it stands, of which "most" was
 * the highest amount?
 */
Share
payment_share(const Terms *terms, bool counts, Datum amount, Datum most)
{
	Share		share = {.part = number_zero(),.whole = number_one()};
	bool		has_amount = is_positive(most);

	if (!counts || (has_amount && !is_positive(amount)))
		share.part = (Datum) 0;
	else if (terms->returns_paid == RETURNS_PROPORTIONAL && has_amount)
	{
		share.part = DirectFunctionCall2(numeric_sub, most, amount);
		share.whole = most;
	}
	return share;
}

/* So many points, with so many decimals, are a part of others. */
static Datum
share_of(Datum points, Share share, int scale)
{
	Datum		units;

	if (share.part == (Datum) 0)
		return points;
	if (!is_positive(share.part) || !is_positive(points))
		return number_zero();
	units = DirectFunctionCall2(numeric_mul, DirectFunctionCall2(numeric_mul, points, share.part), power_of_ten(scale));
	return DirectFunctionCall2(numeric_mul, DirectFunctionCall2(numeric_div_trunc, units, share.whole), power_of_ten(-scale));
}

/*
 * Does a payment pay for an order, whoever that is recorded for?
 */
bool
payment_is_for(const Payment *payment, int32 tracked_table, const text *order_key)
{
	return payment->tracked_table == tracked_table &&
		VARSIZE_ANY_EXHDR(payment->order_key) == VARSIZE_ANY_EXHDR(order_key) &&
		memcmp(VARDATA_ANY(payment->order_key), VARDATA_ANY(order_key), VARSIZE_ANY_EXHDR(order_key)) == 0;
}

/*
 * What comes back of the payments for an order, as a list of Returned *, and how much it is
 * together, or (Datum) 0; nothing is done yet.  An order that has got another key of the account
 * is the same one.
 */
List *
payments_due(List *payments, int32 tracked_table, const text *order_key, Share share, int scale, Datum *total)
{
	List	   *due = NIL;
	ListCell   *lc;

	foreach(lc, payments)
	{
		Payment    *payment = (Payment *) lfirst(lc);
		Returned   *returned;
		Datum		points;

		if (!payment_is_for(payment, tracked_table, order_key))
			continue;
		points = DirectFunctionCall2(numeric_sub, share_of(payment->paid, share, scale), payment->returned);
		if (!is_positive(points))
			continue;
		returned = palloc0(sizeof(Returned));
		returned->payment = payment;
		returned->points = points;
		due = lappend(due, returned);
		*total = *total == (Datum) 0 ? points : DirectFunctionCall2(numeric_add, *total, points);
	}
	return due;
}

/* In the current memory context. */
static Datum
sum_of(Datum a, Datum b)
{
	return DirectFunctionCall2(numeric_add, a, b);
}

/*
 * Points come back at a moment, to the purse, if any are dated: to the wallets that the call
 * emptied last first, by the order of then.  What is left of the payment is what its entries
 * did to lots, as whoever reads them in the ledger finds it; it lives in the context.
 */
void
payment_return(Returned *returned, MemoryContext context, Purse *purse, const Terms *terms, TimestampTz at)
{
	Payment    *payment = returned->payment;
	MemoryContext old;

	returned->lots = NULL;
	if (purse != NULL)
	{
		purse->now = at;
		if (payment->terms != 0)
			terms = terms_find(terms->program, payment->terms);
		purse->wallet = terms->redeemable;
		purse->wallets = terms->redeemables;
		(void) purse_give_back(purse, payment->left, purse_points(returned->points));
		/* the terms may be forgotten before the purse is */
		purse->wallets = 0;
		returned->lots = purse_end_entry(purse);
		old = MemoryContextSwitchTo(context);
		lots_add(payment->left, purse_change(returned->points, LotsGetDatum(returned->lots)));
		lots_settle(payment->left);
		MemoryContextSwitchTo(old);
	}
	old = MemoryContextSwitchTo(context);
	payment->returned = sum_of(payment->returned, returned->points);
	payment->net = sum_of(payment->net, returned->points);
	MemoryContextSwitchTo(old);
	/* not before the entry that it follows */
	payment->recorded_at = Max(payment->recorded_at, at);
	payment->revision++;
	returned->revision = payment->revision;
	returned->at = payment->recorded_at;
	returned->net = payment->net;
}
