/*
 * accrual.c: what entries make of an account, one after the other.
 *
 * The entries of one customer are added in the order they were recorded, to
 * the account as it is posted.  A new order gets the multiplier of the tier held
 * just before it; a later revision of an order keeps what the order began with,
 * unless it is of other terms: an order that was rerated begins anew.
 * An order that is taken back leaves nothing behind, in the times of the first
 * and last order neither.
 *
 * An order that gets another key has two entries: the one by which it ends under the key that it
 * had, and the one by which it begins under the other (see rekeying.c).
 *
 * The fold looks whether an entry follows the revision of its order that it
 * knows.  An entry whose revision is in the account already counts nothing; one
 * that came before its predecessor, or whose numbers overflow, is left out and
 * waits.  So neither stops the others, and nothing is counted twice.  A reader
 * with an old snapshot may see its own change of an order without the one before
 * it; as each entry says how the order stands, it takes the change as it is.
 *
 * How orders stand is known of those only of which a later revision is to be added,
 * and of all others together when the first and the last of them was: so a customer
 * of many orders takes no more memory than the entries that are added.
 *
 * Posting and every read use this one fold (see read/fold.c): what a reader sees is
 * what posting writes.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "compat.h"
#include "accrual.h"
#include "dated.h"
#include "layout.h"
#include "member_limits.h"
#include "member_rules.h"
#include "number.h"
#include "tenure.h"
#include "wallet.h"

typedef struct StandingEntry
{
	char	   *key;
	StandingOrder *order;
	uint32		hash;
	char		status;
} StandingEntry;

#define SH_PREFIX standing
#define SH_ELEMENT_TYPE StandingEntry
#define SH_KEY_TYPE char *
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key), strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp((a), (b)) == 0)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static int
compare_first(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz x = pairingheap_const_container(StandingOrder, by_first, a)->at;
	TimestampTz y = pairingheap_const_container(StandingOrder, by_first, b)->at;

	return x < y ? 1 : x > y ? -1 : 0;	/* the root is the greatest */
}

static int
compare_last(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz x = pairingheap_const_container(StandingOrder, by_last, a)->at;
	TimestampTz y = pairingheap_const_container(StandingOrder, by_last, b)->at;

	return x > y ? 1 : x < y ? -1 : 0;
}

/*
 * In the order of recording, and what one transaction recorded by its own time
 * (see moment.c): the order in which entries are added.
 */
int
recorded_entry_compare(const RecordedEntry *a, const RecordedEntry *b)
{
	int			cmp;

	if (a->recorded_at != b->recorded_at)
		return a->recorded_at < b->recorded_at ? -1 : 1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a->tracked_table != b->tracked_table)
		return a->tracked_table < b->tracked_table ? -1 : 1;
	cmp = memcmp(VARDATA_ANY(a->order_key), VARDATA_ANY(b->order_key),
				 Min(VARSIZE_ANY_EXHDR(a->order_key), VARSIZE_ANY_EXHDR(b->order_key)));
	if (cmp == 0)
		cmp = (int) VARSIZE_ANY_EXHDR(a->order_key) - (int) VARSIZE_ANY_EXHDR(b->order_key);
	if (cmp == 0)
		cmp = a->revision < b->revision ? -1 : a->revision > b->revision;
	if (cmp == 0)
		cmp = a->recorded_for - b->recorded_for;
	return cmp;
}

/*
 * One more order that counts.
 */
void
bounds_extend(Bounds *bounds, TimestampTz at)
{
	if (!bounds->any || at < bounds->first)
		bounds->first = at;
	if (!bounds->any || at > bounds->last)
		bounds->last = at;
	bounds->any = true;
}

