/*
 * member_limits.c: limits of what an earning rule gives to a member in a period.
 *
 * A rule may say how many points it gives to a member at most, or how many orders of a member
 * it gives points to ("times"), in each day, week, month,
 * quarter or year of the program's time zone, or ever.  As it depends on what the orders
 * before gave, this is found out when entries are folded; no lock is needed, since the
 * entries of a member are folded one after the other.
 *
 * What counts is what a rule gives after all multipliers and the tier, rounded.  When
 * an order begins, the room that each rule has left is pinned: its "rooms"; and once more if it is
 * moved to another period.  What it gives then,
 * cut to that room, is in "apart", as what rules give that have a wallet of their own.  Both
 * are arrays by the number of the award.  A later
 * entry of the order gets no more than that room, nor than is left beside all other orders;
 * so a refund gives room to orders that come later, and none to those before.
 *
 * Uses are counted by the name of a rule, so that they go on under other terms.  The fold
 * knows them of those periods alone in which entries are that it adds: limits_expect() is told
 * of all of these first, and limits_known() of each posted order.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "member_limits.h"
#include "number.h"

/* Periods of one kind of a rule. */
typedef struct LimitKind
{
	int			id;
	char	   *rule;
	bool		by_times;
	char	   *period;			/* unit of date_trunc(), or NULL: ever */
	char	   *time_zone;
} LimitKind;

typedef struct UseKey
{
	int64		kind;
	TimestampTz start;			/* of the period */
} UseKey;

/* What a rule gave to the member in a period. */
typedef struct Use
{
	UseKey		key;
	Datum		uses;			/* points, or times */
	char		status;
} Use;

#define SH_PREFIX uses
#define SH_ELEMENT_TYPE Use
#define SH_KEY_TYPE UseKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) &(key), sizeof(UseKey))
#define SH_EQUAL(tb, a, b) ((a).kind == (b).kind && (a).start == (b).start)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Orders before this moment are of one period, whose begin may be before all times that there are. */
#define FIRST_PERIOD_ENDS (MIN_TIMESTAMP + INT64CONST(400) * USECS_PER_DAY)

/* When the period of a moment began. */
static TimestampTz
period_start(const LimitKind *kind, TimestampTz at)
{
	if (kind->period == NULL || at < FIRST_PERIOD_ENDS)
		return DT_NOBEGIN;
	if (TIMESTAMP_IS_NOEND(at))
		return at;
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_trunc_zone, CStringGetTextDatum(kind->period),
												   TimestampTzGetDatum(at), CStringGetTextDatum(kind->time_zone)));
}

static bool
is_of_kind(const LimitKind *kind, const Terms *terms, const RuleLimit *limit)
{
	return strcmp(kind->rule, limit->rule) == 0 && kind->by_times == limit->by_times && strcmp(kind->time_zone, terms->time_zone) == 0 &&
		(kind->period == NULL) == (limit->period == NULL) &&
		(kind->period == NULL || strcmp(kind->period, limit->period) == 0);
}

/* The kind of periods of a limit, or NULL: none was expected. */
static LimitKind *
find_kind(const Accrual *accrual, const Terms *terms, const RuleLimit *limit)
{
	ListCell   *lc;

	foreach(lc, accrual->limit_kinds)
	{
		LimitKind  *kind = (LimitKind *) lfirst(lc);

		if (is_of_kind(kind, terms, limit))
			return kind;
	}
	return NULL;
}

/* The same, which is made if there is none; in the context of the accrual. */
static LimitKind *
get_kind(Accrual *accrual, const Terms *terms, const RuleLimit *limit)
{
	LimitKind  *kind = find_kind(accrual, terms, limit);

	if (kind != NULL)
		return kind;
	kind = palloc(sizeof(LimitKind));
	kind->id = list_length(accrual->limit_kinds);
	kind->rule = pstrdup(limit->rule);
	kind->by_times = limit->by_times;
	kind->period = limit->period == NULL ? NULL : pstrdup(limit->period);
	kind->time_zone = pstrdup(terms->time_zone);
	accrual->limit_kinds = lappend(accrual->limit_kinds, kind);
	return kind;
}

/* What is known of a period, or NULL: nothing was expected in it. */
static Use *
find_use(const Accrual *accrual, const LimitKind *kind, TimestampTz at)
{
	UseKey		key = {.kind = kind->id,.start = period_start(kind, at)};

	return accrual->uses == NULL ? NULL : uses_lookup(accrual->uses, key);
}

/*
 * An entry under these terms, of this time, will be added.  False: no rule has a limit.
 */
