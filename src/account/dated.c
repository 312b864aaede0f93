/*
 * dated.c: what the entries of orders do to dated points.
 *
 * An order gives points to a lot of wallet 1, whose dates follow from its time; and rules that name
 * another wallet give theirs to a lot there.  What an order stands with in each wallet is what these rules gave,
 * which its entry has in "apart", and the rest in wallet 1.  So an entry changes what the order has in each
 * wallet by itself: more is credited to its lot; less is taken from that lot first, and then from
 * others of the wallet.
 *
 * What is not there in a wallet is taken from what the same entry gives elsewhere, and then from wallet 1, as
 * points are points.  Only what is not there at all is missing: the caller forgives it, or the customer owes it.
 * Status points, which cannot be spent, are in wallets of their own.  They pay for no others, and are taken back in any case:
 * a call may have taken them off before, and then there are less than none.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "dated.h"
#include "number.h"
#include "wallet.h"

/* By how much an order stands with more points in a wallet than before. */
typedef struct WalletChange
{
	Lot			lot;			/* that of the order, with any points */
	Points		change;
} WalletChange;

static Points
opposite(Points points)
{
	points.value = -points.value;
	return points;
}

static Points
points_sum(Points a, Points b)
{
	Points		sum = {.scale = Max(a.scale, b.scale)};

	sum.value = exact_add(exact_rescale(a.value, a.scale, sum.scale), exact_rescale(b.value, b.scale, sum.scale));
	return sum;
}

/* Take as much of points as is to be taken off, which is less then. */
static Points
points_less(Points points, Points *less)
{
	int			scale = Max(points.scale, less->scale);
	Points		taken = {.scale = scale};

	taken.value = Min(exact_rescale(points.value, points.scale, scale), exact_rescale(less->value, less->scale, scale));
	*less = points_sum(*less, opposite(taken));
	return points_sum(points, opposite(taken));
}

/* The lots of an order in other wallets than the first one, by what its rules gave under some terms. */
static void
put_lots(LotList *lots, Terms *terms, TimestampTz at, const Moment *available, Datum apart)
{
	int			count;
	const RuleWallet *wallets = stacking_wallets(terms->stacking, &count);
	ByAward		gives;

	if (count == 0 || apart == (Datum) 0)
		return;
	gives = stacking_read(apart);
	for (int i = 0; i < count; i++)
	{
		Datum		number = stacking_value(&gives, wallets[i].award);
		Points		points;
		Lot			lot;

		if (number == (Datum) 0)
			continue;
		points = purse_points(number);
		lot = wallet_lot_in(terms, wallets[i].wallet, at, available);
		lot.points = points.value;
		lots_put(lots, points.scale, &lot);
	}
}

/* Those of an order as it stood, which may be two orders since one has got the key of the other. */
static LotList *
standing_lots(Terms *terms, const StandingOrder *order)
{
	LotList    *lots = lots_make();

	for (; order != NULL; order = order->beside)
		if (order->apart != (Datum) 0)
			put_lots(lots, order->apart_terms == terms->id ? terms : terms_find(terms->program, order->apart_terms),
					 order->at, &order->available, order->apart);
	lots_settle(lots);
	return lots;
}

/* The lot of a wallet among those of an order, or NULL. */
static const Lot *
lot_of_wallet(const LotList *lots, int32 wallet)
{
	for (int i = 0; i < lots->count; i++)
		if (lots->lot[i].wallet == wallet)
			return &lots->lot[i];
	return NULL;
}

/* What is left of the points of an order goes along to its dates. */
static void
move_lots(Accrual *accrual, Terms *terms, const LotList *before, const LotList *after, TimestampTz at)
{
	for (int i = 0; i < before->count; i++)
	{
		const Lot  *from = &before->lot[i];
		const Lot  *to = lot_of_wallet(after, from->wallet);
		Points		points = {.value = from->points,.scale = before->scale};

		if (to != NULL && points.value > 0 && (from->available_at != to->available_at || from->expires_at != to->expires_at))
			purse_move(accrual->purse, from, to, points, wallet_may_extend(terms, from->wallet), at);
	}
}

/* By how much more or less an order has in each wallet but the first one, with room for that. */
static WalletChange *
wallet_changes(const LotList *before, const LotList *after, int *count)
{
	LotList    *sums = lots_make();
	WalletChange *changes;

	for (int k = 0; k <= 1; k++)
	{
		const LotList *list = k == 0 ? before : after;

		for (int i = 0; i < list->count; i++)
		{
			Lot			sum = {.available_at = DT_NOBEGIN,.expires_at = DT_NOEND,.wallet = list->lot[i].wallet};

			sum.points = k == 0 ? -list->lot[i].points : list->lot[i].points;
			lots_put(sums, list->scale, &sum);
		}
	}
	lots_settle(sums);
	*count = sums->count;
	changes = palloc((sums->count + 1) * sizeof(WalletChange));
	for (int i = 0; i < sums->count; i++)
	{
		const Lot  *lot = lot_of_wallet(after, sums->lot[i].wallet);

		changes[i].lot = lot != NULL ? *lot : *lot_of_wallet(before, sums->lot[i].wallet);
		changes[i].change.value = sums->lot[i].points;
		changes[i].change.scale = sums->scale;
	}
	return changes;
}

static bool
is_status(const Terms *terms, int32 wallet)
{
	for (int i = 0; i < terms->statuses; i++)
		if (terms->status[i] == wallet)
			return true;
	return false;
}

