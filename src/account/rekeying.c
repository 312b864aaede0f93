/*
 * rekeying.c: orders that get another key, in the account.
 *
 * An UPDATE that gives an order another key makes one order end and another begin in the
 * journal.  By themselves, the first would take points back, of which some may not be there and
 * be forgiven, and the other give all of them.  But it is one order, and all that changes is
 * by how much it is worth more or less than before.  So the two entries are one change: the first
 * one passes all points on that the order stood with, forgiven ones included, and takes none from
 * the customer; the second one goes on from there, like a later revision of the same order.  Dated
 * points stay what they are.  An entry can be both, as where two orders exchange their keys.
 *
 * Either of the two may be added first: the order stood as it did before both.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "accrual.h"
#include "number.h"

/* The first of the two entries is to be added.  What is known of the order lives as long as the account. */
static void
begin_rekeying(Rekeying *rekeying, const StandingOrder *order, int32 revision)
{
	if (rekeying == NULL || rekeying->begun)
		return;
	rekeying->begun = true;
	rekeying->is_void = order == NULL || order->revision == 0 || (revision != 0 && order->revision != revision);
	if (!rekeying->is_void)
		rekeying->before = *order;
}

/*
 * Does the order of an entry, as it stood before, go on by another key of the account?
 */
bool
rekeying_goes_away(const RecordedEntry *entry)
{
	return entry->left != NULL && !entry->left->is_void;
}

/*
 * Did the order of an entry go on from another key of the account?
 */
bool
rekeying_comes_along(const RecordedEntry *entry)
{
	return entry->came != NULL && !entry->came->is_void;
}

/*
 * The rooms under limits that the order of an entry has (see member_limits.c): from another key, as far
 * as it was of the same terms there; or (Datum) 0.  "order" has begun anew, if it comes along.
 */
Datum
rekeying_rooms(const RecordedEntry *entry, int32 terms, const StandingOrder *order, const StandingOrder *from)
{
	return rekeying_comes_along(entry) && from->apart_terms == terms ? from->rooms : order->rooms;
}

static Datum
add_or_none(Datum a, Datum b)
{
	return a == (Datum) 0 ? b : b == (Datum) 0 ? a : DirectFunctionCall2(numeric_add, a, b);
}

/*
 * How the order of an entry stood, which may have had another key, or another one may have had its
 * key; "other" is what stands by the key that it had, or NULL.  Where two orders have one key from
 * now on, it is both of them.  passed: what it passes on to another key, or less than nothing if it comes
 * from there; (Datum) 0: it has its key.  In "result" if it is not "order".
 */
const StandingOrder *
rekeying_goes_on(const RecordedEntry *entry, const StandingOrder *order, const StandingOrder *other,
				 StandingOrder *result, Datum *passed)
{
	bool		left;
	bool		came;

	*passed = (Datum) 0;
	begin_rekeying(entry->left, order, 0);
	begin_rekeying(entry->came, other, entry->came_revision);
	left = rekeying_goes_away(entry);
	came = rekeying_comes_along(entry);
	if (!left && !came)
		return order;
	if (came)
		*result = entry->came->before;
	else
	{
		memset(result, 0, sizeof(StandingOrder));
		result->order_points = number_zero();
	}
	*passed = DirectFunctionCall2(numeric_sub, left ? entry->left->before.order_points : number_zero(), result->order_points);
	if (!left)
	{
		result->order_points = DirectFunctionCall2(numeric_add, result->order_points, order->order_points);
		result->forgiven = add_or_none(result->forgiven, order->forgiven);
		result->beside = order;
	}
	return result;
}
