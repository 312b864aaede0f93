/*
 * purse.c: the dated points of one customer, and what happens to them.
 *
 * A purse holds the lots of an account.  Points that neither wait nor expire are in none of
 * those that are stored: they are what the points of the account are more than its lots.
 * Here they are one lot more, so that all are treated alike.  It is below zero if a refund
 * took back points that were spent: that is the debt, which the next credit repays.
 *
 * An entry does one of these things to a purse: it credits a lot, takes points back that an
 * order had earned, takes what is available, or gives back what was taken.  What it did
 * to the lots is stored with it; the account has the sum.  Nothing here reads or writes
 * tables, or asks what time it is: a lot expires by being asked later.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "compat.h"
#include "purse.h"

static const Lot undated = {.available_at = DT_NOBEGIN,.expires_at = DT_NOEND,.wallet = LOTS_DEFAULT_WALLET};

/* Do points of a lot wait or expire, or are they in another wallet than others? */
bool
purse_is_dated(const Lot *lot)
{
	return lot->wallet != LOTS_DEFAULT_WALLET || !TIMESTAMP_IS_NOBEGIN(lot->available_at) ||
		!TIMESTAMP_IS_NOEND(lot->expires_at);
}

/* A number with as many decimals as it needs. */
Points
purse_points(Datum number)
{
	Points		points;

	points.scale = exact_scale(number);
	points.value = exact_of_numeric(number, points.scale);
	return points;
}

static bool
same_points(Points a, Points b)
{
	int			scale = Max(a.scale, b.scale);

	return exact_rescale(a.value, a.scale, scale) == exact_rescale(b.value, b.scale, scale);
}

/* The points of a lot in the purse, with the decimals of its list; none: 0. */
static int128
points_of(const LotList *lots, const Lot *kind)
{
	const Lot  *lot = lots == NULL ? NULL : lots_find(lots, kind);

	return lot == NULL ? 0 : lot->points;
}

/* Give points to a lot, or with less than none take them off. */
static void
add(Purse *purse, const Lot *kind, int128 points, int scale)
{
	Lot			lot = *kind;

	lot.points = points;
	lots_put(purse->lots, scale, &lot);
	if (purse_is_dated(&lot))
		lots_put(purse->change, scale, &lot);
}

/* The same, after which lots can be looked for. */
static void
put(Purse *purse, const Lot *kind, int128 points, int scale)
{
	if (points == 0)
		return;
	add(purse, kind, points, scale);
	lots_settle(purse->lots);
}

/*
 * All that an entry did to a purse, as a settled list: by how much it changed the points,
 * and what of it it did to dated lots, or (Datum) 0.
 */
LotList *
purse_change(Datum points, Datum lots)
{
	LotList    *change = lots_make();
	Points		all = purse_points(points);
	Lot			rest = undated;
	LotList    *stored;

	rest.points = all.value;
	lots_put(change, all.scale, &rest);
	if (lots != (Datum) 0)
	{
		stored = lots_decode(DatumGetLots(lots));
		for (int i = 0; i < stored->count; i++)
		{
			lots_put(change, stored->scale, &stored->lot[i]);
			rest.points = -stored->lot[i].points;
			lots_put(change, stored->scale, &rest);
		}
	}
	lots_settle(change);
	return change;
}

/*
 * The purse of an account, in the current memory context: all its points, and its lots,
 * which are (Datum) 0 if it has none.
 */
Purse *
purse_begin(Datum points, Datum lots)
{
	Purse	   *purse = palloc0(sizeof(Purse));

	purse->lots = purse_change(points, lots);
	purse->change = lots_make();
	return purse;
}