/* An order that counts keeps points, of those wallets that say so. */
static void
extend_lots(Accrual *accrual, Terms *terms, TimestampTz active_at, TimestampTz at)
{
	ListCell   *lc;

	foreach(lc, terms->extending)
	{
		TimestampTz until;
		int32		wallet;

		if (wallet_extends(terms, (Wallet *) lfirst(lc), active_at, &wallet, &until))
			purse_extend(accrual->purse, wallet, until, at);
	}
}

/*
 * Take back what there is less of, of each wallet, and credit status points, which are taken and given in any
 * case.  Returns what is missing of the others.
 */
static Points
lessen_wallets(Accrual *accrual, const Terms *terms, const WalletChange *changes, int count, TimestampTz at)
{
	Points		missing = {0};

	for (int i = 0; i < count; i++)
	{
		bool		status = is_status(terms, changes[i].lot.wallet);
		Points		change = changes[i].change;

		if (change.value < 0)
		{
			Points		rest = purse_refund(accrual->purse, &changes[i].lot, opposite(change), terms->available_first, at);

			if (!status)
				missing = points_sum(missing, rest);
			change = opposite(rest);
		}
		if (status)
			purse_credit(accrual->purse, &changes[i].lot, change);
	}
	return missing;
}

/*
 * Take points back, and credit others, which are less by what is not there of the first, and by so many
 * that were forgiven before.  The last of the changes is that of wallet 1, which debt is repaid out of first.  Returns
 * what is missing then.
 */
static Points
change_wallets(Accrual *accrual, const Terms *terms, WalletChange *changes, int count, Points forgiven, TimestampTz at)
{
	const WalletChange *first = &changes[count - 1];
	Points		missing = points_sum(forgiven, lessen_wallets(accrual, terms, changes, count, at));

	for (int i = 0; i < count; i++)
		if (changes[i].change.value > 0 && !is_status(terms, changes[i].lot.wallet))
			changes[i].change = points_less(changes[i].change, &missing);
	for (int i = count - 1; i >= 0; i--)
		if (changes[i].change.value > 0 && !is_status(terms, changes[i].lot.wallet))
			purse_earn(accrual->purse, &changes[i].lot, changes[i].change);
	if (count > 1 && missing.value > 0)
		missing = purse_refund(accrual->purse, &first->lot, missing, terms->available_first, at);
	return missing;
}

static Datum
minus(Datum a, Datum b)
{
	return DirectFunctionCall2(numeric_sub, a, b);
}

/* The points in a list that cannot be spent. */
static Datum
status_points(const Terms *terms, const LotList *lots)
{
	LotList    *status = lots_make();

	for (int i = 0; i < lots->count; i++)
		if (is_status(terms, lots->lot[i].wallet))
			lots_put(status, lots->scale, &lots->lot[i]);
	lots_settle(status);
	return lots_total(status);
}

/*
 * How many status points more an order has by an entry whose rules give this ("apart") than it stood with before.
 */
Datum
dated_status_change(Terms *terms, const RecordedEntry *entry, const StandingOrder *order, Datum apart)
{
	LotList    *after = lots_make();

	put_lots(after, terms, entry->at, &entry->available, apart);
	lots_settle(after);
	return minus(status_points(terms, after), status_points(terms, standing_lots(terms, order)));
}

/*
 * What an entry does to dated points, of which the customer has so many more by it ("change"); returns how many are not
 * there of those that it was to take back.  The order stood like this ("order") before, and gave points to the lots of
 * its times by the terms that it was of; where it is of other times or other terms now, what is left of them goes along.
 * "unforgiven" is what was forgiven before and is not any more, or (Datum) 0; "apart" what rules give that are rounded by themselves.  A
 * first entry is effective at the time of its order, unless that is still to come, and all others
 * when they are recorded.
 */
Points
dated_step(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order, Terms *terms_before,
		   Datum change, Datum unforgiven, Datum apart)
{
	bool		is_first = order->revision == 0 && !entry->held.is_known && !TIMESTAMP_NOT_FINITE(entry->at);
	TimestampTz at = is_first ? Min(entry->at, entry->recorded_at) : entry->recorded_at;
	Datum		before_elsewhere = number_zero();
	Points		forgiven = {0};
	Points		missing;
	WalletChange only;
	WalletChange *changes = &only;
	WalletChange *first;
	int			count = 0;

	if (unforgiven != (Datum) 0)
	{
		change = DirectFunctionCall2(numeric_add, change, unforgiven);
		forgiven = purse_points(unforgiven);
	}
	/* most orders give points to the first wallet alone */
	if (apart != (Datum) 0 || order->apart != (Datum) 0 || order->beside != NULL)
	{
		LotList    *before = standing_lots(terms, order);
		LotList    *after = lots_make();

		put_lots(after, terms, entry->at, &entry->available, apart);
		lots_settle(after);
		changes = wallet_changes(before, after, &count);
		before_elsewhere = lots_total(before);
		change = minus(change, minus(lots_total(after), before_elsewhere));
		move_lots(accrual, terms, before, after, at);
	}
	first = &changes[count++];
	first->lot = wallet_lot(terms, entry->at, &entry->available);
	first->change = purse_points(change);
	if (order->revision > 0)
	{
		Lot			lot = wallet_lot(terms_before, order->at, &order->available);
		Points		earned = purse_points(minus(order->order_points, before_elsewhere));

		if (earned.value > 0 && (lot.available_at != first->lot.available_at || lot.expires_at != first->lot.expires_at))
			purse_move(accrual->purse, &lot, &first->lot, earned, wallet_may_extend(terms, LOTS_DEFAULT_WALLET), at);
	}
	missing = change_wallets(accrual, terms, changes, count, forgiven, at);
	if (entry->counts && !order->counts && !entry->is_event)
		extend_lots(accrual, terms, entry->at, at);
	return missing;
}
