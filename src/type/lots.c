/*
 * lots.c: lists of dated points that are added up.
 *
 * A list is in the order of wallet, expires_at and available_at, so that the lots of a
 * wallet stand together and those that are to be spent first come first.  No two lots
 * have all three the same, and none has no points.
 *
 * Lots that are put come into their place if the list has one with the same wallet and
 * moments, or if they come last, and else behind the others, until these are as many as
 * there is room for.  So a list that adds up many small ones is put in order seldom, and
 * what each costs is a search in the list.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "lots.h"

/* Most values have one or two lots, and there is a list for each group of an aggregate. */
#define INITIAL_ROOM 4

/* As many as have room in a value, whatever they are: see LOT_MAX_BYTES in lots_store.c. */
#define MAX_LOTS ((int) (MaxAllocSize / 64))

/* The order of lots in a list. */
static int
compare_lots(const void *first, const void *second)
{
	const Lot  *a = first;
	const Lot  *b = second;

	if (a->wallet != b->wallet)
		return a->wallet < b->wallet ? -1 : 1;
	if (a->expires_at != b->expires_at)
		return a->expires_at < b->expires_at ? -1 : 1;
	if (a->available_at != b->available_at)
		return a->available_at < b->available_at ? -1 : 1;
	return 0;
}

/*
 * An empty list, in the current memory context, where it grows, too.
 */
LotList *
lots_make(void)
{
	LotList    *list = palloc0(sizeof(LotList));

	list->lot = palloc(INITIAL_ROOM * sizeof(Lot));
	list->room = INITIAL_ROOM;
	return list;
}

/* The place of a lot among those that are in order, or -1. */
static int
place_of(const LotList *list, const Lot *wanted)
{
	int			low = 0;
	int			high = list->sorted;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		int			order = compare_lots(&list->lot[middle], wanted);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/*
 * The lot of a settled list that has the wallet and the moments of another one, or NULL.
 */
const Lot *
lots_find(const LotList *list, const Lot *wanted)
{
	int			place;

	Assert(list->sorted == list->count);
	place = place_of(list, wanted);
	return place < 0 ? NULL : &list->lot[place];
}

/*
 * Put all lots of a list in order.
 */
void
lots_settle(LotList *list)
{
	int			kept = 0;

	if (list->sorted < list->count)
		qsort(list->lot, list->count, sizeof(Lot), compare_lots);
	for (int i = 0; i < list->count;)
	{
		Lot			lot = list->lot[i++];

		CHECK_FOR_INTERRUPTS();
		while (i < list->count && compare_lots(&lot, &list->lot[i]) == 0)
			lot.points = exact_add(lot.points, list->lot[i++].points);
		if (lot.points != 0)
			list->lot[kept++] = lot;
	}
	list->count = list->sorted = kept;
}

/* Make room for one lot more. */
static void
make_room(LotList *list)
{
	lots_settle(list);
	if (list->count <= list->room / 2)
		return;
	if (list->room >= MAX_LOTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many lots"),
				 errdetail("A value has room for %d lots of different wallets and moments.",
						   MAX_LOTS),
				 errhint("Add up fewer rows in a group, or points with less exact moments.")));
	list->room = Min(list->room * 2, MAX_LOTS);
	list->lot = repalloc(list->lot, list->room * sizeof(Lot));
}

/* Give the points of a list more decimals. */
static void
raise_scale(LotList *list, int scale)
{
	for (int i = 0; i < list->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		list->lot[i].points = exact_rescale(list->lot[i].points, list->scale, scale);
	}
	list->scale = scale;
}

/*
 * Add a lot, whose points have this scale, to a list.
 */
void
lots_put(LotList *list, int scale, const Lot *lot)
{
	Lot			put = *lot;
	int			place;

	CHECK_FOR_INTERRUPTS();
	if (scale > list->scale)
		raise_scale(list, scale);
	put.points = exact_rescale(put.points, scale, list->scale);
	place = place_of(list, &put);
	if (place >= 0)
	{
		list->lot[place].points = exact_add(list->lot[place].points, put.points);
		return;
	}
	if (list->count == list->room)
		make_room(list);
	if (list->sorted == list->count &&
		(list->count == 0 || compare_lots(&list->lot[list->count - 1], &put) < 0))
		list->sorted++;
	list->lot[list->count++] = put;
}