static Datum
copy_numeric(Datum value)
{
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

/* The same of what may be (Datum) 0. */
static Datum
copy_or_none(Datum value)
{
	return value == (Datum) 0 ? value : copy_numeric(value);
}

/*
 * Begin with an empty account, in a memory context that the caller resets.
 */
Accrual *
accrual_begin(MemoryContext context)
{
	Accrual    *accrual = MemoryContextAllocZero(context, sizeof(Accrual));

	accrual->context = context;
	accrual->facts.spend = number_zero();
	accrual->facts.points_earned = number_zero();
	accrual->points = number_zero();
	return accrual;
}

/*
 * Begin with an account as it is posted.
 */
void
accrual_set_account(Accrual *accrual, Datum spend, int64 orders, Datum points_earned,
					const Bounds *bounds)
{
	Facts	   *facts = &accrual->facts;
	MemoryContext old = MemoryContextSwitchTo(accrual->context);

	facts->spend = copy_numeric(spend);
	facts->orders = orders;
	facts->points_earned = copy_numeric(points_earned);
	facts->has_orders = bounds->any;
	facts->first_order_at = bounds->first;
	facts->last_order_at = bounds->last;
	accrual->others = *bounds;
	MemoryContextSwitchTo(old);
}

/*
 * The points of the account, and its lots or (Datum) 0.
 */
void
accrual_set_points(Accrual *accrual, Datum points, Datum lots)
{
	MemoryContext old = MemoryContextSwitchTo(accrual->context);

	accrual->points = copy_numeric(points);
	accrual->posted_lots = lots == (Datum) 0 ? lots : PointerGetDatum(PG_DETOAST_DATUM_COPY(lots));
	accrual->has_lots = lots != (Datum) 0;
	MemoryContextSwitchTo(old);
}

/*
 * The histories of the account, each (Datum) 0 for none, which conditions ask for.
 */
void
accrual_set_histories(Accrual *accrual, Datum purchases, Datum events)
{
	accrual->known = histories_of(accrual->context, purchases, events);
}

/*
 * May points have expired that an order is about?  Then what entries took off expired lots
 * is to be found out, and put into "expired".
 */
bool
accrual_needs_expired(const Accrual *accrual)
{
	return accrual->posted_lots != (Datum) 0;
}

/*
 * All lots after the latest entry, or NULL if there never were any.
 */
Lots *
accrual_lots(const Accrual *accrual)
{
	if (!accrual->has_lots)
		return NULL;
	return accrual->purse != NULL ? purse_lots(accrual->purse) : DatumGetLots(accrual->posted_lots);
}

/* The name of an order: in the current memory context. */
static char *
name_order(int recorded_for, int32 tracked_table, const text *order_key)
{
	int			length = VARSIZE_ANY_EXHDR(order_key);
	char	   *name = palloc(length + 26);
	int			prefix = sprintf(name, "%d:%d:", recorded_for, tracked_table);

	memcpy(name + prefix, VARDATA_ANY(order_key), length);
	name[prefix + length] = '\0';
	return name;
}

/*
 * A later revision of an order will be added: how it stands is to be told with
 * accrual_known_order(), unless nothing of it is posted.  False: it was expected before.
 */
bool
accrual_expect(Accrual *accrual, int recorded_for, int32 tracked_table, const text *order_key)
{
	MemoryContext old = MemoryContextSwitchTo(accrual->context);
	StandingEntry *entry;
	char	   *name;
	bool		found;

	if (accrual->orders == NULL)
	{
		accrual->orders = standing_create(accrual->context, 16, NULL);
		accrual->first = pairingheap_allocate(compare_first, NULL);
		accrual->last = pairingheap_allocate(compare_last, NULL);
	}
	name = name_order(recorded_for, tracked_table, order_key);
	entry = standing_insert(accrual->orders, name, &found);
	if (found)
		pfree(name);
	else
	{
		entry->order = palloc0(sizeof(StandingOrder));
		entry->order->key = name;
	}
	MemoryContextSwitchTo(old);
	return !found;
}

/* What is known of an order, or NULL: no later revision of it is expected. */
static StandingOrder *
find_order(Accrual *accrual, int recorded_for, int32 tracked_table, const text *order_key)
{
	StandingEntry *entry;
	char	   *name;

	if (accrual->orders == NULL)
		return NULL;
	name = name_order(recorded_for, tracked_table, order_key);
	entry = standing_lookup(accrual->orders, name);
	pfree(name);
	return entry == NULL ? NULL : entry->order;
}

/*
 * Is a later revision of an order expected?
 */
bool
accrual_expects(Accrual *accrual, int recorded_for, int32 tracked_table, const text *order_key)
{
	return find_order(accrual, recorded_for, tracked_table, order_key) != NULL;
}

/* Events are not among the orders of which the first and the last are known. */
static void
set_standing(Accrual *accrual, StandingOrder *order, bool counts, TimestampTz at)
{
	if (order->counts && !order->is_event)
	{
		pairingheap_remove(accrual->first, &order->by_first);
		pairingheap_remove(accrual->last, &order->by_last);
	}
	order->counts = counts;
	order->at = at;
	if (counts && !order->is_event)
	{
		pairingheap_add(accrual->first, &order->by_first);
		pairingheap_add(accrual->last, &order->by_last);
	}
}

/*
 * Tell how the order of an entry is posted, which is expected.
 */
void
accrual_known_order(Accrual *accrual, const RecordedEntry *entry,
					int32 revision, int32 terms, bool counts, TimestampTz at,
					Moment available, Datum amount, Datum order_points, Datum forgiven,
					Datum multiplier, const char *tier, Datum held_rules, Datum rooms, Datum apart)
{
	MemoryContext old = MemoryContextSwitchTo(accrual->context);
	StandingOrder *order = find_order(accrual, entry->recorded_for, entry->tracked_table, entry->order_key);

	Assert(order != NULL);
	order->revision = revision;
	order->terms = terms;
	order->is_event = entry->is_event;
	set_standing(accrual, order, counts, at);
	order->available = available;
	order->amount = copy_numeric(amount);
	order->most = order->amount;
	order->order_points = copy_numeric(order_points);
	order->forgiven = copy_or_none(forgiven);
	order->multiplier = copy_numeric(multiplier);
	order->tier = tier ? pstrdup(tier) : NULL;
	order->held_rules = copy_or_none(held_rules);
	order->rooms = copy_or_none(rooms);
	order->apart = copy_or_none(apart);
	order->apart_terms = terms;
	MemoryContextSwitchTo(old);
}

/*
 * Tell an amount that an order had, which was paid with points, for one of the keys of the account
 * under which it may stand, or have stood.
 */
void
accrual_known_most(Accrual *accrual, int recorded_for, const Payment *payment, Datum amount)
{
	MemoryContext old = MemoryContextSwitchTo(accrual->context);
	StandingOrder *order = find_order(accrual, recorded_for, payment->tracked_table, payment->order_key);

	if (order != NULL && order->revision > 0)
		order->most = copy_numeric(DirectFunctionCall2(numeric_larger, order->most, amount));
	MemoryContextSwitchTo(old);
}

/* The times of the first and last of the expected orders that count. */
static Bounds
expected_bounds(const Accrual *accrual)
{
	Bounds		bounds = {0};

	if (accrual->orders != NULL && !pairingheap_is_empty(accrual->first))
	{
		bounds.any = true;
		bounds.first = pairingheap_container(StandingOrder, by_first, pairingheap_first(accrual->first))->at;
		bounds.last = pairingheap_container(StandingOrder, by_last, pairingheap_first(accrual->last))->at;
	}
	return bounds;
}

/*
 * Are the bounds of the account those of an expected order?  Then those of all other
 * orders are to be found out, and put into "others".
 */
bool
accrual_needs_bounds(Accrual *accrual)
{
	Bounds		expected = expected_bounds(accrual);

	return expected.any && (!accrual->others.any || expected.first <= accrual->others.first ||
							expected.last >= accrual->others.last);
}

/* The times of the first and last order, after an entry. */
static void
update_bounds(Accrual *accrual)
{
	Facts	   *facts = &accrual->facts;
	Bounds		bounds = expected_bounds(accrual);

	if (accrual->others.any)
	{
		bounds_extend(&bounds, accrual->others.first);
		bounds_extend(&bounds, accrual->others.last);
	}
	facts->has_orders = bounds.any;
	facts->first_order_at = bounds.first;
	facts->last_order_at = bounds.last;
}

/* What an entry makes of its order and of the account. */
typedef struct Step
{
	Datum		order_points;
	Datum		forgiven;		/* of them; (Datum) 0: nothing */
	Datum		points_change;
	Datum		amount_change;
	Datum		spend;
	Datum		points_earned;
	Datum		points;
	Datum		rooms;			/* of the order; (Datum) 0: none */
	Datum		apart;			/* what its rules give that are rounded by themselves;
								 * the same */
} Step;

/* Is a sum one that the views can show? */
static bool
fits_account(Datum sum)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, DirectFunctionCall1(numeric_abs, sum),
											number_account_limit()));
}