/* The debt is repaid out of a lot of any wallet, with at most so many of its points. */
static void
repay_from(Purse *purse, const Lot *kind, int128 most, int scale)
{
	int128		debt = -points_of(purse->lots, &undated);

	if (debt <= 0 || !purse_is_dated(kind) || lot_state(kind, purse->now) == LOT_EXPIRED)
		return;
	debt = Min(debt, exact_rescale(most, scale, purse->lots->scale));
	put(purse, kind, -debt, purse->lots->scale);
	put(purse, &undated, debt, purse->lots->scale);
}

/* The same, unless it is one of a wallet that debt does not belong to. */
static void
repay(Purse *purse, const Lot *kind, int128 most, int scale)
{
	if (kind->wallet == LOTS_DEFAULT_WALLET)
		repay_from(purse, kind, most, scale);
}

/*
 * Credit points to a lot that an order earned, which repay what the customer owes, whatever
 * the wallet: an order may owe what was not in the wallet of its rule.
 */
void
purse_earn(Purse *purse, const Lot *kind, Points points)
{
	put(purse, kind, points.value, points.scale);
	repay_from(purse, kind, points.value, points.scale);
}

/*
 * Credit points to a lot.  What the customer owes is repaid first, unless they have expired
 * by now, or are in another wallet than the first one.
 */
void
purse_credit(Purse *purse, const Lot *kind, Points points)
{
	put(purse, kind, points.value, points.scale);
	repay(purse, kind, points.value, points.scale);
}

/* Take points off a lot for a demand, at most so many; all have the same decimals. */
static void
take_off(Purse *purse, const Lot *kind, int128 most, LotDemand *demand)
{
	int128		taken = Min(Max(most, 0), demand->rest);

	Assert(demand->scale == purse->lots->scale);
	put(purse, kind, -taken, demand->scale);
	demand->rest -= taken;
}

/*
 * So many points can be taken back from the lot that an order gave them to: what it has.
 * If it is expired, that is what expired, too, as far as an entry took it off: these
 * points are gone, and to take them back costs nothing.
 */
static int128
own_points(const Purse *purse, const Lot *own, TimestampTz at)
{
	int			scale = purse->lots->scale;
	int128		points = points_of(purse->lots, own);

	if (lot_state(own, at) == LOT_EXPIRED && purse->expired != NULL)
		points = exact_add(points, exact_rescale(points_of(purse->expired, own), purse->expired->scale, scale));
	return points;
}

/*
 * Is a lot one with another at a moment?  Those of a wallet that expire together are, once
 * they wait no more: an entry may have said so of one, and not of the other.
 */
static bool
is_one_with(const Lot *lot, const Lot *own, TimestampTz at)
{
	return lot->wallet == own->wallet && lot->expires_at == own->expires_at &&
		(lot->available_at == own->available_at || (lot->available_at <= at && own->available_at <= at));
}

/* Of which lots of a list are those that are one with another: their dates, with any points. */
static void
put_dates(LotList *found, const LotList *list, const Lot *own, TimestampTz at)
{
	for (int i = 0; i < list->count; i++)
	{
		Lot			kind = list->lot[i];

		kind.points = 1;
		if (is_one_with(&kind, own, at))
			lots_put(found, 0, &kind);
	}
}

/*
 * All lots that are one with that of an order, this one first, each with the points that
 * can be taken back from it.
 */
static LotList *
own_lots(const Purse *purse, const Lot *own, TimestampTz at)
{
	LotList    *owned = lots_make();

	put_dates(owned, purse->lots, own, at);
	if (purse->expired != NULL && lot_state(own, at) == LOT_EXPIRED)
		put_dates(owned, purse->expired, own, at);
	lots_settle(owned);
	for (int i = 0; i < owned->count; i++)
	{
		Lot			lot = owned->lot[i];

		lot.points = own_points(purse, &lot, at);
		owned->lot[i] = lot;
		if (lot.available_at != own->available_at)
			continue;
		/* the first to be taken from; the list is not looked into by order any more */
		memmove(&owned->lot[1], &owned->lot[0], i * sizeof(Lot));
		owned->lot[0] = lot;
	}
	return owned;
}