/*
 * Add all lots of another list.
 */
void
lots_add(LotList *list, const LotList *other)
{
	Assert(list != other);
	for (int i = 0; i < other->count; i++)
		lots_put(list, other->scale, &other->lot[i]);
}

/*
 * Turn a list into the one that takes away what it adds.
 */
void
lots_negate(LotList *list)
{
	for (int i = 0; i < list->count; i++)
		list->lot[i].points = -list->lot[i].points;
}

/*
 * What a lot is at a moment.  One that expires before it is available never is.
 */
LotState
lot_state(const Lot *lot, TimestampTz at)
{
	Assert(!TIMESTAMP_NOT_FINITE(at));
	if (lot->expires_at <= at)
		return LOT_EXPIRED;
	return lot->available_at > at ? LOT_PENDING : LOT_AVAILABLE;
}

/* Is a number one that exact.c can have made? */
static bool
is_exact(int128 value)
{
	uint8		bytes[EXACT_MAX_BYTES];

	return exact_get(bytes, exact_put(bytes, value), &value) != NULL;
}

/*
 * What is wrong with a lot, as the detail of an error, or NULL.  Whatever makes lots of
 * what somebody else says asks this.
 */
char *
lot_fault(const Lot *lot)
{
	if (lot->wallet < 1)
		return psprintf("The wallet is %d, and wallets have numbers from 1 on.", lot->wallet);
	if (TIMESTAMP_IS_NOEND(lot->available_at))
		return pstrdup("The points are available from infinity on, which is never.");
	if (TIMESTAMP_IS_NOBEGIN(lot->expires_at))
		return pstrdup("The points expire at -infinity, and nothing can have been available before.");
	if ((!TIMESTAMP_NOT_FINITE(lot->available_at) && !IS_VALID_TIMESTAMP(lot->available_at)) ||
		(!TIMESTAMP_NOT_FINITE(lot->expires_at) && !IS_VALID_TIMESTAMP(lot->expires_at)))
		return pstrdup("A moment is out of the range of timestamptz.");
	if (lot->points == 0)
		return pstrdup("A lot has no points.");
	if (!is_exact(lot->points))
		return pstrdup("The points have more digits than 38.");
	return NULL;
}

/*
 * What is wrong with a list that shall be what is stored, as the detail of an error, or
 * NULL.
 */
char *
lots_fault(const LotList *list)
{
	bool		needed = list->scale == 0;

	if (list->scale < 0 || list->scale > EXACT_MAX_SCALE)
		return psprintf("The points have %d decimals, and %d are allowed.", list->scale,
						EXACT_MAX_SCALE);
	for (int i = 0; i < list->count; i++)
	{
		char	   *fault = lot_fault(&list->lot[i]);

		CHECK_FOR_INTERRUPTS();
		if (fault != NULL)
			return fault;
		if (i > 0 && compare_lots(&list->lot[i - 1], &list->lot[i]) >= 0)
			return psprintf("Lot %d does not come after the one before it.", i + 1);
		needed = needed || exact_needed_scale(list->lot[i].points, list->scale) == list->scale;
	}
	if (!needed)
		return psprintf("The points have %d decimals and need fewer.", list->scale);
	return NULL;
}

/*
 * Points as numeric, without zeros behind.
 */
Datum
lots_points(int128 points, int scale)
{
	int			needed = exact_needed_scale(points, scale);

	return exact_to_numeric(exact_rescale(points, scale, needed), needed);
}

/*
 * The points of all lots as numeric.
 */
Datum
lots_total(const LotList *list)
{
	int128		points = 0;

	for (int i = 0; i < list->count; i++)
		points = exact_add(points, list->lot[i].points);
	return lots_points(points, list->scale);
}