/*
 * The points that an order stands with, which stood like this and is worth so many now, and what of
 * them is forgiven.  If it is worth more than before, it was not given less than it was worth
 * before, so what was forgiven comes first: only what was really taken comes back.  No status points
 * were forgiven.
 */
static void
compute_order_points(Terms *terms, const RecordedEntry *entry, const StandingOrder *order, Datum worth, Step *step)
{
	Datum		more;

	step->order_points = worth;
	step->forgiven = (Datum) 0;
	if (order->forgiven == (Datum) 0)
		return;
	more = DirectFunctionCall2(numeric_sub, DirectFunctionCall2(numeric_add, worth, order->forgiven),
							   order->order_points);
	more = DirectFunctionCall2(numeric_sub, more, dated_status_change(terms, entry, order, step->apart));
	step->forgiven = DirectFunctionCall2(numeric_sub, order->forgiven,
										 DirectFunctionCall2(numeric_larger, more, number_zero()));
	if (DatumGetBool(DirectFunctionCall2(numeric_le, step->forgiven, number_zero())))
		step->forgiven = (Datum) 0;
	else
		step->order_points = DirectFunctionCall2(numeric_add, worth, step->forgiven);
}

/* What an order is worth: its awards, or what its rules come to, at its tier, rounded. */
static Datum
order_worth(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order, const StandingOrder *from, Step *step)
{
	Datum		bonus;
	Datum		worth;

	/* an order that does not count keeps its rooms, by another key, too */
	step->rooms = rekeying_rooms(entry, terms->id, order, from);
	step->apart = (Datum) 0;
	if (entry->parts == (Datum) 0 || !terms_fold(terms))
		return terms_round(terms, DirectFunctionCall2(numeric_mul, order->multiplier, entry->awards));
	if (stacking_has_apart(terms->stacking))
		return limits_fold(accrual, terms, entry, order, from, &step->rooms, &step->apart);
	worth = stacking_fold(terms->stacking, entry->parts, order->held_rules, &bonus);
	worth = DirectFunctionCall2(numeric_mul, order->multiplier, worth);
	return terms_round(terms, DirectFunctionCall2(numeric_add, worth, bonus));
}