/* All with as many decimals as any. */
static void
raise_scales(Purse *purse, int scale)
{
	lots_put(purse->lots, Max(scale, purse->expired == NULL ? 0 : purse->expired->scale), &undated);
	lots_settle(purse->lots);
}

/* Take points of a wallet that wait for a demand. */
static void
take_pending(Purse *purse, int32 wallet, LotDemand *demand)
{
	LotList    *before = lots_make();

	lots_add(before, purse->lots);
	lots_settle(before);
	for (int i = 0; i < before->count; i++)
		if (before->lot[i].wallet == wallet && lot_state(&before->lot[i], demand->at) == LOT_PENDING)
			take_off(purse, &before->lot[i], before->lot[i].points, demand);
}

/* Take points that are available for a demand, which says of what wallet. */
static void
take_available(Purse *purse, LotDemand *demand)
{
	LotList    *taken = lots_make();

	lots_take(purse->lots, demand, taken);
	for (int i = 0; i < taken->count; i++)
		add(purse, &taken->lot[i], taken->lot[i].points, taken->scale);
	lots_settle(purse->lots);
}

/*
 * Take points back that an order earned: from the lot that it gave them to, then from
 * those that wait, then from what is available, or from these two the other way round.
 * Returns how many are not there.
 */
Points
purse_refund(Purse *purse, const Lot *own, Points points, bool available_first, TimestampTz at)
{
	LotDemand	demand = {.at = at,.wallet = &own->wallet,.wallets = 1};
	LotList    *owned;
	Points		rest;

	raise_scales(purse, points.scale);
	demand.scale = purse->lots->scale;
	demand.rest = exact_rescale(points.value, points.scale, demand.scale);
	owned = own_lots(purse, own, at);
	for (int i = 0; i < owned->count; i++)
		take_off(purse, &owned->lot[i], owned->lot[i].points, &demand);
	if (available_first)
		take_available(purse, &demand);
	take_pending(purse, own->wallet, &demand);
	if (!available_first)
		take_available(purse, &demand);
	rest.value = demand.rest;
	rest.scale = demand.scale;
	return rest;
}

/*
 * The customer owes so many points, which are not there: the next credit repays them.
 */
void
purse_owe(Purse *purse, Points points)
{
	add(purse, &undated, -points.value, points.scale);
	lots_settle(purse->lots);
}

/* Move points from a lot to another one, at most so many; returns how many are left to be moved. */
static Points
move_points(Purse *purse, const Lot *from, const Lot *to, Points most)
{
	int			scale = Max(purse->lots->scale, most.scale);
	Points		rest = {.value = exact_rescale(most.value, most.scale, scale),.scale = scale};
	int128		points = exact_rescale(points_of(purse->lots, from), purse->lots->scale, scale);

	points = Min(Max(points, 0), rest.value);
	put(purse, from, -points, scale);
	put(purse, to, points, scale);
	rest.value -= points;
	return rest;
}

/*
 * Points of a lot may have been kept longer since, with all others that waited as long:
 * these are in a lot that expires later.  They stay kept.
 */
static void
move_extended(Purse *purse, const Lot *from, const Lot *to, Points most, TimestampTz at)
{
	LotList    *before = lots_make();

	lots_add(before, purse->lots);
	lots_settle(before);
	for (int i = 0; i < before->count; i++)
	{
		Lot			lot = before->lot[i];
		Lot			kept = *to;

		if (lot.wallet != from->wallet || lot.available_at != from->available_at ||
			lot.expires_at <= from->expires_at || lot_state(&lot, at) == LOT_EXPIRED)
			continue;
		kept.expires_at = Max(to->expires_at, lot.expires_at);
		most = move_points(purse, &lot, &kept, most);
	}
}

/*
 * An order is of other times now: what is left of its points goes with it.  Those that
 * wait are looked for among those that were kept longer, too, if the lot had none of them or
 * orders keep points by these terms.
 */