bool
limits_expect(Accrual *accrual, Terms *terms, TimestampTz at)
{
	int			count;
	const RuleLimit *limits = stacking_limits(terms->stacking, &count);
	MemoryContext old;

	if (count == 0)
		return false;
	old = MemoryContextSwitchTo(accrual->context);
	if (accrual->uses == NULL)
		accrual->uses = uses_create(accrual->context, 16, NULL);
	for (int i = 0; i < count; i++)
	{
		LimitKind  *kind = get_kind(accrual, terms, &limits[i]);
		UseKey		key = {.kind = kind->id,.start = period_start(kind, at)};
		bool		found;
		Use		   *use = uses_insert(accrual->uses, key, &found);

		if (!found)
			use->uses = number_zero();
	}
	MemoryContextSwitchTo(old);
	return true;
}

/* What an order takes of a limit that it gets so many points under: points below zero take nothing. */
static Datum
taken(const LimitKind *kind, Datum points)
{
	if (points == (Datum) 0 || DatumGetBool(DirectFunctionCall2(numeric_le, points, number_zero())))
		return number_zero();
	return kind->by_times ? number_one() : points;
}

/* Add what an order gives under limits, or take it off. */
static void
add_uses(Accrual *accrual, Terms *terms, TimestampTz at, Datum apart, PGFunction operation)
{
	int			count;
	const RuleLimit *limits = stacking_limits(terms->stacking, &count);
	ByAward		read;
	ListCell   *lc;

	if (apart == (Datum) 0 || accrual->uses == NULL)
		return;
	read = stacking_read(apart);
	for (int i = 0; i < count; i++)
	{
		Datum		points = stacking_value(&read, limits[i].award);

		foreach(lc, accrual->limit_kinds)
		{
			LimitKind  *kind = (LimitKind *) lfirst(lc);
			Use		   *use = strcmp(kind->rule, limits[i].rule) == 0 ? find_use(accrual, kind, at) : NULL;

			if (use != NULL)
			{
				MemoryContext old = MemoryContextSwitchTo(accrual->context);
				Datum		before = use->uses;

				use->uses = DirectFunctionCall2(operation, before, taken(kind, points));
				if (before != number_zero())
					pfree(DatumGetPointer(before));
				MemoryContextSwitchTo(old);
			}
		}
	}
}

/*
 * Tell how a posted order stands, which was recorded under these terms.
 */
void
limits_known(Accrual *accrual, Terms *terms, TimestampTz at, Datum apart)
{
	add_uses(accrual, terms, at, apart, numeric_add);
}

/* What an order took in the period of an entry, under whichever terms. */
static Datum
own_use(const LimitKind *kind, Oid program, const RecordedEntry *entry, const StandingOrder *order)
{
	int			count;
	const RuleLimit *limits;
	ByAward		read;

	if (order->apart == (Datum) 0 || period_start(kind, order->at) != period_start(kind, entry->at))
		return number_zero();
	limits = stacking_limits(terms_find(program, order->apart_terms)->stacking, &count);
	read = stacking_read(order->apart);
	for (int i = 0; i < count; i++)
		if (strcmp(limits[i].rule, kind->rule) == 0)
			return taken(kind, stacking_value(&read, limits[i].award));
	return number_zero();
}

/*
 * What the order itself took in the period of an entry until then, which is counted still: what an
 * order has that gets another key is counted until the entry by that key is added.
 */
static Datum
use_until(const LimitKind *kind, Oid program, const RecordedEntry *entry, const StandingOrder *order)
{
	Datum		own = rekeying_goes_away(entry) ? number_zero() : own_use(kind, program, entry, order);

	return !rekeying_comes_along(entry) ? own :
		DirectFunctionCall2(numeric_add, own, own_use(kind, program, entry, &entry->came->before));
}

/*
 * How many points, or times, a rule has left for an entry: what other orders of its period leave, and no
 * more than the room that its order began with in the period; but what the order has stays.  Of an order
 * that gets another key, what it still has by the old one is its own, too.
 */
static Datum
room_for(const Accrual *accrual, Terms *terms, const RuleLimit *limit, const RecordedEntry *entry,
		 const StandingOrder *order, const StandingOrder *before, Datum pinned, bool *is_new)
{
	LimitKind  *kind = find_kind(accrual, terms, limit);
	Use		   *use = kind == NULL ? NULL : find_use(accrual, kind, entry->at);
	Datum		own;
	Datum		room;

	/* all entries that are added were expected */
	if (use == NULL)
		elog(ERROR, "limits of a member are not known");
	own = use_until(kind, terms->program, entry, order);
	if (before->revision > 0 && period_start(kind, before->at) != period_start(kind, entry->at))
		pinned = (Datum) 0;
	room = DirectFunctionCall2(numeric_sub, limit->most, DirectFunctionCall2(numeric_sub, use->uses, own));
	room = DirectFunctionCall2(numeric_larger, room, pinned == (Datum) 0 ? number_zero() : own);
	*is_new = pinned == (Datum) 0;
	if (pinned != (Datum) 0)
		room = DirectFunctionCall2(numeric_smaller, pinned, room);
	/* points have the decimals of the terms, whatever the limit has */
	return DirectFunctionCall2(numeric_trunc, room, Int32GetDatum(terms->scale));
}