/*
 * The numbers of one step, in the current memory context; false if a sum of the
 * account would be too large.  Nothing but functions of numeric runs here, which
 * hold nothing that would have to be undone.
 */
static bool
compute_step(Accrual *accrual, Terms *terms, const RecordedEntry *entry,
			 const StandingOrder *order, const StandingOrder *from, Datum returned, Step *step)
{
	Facts	   *facts = &accrual->facts;
	MemoryContext context = CurrentMemoryContext;
	volatile bool fits = true;

	PG_TRY();
	{
		compute_order_points(terms, entry, from, order_worth(accrual, terms, entry, order, from, step), step);
		step->points_change = DirectFunctionCall2(numeric_sub, step->order_points, order->order_points);
		/* the amount of an event is no money, and nothing was spent */
		step->amount_change = entry->is_event ? number_zero() :
			DirectFunctionCall2(numeric_sub, entry->amount, order->amount);
		step->spend = DirectFunctionCall2(numeric_add, facts->spend, step->amount_change);
		step->points_earned = DirectFunctionCall2(numeric_add, facts->points_earned,
												  step->points_change);
		step->points = DirectFunctionCall2(numeric_add, accrual->points, step->points_change);
		if (returned != (Datum) 0)
			step->points = DirectFunctionCall2(numeric_add, step->points, returned);
		fits = fits_account(step->spend) && fits_account(step->points_earned) && fits_account(step->points);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		FlushErrorState();
		MemoryContextSwitchTo(context);
		fits = false;
	}
	PG_END_TRY();
	return fits;
}