void
purse_move(Purse *purse, const Lot *from, const Lot *to, Points most, bool may_extend, TimestampTz at)
{
	Points		rest = most;

	if (lot_state(from, at) != LOT_EXPIRED)
	{
		LotList    *owned = own_lots(purse, from, at);

		for (int i = 0; i < owned->count; i++)
			rest = move_points(purse, &owned->lot[i], to, rest);
	}
	if (from->available_at > at && (may_extend || same_points(rest, most)))
		move_extended(purse, from, to, rest, at);
}

/*
 * All points of a wallet that expire, and are not expired at a moment, are kept until
 * another one at least.  The moment may be past, and an entry may have taken off since what
 * expired after it: that comes back.
 */
void
purse_extend(Purse *purse, int32 wallet, TimestampTz until, TimestampTz at)
{
	LotList    *before = lots_make();

	raise_scales(purse, 0);
	lots_add(before, purse->lots);
	if (purse->expired != NULL)
		lots_add(before, purse->expired);
	lots_settle(before);
	for (int i = 0; i < before->count; i++)
	{
		Lot			lot = before->lot[i];

		if (lot.wallet != wallet || lot.points <= 0 || lot.expires_at >= until || lot_state(&lot, at) == LOT_EXPIRED)
			continue;
		put(purse, &lot, -lot.points, before->scale);
		lot.expires_at = until;
		put(purse, &lot, lot.points, before->scale);
		repay(purse, &lot, lot.points, before->scale);
	}
}

/*
 * Add lots, as those that were taken off before, or less than nothing of them.  What the
 * customer owes is repaid out of what is given.
 */
void
purse_give(Purse *purse, const LotList *lots)
{
	for (int i = 0; i < lots->count; i++)
		add(purse, &lots->lot[i], lots->lot[i].points, lots->scale);
	lots_settle(purse->lots);
	for (int i = 0; i < lots->count; i++)
		if (lots->lot[i].points > 0)
			repay(purse, &lots->lot[i], lots->lot[i].points, lots->scale);
}

/*
 * Take all that there is, debt included; returns it.
 */
LotList *
purse_empty(Purse *purse)
{
	LotList    *all = lots_make();

	lots_add(all, purse->lots);
	lots_settle(all);
	for (int i = 0; i < all->count; i++)
		add(purse, &all->lot[i], -all->lot[i].points, all->scale);
	lots_settle(purse->lots);
	return all;
}

/*
 * Add all that another customer had.  What either owes is repaid out of what both have, as
 * if it were taken back by a refund at this moment.
 */
void
purse_pass(Purse *purse, const LotList *lots, TimestampTz at)
{
	Points		debt;

	purse_give(purse, lots);
	debt.scale = purse->lots->scale;
	debt.value = -points_of(purse->lots, &undated);
	if (debt.value <= 0)
		return;
	put(purse, &undated, debt.value, debt.scale);
	purse_owe(purse, purse_refund(purse, &undated, debt, false, at));
}

/*
 * Take points of what is available at a moment, from one wallet that can be spent from after
 * the other, in each what expires first before all else; returns what was taken, as less than
 * nothing, or NULL, with nothing done, if there are not as many.
 */
LotList *
purse_take(Purse *purse, Points points, TimestampTz at)
{
	return purse_take_from(purse, purse->wallet, purse->wallets, points, at);
}

/*
 * The same from some wallets only, in their order.
 */
LotList *
purse_take_from(Purse *purse, const int32 *wallet, int wallets, Points points, TimestampTz at)
{
	LotDemand	demand = {.rest = points.value,.scale = points.scale,.at = at,.wallet = wallet,.wallets = wallets};
	LotList    *taken = lots_make();

	lots_take(purse->lots, &demand, taken);
	if (demand.rest > 0)
		return NULL;
	purse_give(purse, taken);
	return taken;
}