/*
 * What a rule gives of its points, with so much room.  What is less than nothing needs none.
 */
Datum
limits_cut(const RuleLimit *limit, Datum points, Datum room)
{
	if (!limit->by_times)
		return DirectFunctionCall2(numeric_smaller, points, room);
	return DatumGetBool(DirectFunctionCall2(numeric_le, points, number_zero())) ||
		DatumGetBool(DirectFunctionCall2(numeric_ge, room, number_one())) ? points : number_zero();
}

/* What rules with limits give, of these shares of an order, with the rooms that it has; null where they give nothing. */
static void
cut_shares(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order, const StandingOrder *from,
		   const Datum *shares, const bool *isnull, Datum *rooms, bool *without_room, Datum *gives, bool *without_gives)
{
	int			count;
	const RuleLimit *limits = stacking_limits(terms->stacking, &count);
	bool		came = rekeying_comes_along(entry);
	ByAward		pinned_rooms = stacking_read(rekeying_rooms(entry, terms->id, order, from));

	for (int i = 0; i < count; i++)
	{
		int			award = limits[i].award;
		Datum		pinned = stacking_value(&pinned_rooms, award);
		bool		is_new;
		Datum		room = room_for(accrual, terms, &limits[i], entry, order, came ? from : order, pinned, &is_new);

		rooms[award] = is_new ? room : pinned;
		without_room[award] = false;
		if (isnull[award])
			continue;
		gives[award] = limits_cut(&limits[i], terms_round(terms, shares[award]), room);
		without_gives[award] = false;
	}
}

/*
 * What an entry is worth at its tier where rules are rounded by themselves, since they have a limit or a
 * wallet of their own; with the rooms of its order, and what these rules give ("apart").  from: how the order
 * stood, by another key perhaps, whose rooms it keeps.  In the current memory context.
 */
Datum
limits_fold(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order,
			const StandingOrder *from, Datum *rooms, Datum *apart)
{
	Datum	   *shares;
	bool	   *isnull;
	int			count = stacking_shares(terms->stacking, entry->parts, order->held_rules, order->multiplier, &shares, &isnull);
	Datum	   *room_values = palloc0(count * sizeof(Datum));
	Datum	   *gives = palloc0(count * sizeof(Datum));
	bool	   *without_room = palloc(count * sizeof(bool));
	bool	   *without_gives = palloc(count * sizeof(bool));
	Datum		sum = number_zero();
	Datum		sum_apart = number_zero();
	int			limit_count;
	int			wallet_count;
	const RuleWallet *wallets = stacking_wallets(terms->stacking, &wallet_count);

	(void) stacking_limits(terms->stacking, &limit_count);
	memset(without_room, true, count * sizeof(bool));
	memset(without_gives, true, count * sizeof(bool));
	cut_shares(accrual, terms, entry, order, from, shares, isnull, room_values, without_room, gives, without_gives);
	for (int i = 0; i < wallet_count; i++)
	{
		int			award = wallets[i].award;

		if (isnull[award] || !without_gives[award])
			continue;
		gives[award] = terms_round(terms, shares[award]);
		without_gives[award] = false;
	}
	for (int i = 0; i < count; i++)
		if (!without_gives[i])
			sum_apart = DirectFunctionCall2(numeric_add, sum_apart, gives[i]);
		else if (!isnull[i])
			sum = DirectFunctionCall2(numeric_add, sum, shares[i]);
	if (limit_count > 0)
		*rooms = stacking_parts(room_values, without_room, count);
	*apart = stacking_parts(gives, without_gives, count);
	return DirectFunctionCall2(numeric_add, terms_round(terms, sum), sum_apart);
}

/*
 * An entry was added, which gives so much under limits: its order is still as it stood before.
 */
void
limits_count(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order, Datum apart)
{
	if (accrual->uses == NULL)
		return;
	if (order->apart != (Datum) 0 && !rekeying_goes_away(entry))
		add_uses(accrual, terms_find(terms->program, order->apart_terms), order->at, order->apart, numeric_sub);
	if (rekeying_comes_along(entry) && entry->came->before.apart != (Datum) 0)
	{
		const StandingOrder *before = &entry->came->before;

		add_uses(accrual, terms_find(terms->program, before->apart_terms), before->at, before->apart, numeric_sub);
	}
	add_uses(accrual, terms, entry->at, apart, numeric_add);
}