/*
 * A new order, or one that begins anew, under other terms or where another one had its key: the
 * tier, and the rules for its customer, that it brought along from another customer or key, or
 * else those of just before it, as of its time.  What is taken of a tier lives to the end of the transaction.
 */
static void
begin_order(Accrual *accrual, Terms *terms, const RecordedEntry *entry,
			StandingOrder *order)
{
	Facts	   *facts = &accrual->facts;
	Tier	   *tier;

	order->terms = terms->id;
	order->held_rules = (Datum) 0;
	order->rooms = (Datum) 0;
	if (entry->held.is_known && (!terms_fold(terms) || entry->held.rules != (Datum) 0))
	{
		order->multiplier = copy_numeric(entry->held.multiplier);
		order->tier = entry->held.tier == (Datum) 0 ? NULL : TextDatumGetCString(entry->held.tier);
		order->held_rules = copy_or_none(entry->held.rules);
		return;
	}
	facts->at = entry->at;
	terms_set_joined(terms, facts, entry->joined.is_known, entry->joined.at);
	if (terms->uses_histories)
	{
		Assert(accrual->known != NULL);
		facts->purchases = histories_purchases(accrual->known);
		facts->events = histories_events(accrual->known, layout_event_type());
	}
	tier = terms_tier(terms, facts);
	order->multiplier = tier == NULL ? DirectFunctionCall1(int4_numeric, Int32GetDatum(1)) :
		tier->multiplier;
	order->tier = tier == NULL ? NULL : tier->name;
	if (terms_fold(terms))
		order->held_rules = terms_rules_held(terms, facts, order->tier);
}