/* The place of a wallet among some, or their number: it is none of them. */
static int
place_of_wallet(const int32 *wallet, int wallets, int32 wanted)
{
	int			place = 0;

	while (place < wallets && wallet[place] != wanted)
		place++;
	return place;
}

/*
 * Give back so many of the points that were taken, with the dates that they had: what
 * was taken last, from the last of the wallets, and what expires last there, first.  Returns
 * what is given.
 */
LotList *
purse_give_back(Purse *purse, const LotList *taken, Points points)
{
	int			scale = Max(taken->scale, points.scale);
	int128		rest = exact_rescale(points.value, points.scale, scale);
	LotList    *given = lots_make();

	for (int place = purse->wallets; place >= 0; place--)
		for (int i = taken->count - 1; i >= 0 && rest > 0; i--)
		{
			Points		part = {.value = exact_rescale(-taken->lot[i].points, taken->scale, scale),.scale = scale};
			Lot			lot = taken->lot[i];

			if (place_of_wallet(purse->wallet, purse->wallets, lot.wallet) != place)
				continue;
			part.value = lot.points = Min(part.value, rest);
			if (part.value <= 0)
				continue;
			lots_put(given, scale, &lot);
			rest -= part.value;
		}
	lots_settle(given);
	purse_give(purse, given);
	return given;
}

/* The wallets of some lots, each once. */
static int
wallets_of(const LotList *lots, int32 **wallet)
{
	int			count = 0;

	*wallet = palloc(Max(lots->count, 1) * sizeof(int32));
	for (int i = 0; i < lots->count; i++)
		if (count == 0 || (*wallet)[count - 1] != lots->lot[i].wallet)
			(*wallet)[count++] = lots->lot[i].wallet;
	return count;
}

/*
 * Take back points that were given: from the lots that they were given to, even if they
 * wait, or have expired, and then of what is available in the same wallets; false, with
 * nothing done, if there are not as many.
 */
bool
purse_reclaim(Purse *purse, const LotList *given, Points points, TimestampTz at)
{
	LotDemand	demand = {.at = at};
	LotList    *gone = lots_make();
	LotList    *taken = lots_make();
	int32	   *wallet;

	raise_scales(purse, Max(points.scale, given->scale));
	demand.scale = purse->lots->scale;
	demand.rest = exact_rescale(points.value, points.scale, demand.scale);
	for (int i = 0; i < given->count; i++)
	{
		Lot			lot = given->lot[i];
		int128		most = exact_rescale(Max(lot.points, 0), given->scale, demand.scale);

		if (lot_state(&lot, at) != LOT_EXPIRED)
			continue;
		lot.points = -Min(Min(most, demand.rest), Max(own_points(purse, &lot, at), 0));
		lots_put(gone, demand.scale, &lot);
		demand.rest += lot.points;
	}
	lots_settle(gone);
	demand.wallets = wallets_of(given, &wallet);
	demand.wallet = wallet;
	lots_take_from(purse->lots, given, PENDING_FIRST, &demand, taken);
	if (demand.rest > 0)
		return false;
	purse_give(purse, gone);
	purse_give(purse, taken);
	return true;
}

/*
 * When was the first moment, up to one, at which lots expired that are still there?
 */
bool
purse_next_expiry(const Purse *purse, TimestampTz at, TimestampTz *moment)
{
	bool		found = false;

	for (int i = 0; i < purse->lots->count; i++)
	{
		const Lot  *lot = &purse->lots->lot[i];

		if (lot_state(lot, at) != LOT_EXPIRED || (found && lot->expires_at >= *moment))
			continue;
		*moment = lot->expires_at;
		found = true;
	}
	return found;
}

/*
 * Take off all lots that expire at a moment; returns by how much that changes the points.
 */
Datum
purse_expire(Purse *purse, TimestampTz moment)
{
	LotList    *gone = lots_make();

	for (int i = 0; i < purse->lots->count; i++)
	{
		Lot			lot = purse->lots->lot[i];

		if (lot.expires_at != moment)
			continue;
		lot.points = -lot.points;
		lots_put(gone, purse->lots->scale, &lot);
	}
	for (int i = 0; i < gone->count; i++)
		put(purse, &gone->lot[i], gone->lot[i].points, gone->scale);
	return lots_total(gone);
}

/*
 * Points of a purse that waited, and are available at a moment, wait no more.  False: there
 * are none; else since when the last of them are available.
 */
bool
purse_vest(Purse *purse, TimestampTz at, TimestampTz *moment)
{
	LotList    *before = lots_make();
	bool		found = false;

	lots_add(before, purse->lots);
	lots_settle(before);
	for (int i = 0; i < before->count; i++)
	{
		Lot			lot = before->lot[i];

		if (lot_state(&lot, at) != LOT_AVAILABLE || TIMESTAMP_IS_NOBEGIN(lot.available_at))
			continue;
		*moment = found ? Max(*moment, lot.available_at) : lot.available_at;
		found = true;
		put(purse, &lot, -lot.points, before->scale);
		lot.available_at = DT_NOBEGIN;
		put(purse, &lot, lot.points, before->scale);
	}
	return found;
}

/*
 * What can be spent at a moment; below zero: that is owed.
 */
Datum
purse_available(const Purse *purse, TimestampTz at)
{
	return purse_available_in(purse, purse->wallet, purse->wallets, at);
}

/* The points of lots in some wallets, or if these are 0 in all, that are in a state at a moment. */
static Datum
points_in_state(const Purse *purse, const int32 *wallet, int wallets, LotState state, TimestampTz at)
{
	int128		points = 0;

	for (int i = 0; i < purse->lots->count; i++)
	{
		const Lot  *lot = &purse->lots->lot[i];

		if (lot_state(lot, at) == state &&
			(wallets == 0 || place_of_wallet(wallet, wallets, lot->wallet) < wallets))
			points = exact_add(points, lot->points);
	}
	return lots_points(points, purse->lots->scale);
}

/*
 * What is available in some wallets at a moment, or if these are 0 in all.
 */
Datum
purse_available_in(const Purse *purse, const int32 *wallet, int wallets, TimestampTz at)
{
	return points_in_state(purse, wallet, wallets, LOT_AVAILABLE, at);
}

/*
 * What waits there, and is available later.
 */
Datum
purse_waiting_in(const Purse *purse, const int32 *wallet, int wallets, TimestampTz at)
{
	return points_in_state(purse, wallet, wallets, LOT_PENDING, at);
}

/*
 * What is owed.
 */
Datum
purse_debt(const Purse *purse)
{
	return lots_points(Max(-points_of(purse->lots, &undated), 0), purse->lots->scale);
}

/*
 * Are all lots of some wallets?
 */
bool
purse_is_of(const LotList *lots, const int32 *wallet, int wallets)
{
	for (int i = 0; i < lots->count; i++)
		if (place_of_wallet(wallet, wallets, lots->lot[i].wallet) == wallets)
			return false;
	return true;
}

/*
 * An entry is through: returns what it did to the lots, or NULL if nothing.
 */
Lots *
purse_end_entry(Purse *purse)
{
	Lots	   *change;

	lots_settle(purse->change);
	if (purse->change->count == 0)
		return NULL;
	change = lots_encode(purse->change);
	purse->change->count = purse->change->sorted = purse->change->scale = 0;
	return change;
}

/*
 * The lots of the purse as they are stored.
 */
Lots *
purse_lots(const Purse *purse)
{
	LotList    *dated = lots_make();

	for (int i = 0; i < purse->lots->count; i++)
		if (purse_is_dated(&purse->lots->lot[i]))
			lots_put(dated, purse->lots->scale, &purse->lots->lot[i]);
	lots_settle(dated);
	return lots_encode(dated);
}