/* Memory for what the next entry makes, which takes the place of what the last but one made. */
static MemoryContext
next_step(Accrual *accrual)
{
	MemoryContext next = accrual->steps[1];

	if (next == NULL)
		next = AllocSetContextCreate(accrual->context, "loyalty step", ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(next);
	accrual->steps[1] = accrual->steps[0];
	accrual->steps[0] = next;
	return next;
}

/* The entry made nothing, and the sums of the account are those of the step before. */
static void
undo_step(Accrual *accrual)
{
	MemoryContext failed = accrual->steps[0];

	accrual->steps[0] = accrual->steps[1];
	accrual->steps[1] = failed;
}

/* Remember how an order stands of which a later revision is to be added. */
static void
keep_order(Accrual *accrual, StandingOrder *order, const RecordedEntry *entry, bool begins)
{
	MemoryContext old = MemoryContextSwitchTo(accrual->context);

	order->amount = copy_numeric(entry->amount);
	order->most = order->most == (Datum) 0 ? order->amount :
		copy_numeric(DirectFunctionCall2(numeric_larger, order->most, order->amount));
	order->order_points = copy_numeric(order->order_points);
	order->forgiven = copy_or_none(order->forgiven);
	order->rooms = copy_or_none(order->rooms);
	order->apart = copy_or_none(order->apart);
	if (begins)
	{
		order->multiplier = copy_numeric(order->multiplier);
		order->tier = order->tier ? pstrdup(order->tier) : NULL;
		order->held_rules = copy_or_none(order->held_rules);
	}
	set_standing(accrual, order, entry->counts, entry->at);
	order->available = entry->available;
	MemoryContextSwitchTo(old);
}

/* Points below zero as what is taken back. */
static Points
magnitude(Points points)
{
	points.value = points.value < 0 ? -points.value : points.value;
	return points;
}

/* So many points were to be taken back, and are not there: they are forgiven. */
static void
forgive(Step *step, Points rest)
{
	Datum		points;

	if (rest.value <= 0)
		return;
	points = DirectFunctionCall1(numeric_trim_scale, lots_points(rest.value, rest.scale));
	step->forgiven = step->forgiven == (Datum) 0 ? points : DirectFunctionCall2(numeric_add, step->forgiven, points);
	step->order_points = DirectFunctionCall2(numeric_add, step->order_points, points);
	step->points_change = DirectFunctionCall2(numeric_add, step->points_change, points);
	step->points_earned = DirectFunctionCall2(numeric_add, step->points_earned, points);
	step->points = DirectFunctionCall2(numeric_add, step->points, points);
}

/* All points after the latest entry, as if orders that get other keys had them already. */
static Datum
points_there(const Accrual *accrual)
{
	return accrual->between == (Datum) 0 ? accrual->points :
		DirectFunctionCall2(numeric_add, accrual->points, accrual->between);
}

/* What is not there of points that are taken back, where no points are dated. */
static Points
lacking_points(const Accrual *accrual, Points taken)
{
	Points		there = purse_points(points_there(accrual));
	int			scale = Max(there.scale, taken.scale);
	Points		rest = {.scale = scale};

	rest.value = exact_rescale(taken.value, taken.scale, scale) - Max(exact_rescale(there.value, there.scale, scale), 0);
	return rest;
}

/* So many points are not there that were to be taken back. */
static void
fall_short(Accrual *accrual, const Terms *terms, Points missing, Step *step)
{
	accrual->is_short = missing.value > 0;
	if (terms->shortfall == SHORTFALL_FORGIVE)
		forgive(step, missing);
	else if (accrual->is_short && accrual->purse != NULL)
		purse_owe(accrual->purse, missing);
}

/*
 * Dated points are looked after from now on, if any of the customer are dated, or may be by
 * this entry.
 */
static void
begin_purse(Accrual *accrual, Terms *terms, const RecordedEntry *entry)
{
	Lot			lot = wallet_lot(terms, entry->at, &entry->available);
	MemoryContext old;
	int			wallets;

	(void) stacking_wallets(terms->stacking, &wallets);
	if (accrual->purse != NULL ||
		(terms->wallet == NULL && wallets == 0 && !purse_is_dated(&lot) && accrual->posted_lots == (Datum) 0))
		return;
	old = MemoryContextSwitchTo(accrual->context);
	accrual->purse = purse_begin(points_there(accrual), accrual->posted_lots);
	accrual->purse->expired = accrual->expired;
	MemoryContextSwitchTo(old);
}

/* Give points back of what the order was paid with. */
static void
give_back(Accrual *accrual, const Terms *terms, const RecordedEntry *entry, Returned *returned)
{
	payment_return(returned, accrual->context, accrual->purse, terms, entry->recorded_at);
	returned->number = ++accrual->number;
	accrual->has_lots = accrual->has_lots || returned->lots != NULL;
	accrual->points = DirectFunctionCall2(numeric_add, accrual->points, returned->points);
}

/* How many points of an order were forgiven, and are not any more, or (Datum) 0. */
static Datum
not_forgiven_any_more(const StandingOrder *order, const Step *step)
{
	if (order->forgiven == (Datum) 0 || step->forgiven == (Datum) 0)
		return order->forgiven;
	return DirectFunctionCall2(numeric_sub, order->forgiven, step->forgiven);
}

/*
 * What an entry of an order that stood like this does to points, but for numbers that are known
 * already: to dated ones, and what is forgiven.  Puts it into the fields of the latest entry.  passed:
 * what it passes on to another key of the order, less than nothing if it has it from there, or
 * (Datum) 0: the points of the customer are not less or more by that.
 */
static void
step_lots(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order, int32 terms_before,
		  Datum passed, Step *step)
{
	Datum		change = passed == (Datum) 0 ? step->points_change :
	DirectFunctionCall2(numeric_add, step->points_change, passed);
	Points		missing;

	accrual->lots = NULL;
	accrual->is_short = false;
	if (accrual->purse == NULL)
	{
		Points		points = purse_points(change);

		if (points.value >= 0 || terms->shortfall == SHORTFALL_OWE)
			return;
		fall_short(accrual, terms, lacking_points(accrual, magnitude(points)), step);
		return;
	}
	accrual->purse->now = entry->recorded_at;
	/* what the purse itself holds stays where it is */
	missing = dated_step(accrual, terms, entry, order,
						 order->revision == 0 || terms_before == terms->id ? terms : terms_find(terms->program, terms_before),
						 change, not_forgiven_any_more(order, step), step->apart);
	fall_short(accrual, terms, missing, step);
	accrual->lots = purse_end_entry(accrual->purse);
	accrual->has_lots = accrual->has_lots || accrual->lots != NULL;
}

/*
 * The highest amount that an order had which was paid with points, under whichever key of the
 * account, or (Datum) 0: nothing is known of it yet.
 */
static Datum
most_of(Accrual *accrual, const RecordedEntry *entry, const StandingOrder *order)
{
	Datum		most = order->revision == 0 ? (Datum) 0 : order->most;
	ListCell   *lc;

	foreach(lc, accrual->payments)
	{
		const Payment *payment = (const Payment *) lfirst(lc);
		StandingOrder *other;

		if (!payment_is_for(payment, entry->tracked_table, entry->order_key))
			continue;
		other = find_order(accrual, payment->recorded_for, entry->tracked_table, entry->order_key);
		if (other != NULL && other->revision > 0)
			most = most == (Datum) 0 ? other->most : DirectFunctionCall2(numeric_larger, most, other->most);
	}
	return most;
}

/* What comes back by an entry of what its order was paid with. */
static List *
plan_returns(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order, Datum *total)
{
	Datum		most;

	*total = (Datum) 0;
	if (accrual->payments == NIL || entry->is_rerated || terms->returns_paid == RETURNS_NEVER)
		return NIL;
	most = most_of(accrual, entry, order);
	if (most == (Datum) 0)
		return NIL;
	return payments_due(accrual->payments, entry->tracked_table, entry->order_key,
						payment_share(terms, entry->counts, entry->amount, most), terms->scale, total);
}

/* So many points were passed on to another key of an order, or come from there. */
static void
add_between(Accrual *accrual, Datum passed)
{
	MemoryContext old;

	if (passed == (Datum) 0)
		return;
	old = MemoryContextSwitchTo(accrual->context);
	accrual->between = accrual->between == (Datum) 0 ? copy_numeric(passed) :
		DirectFunctionCall2(numeric_add, accrual->between, passed);
	MemoryContextSwitchTo(old);
}

/* The order that an entry is of by the key that it had until now, or NULL. */
static const StandingOrder *
find_origin(Accrual *accrual, const RecordedEntry *entry)
{
	return entry->came == NULL ? NULL :
		find_order(accrual, entry->came->recorded_for, entry->tracked_table, entry->came->order_key);
}

/* The entry is the latest one: it made this, and its order is still as it stood before. */
static void
set_latest(Accrual *accrual, const RecordedEntry *entry, const StandingOrder *order, const Step *step)
{
	accrual->number++;
	accrual->points = step->points;
	accrual->tier = order->tier;
	accrual->multiplier = order->multiplier;
	accrual->held_rules = order->held_rules;
	accrual->rooms = step->rooms;
	accrual->apart = step->apart;
	accrual->order_points = step->order_points;
	accrual->forgiven = step->forgiven;
	accrual->points_change = step->points_change;
	accrual->amount_change = step->amount_change;
	accrual->orders_change = entry->is_event ? 0 : (int) entry->counts - (int) order->counts;
}

/*
 * What an entry changes of the histories, whose order is still as it stood before: once it is
 * on its day, or on none.
 */
static void
step_histories(Accrual *accrual, const Terms *terms, const RecordedEntry *entry, const StandingOrder *order, int32 terms_before)
{
	Histories  *both[] = {accrual->known, accrual->histories};

	for (int i = 0; i < lengthof(both); i++)
	{
		if (both[i] == NULL)
			continue;
		if (order->counts)
			histories_count(both[i], entry->event,
							terms_before == terms->id ? terms : terms_find(terms->program, terms_before),
							order->at, order->amount, -1);
		if (entry->counts)
			histories_count(both[i], entry->event, terms, entry->at, entry->amount, 1);
	}
}

/*
 * Add an entry: if it counts, fills the fields of the latest entry, which stay until the
 * next one is added, and moves the facts on; else leaves everything as it was.
 */
Verdict
accrual_add(Accrual *accrual, Terms *terms, const RecordedEntry *entry)
{
	Facts	   *facts = &accrual->facts;
	StandingOrder once = {0};
	StandingOrder *expected = find_order(accrual, entry->recorded_for, entry->tracked_table, entry->order_key);
	StandingOrder *order = expected ? expected : &once;
	bool		begins = order->revision == 0 || order->terms != terms->id || entry->came_from != NULL;
	int32		terms_before = order->terms;
	StandingOrder joint;
	const StandingOrder *from;
	Step		step;
	Datum		passed;
	Datum		returned;
	List	   *returns;
	ListCell   *lc;
	MemoryContext old;

	if (entry->revision <= order->revision)
		return VERDICT_REPEATED;
	if (order->failed || (entry->revision != order->revision + 1 && !accrual->is_read))
		return VERDICT_WAITS;
	old = MemoryContextSwitchTo(next_step(accrual));
	if (order->revision == 0)
	{
		order->is_event = entry->is_event;
		order->amount = number_zero();
		order->order_points = number_zero();
	}

	/*
	 * how another order stood that had this key is known to its next one, before it is
	 * this one's
	 */
	from = rekeying_goes_on(entry, order, find_origin(accrual, entry), &joint, &passed);
	if (begins)
		begin_order(accrual, terms, entry, order);
	returns = plan_returns(accrual, terms, entry, order, &returned);
	if (!compute_step(accrual, terms, entry, order, from, returned, &step))
	{
		order->failed = true;
		undo_step(accrual);
		MemoryContextSwitchTo(old);
		return VERDICT_FAILS;
	}

	begin_purse(accrual, terms, entry);
	foreach(lc, returns)
		give_back(accrual, terms, entry, (Returned *) lfirst(lc));
	step_lots(accrual, terms, entry, from, from == order ? terms_before : from->terms, passed, &step);
	add_between(accrual, passed);
	accrual->returned = returns;
	set_latest(accrual, entry, order, &step);
	step_histories(accrual, terms, entry, order, terms_before);
	order->revision = entry->revision;
	order->order_points = step.order_points;
	order->forgiven = step.forgiven;
	limits_count(accrual, terms, entry, order, step.apart);
	order->rooms = step.rooms;
	order->apart = step.apart;
	order->apart_terms = terms->id;
	if (expected)
		keep_order(accrual, order, entry, begins);
	else if (entry->counts && !entry->is_event)
		bounds_extend(&accrual->others, entry->at);
	facts->spend = step.spend;
	facts->points_earned = step.points_earned;
	facts->orders += accrual->orders_change;
	update_bounds(accrual);
	MemoryContextSwitchTo(old);
	return VERDICT_COUNTS;
}
