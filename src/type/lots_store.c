/*
 * lots_store.c: lots as they are stored.
 *
 *	    1 byte		format, 1
 *	    1 byte		scale: how many decimals all points have, as few as they need
 *	    each lot	a whole number, 16 * wallet + 4 * kind of available_at + kind of expires_at,
 *					available_at and expires_at as whole numbers of half hours, seconds or
 *					microseconds since 2000, in the largest of these units that is exact,
 *					and points; whole numbers as exact_put() writes them
 *
 * The kind of a moment says its unit, or that it is infinite, and then there is no number.
 * Lots are in the order of a LotList.  So a value can be written in one way only, and
 * equal values have equal bytes.  A lot that is available at once and expires at the end
 * of some day takes about six bytes, most of them for the moment.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lots.h"

#define FORMAT 1
#define HEADER_SIZE 2

/* A lot takes at most so many bytes: its head, two moments and its points. */
#define LOT_MAX_BYTES (6 + 2 * 10 + EXACT_MAX_BYTES)

/* Kinds of moments, in the order in which they are tried. */
#define KINDS 4
#define KIND_INFINITE 0
static const int64 units[KINDS] = {0, 30 * USECS_PER_MINUTE, USECS_PER_SEC, 1};

/* How a moment is written. */
static int
kind_of(TimestampTz moment)
{
	int			kind = KIND_INFINITE;

	if (!TIMESTAMP_NOT_FINITE(moment))
		while (moment % units[++kind] != 0)
			Assert(kind < KINDS - 1);
	return kind;
}

static uint8 *
put_moment(uint8 *place, TimestampTz moment, int kind)
{
	return kind == KIND_INFINITE ? place : exact_put(place, moment / units[kind]);
}

static uint8 *
put_lot(uint8 *place, const Lot *lot)
{
	int			available = kind_of(lot->available_at);
	int			expires = kind_of(lot->expires_at);

	place = exact_put(place, (int128) lot->wallet * 16 + available * 4 + expires);
	place = put_moment(place, lot->available_at, available);
	place = put_moment(place, lot->expires_at, expires);
	return exact_put(place, lot->points);
}

static void
corrupted(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored value of type loyalty.lots is corrupted"),
			 errdetail("Its bytes are not those of lots."),
			 errhint("Restore the row from a backup.")));
}

/* What is at the place, as a moment; returns the place behind it. */
static const uint8 *
get_moment(const uint8 *place, const uint8 *end, int kind, TimestampTz infinity,
		   TimestampTz *moment)
{
	int128		number;

	*moment = infinity;
	if (kind == KIND_INFINITE)
		return place;
	place = exact_get(place, end, &number);
	if (place == NULL || number < PG_INT64_MIN / units[kind] || number > PG_INT64_MAX / units[kind])
		corrupted();
	*moment = (TimestampTz) number * units[kind];
	return place;
}

/* Begin to read what is behind the header. */
static LotReader
begin_reading(const Lots *lots)
{
	LotReader	reader;

	reader.place = (const uint8 *) VARDATA_ANY(lots);
	reader.end = reader.place + VARSIZE_ANY_EXHDR(lots);
	if (reader.end - reader.place < HEADER_SIZE || reader.place[0] != FORMAT ||
		reader.place[1] > EXACT_MAX_SCALE)
		corrupted();
	reader.scale = reader.place[1];
	reader.place += HEADER_SIZE;
	return reader;
}

/*
 * Read the next lot, if there is one more.
 */
bool
lots_next(LotReader *reader, Lot *lot)
{
	int128		head;

	CHECK_FOR_INTERRUPTS();
	if (reader->place == reader->end)
		return false;
	reader->place = exact_get(reader->place, reader->end, &head);
	if (reader->place == NULL || head < 16 || head / 16 > PG_INT32_MAX)
		corrupted();
	lot->wallet = (int32) (head / 16);
	reader->place = get_moment(reader->place, reader->end, (int) (head / 4 % 4), DT_NOBEGIN,
							   &lot->available_at);
	reader->place = get_moment(reader->place, reader->end, (int) (head % 4), DT_NOEND,
							   &lot->expires_at);
	reader->place = exact_get(reader->place, reader->end, &lot->points);
	if (reader->place == NULL)
		corrupted();
	return true;
}

/* Check that a stored value is what lots_encode() makes, and everything that lots are. */
static void
AssertCheckLots(const Lots *lots)
{
#ifdef USE_ASSERT_CHECKING
	LotReader	reader = begin_reading(lots);
	const uint8 *place = reader.place;
	LotList    *list = lots_make();
	Lot			lot;

	list->scale = reader.scale;
	for (; lots_next(&reader, &lot); place = reader.place)
	{
		uint8		again[LOT_MAX_BYTES];

		Assert(put_lot(again, &lot) - again == reader.place - place);
		Assert(memcmp(again, place, reader.place - place) == 0);
		lots_put(list, reader.scale, &lot);
		Assert(list->sorted == list->count);
	}
	Assert(lots_fault(list) == NULL);
	pfree(list->lot);
	pfree(list);
#endif
}

/*
 * Begin to read stored lots, which are in the order of a list.
 */
LotReader
lots_reader(const Lots *lots)
{
	AssertCheckLots(lots);
	return begin_reading(lots);
}

/*
 * Add stored lots to a list, or take them away from it.
 */
void
lots_put_stored(LotList *list, const Lots *lots, bool negated)
{
	LotReader	reader = lots_reader(lots);
	Lot			lot;

	while (lots_next(&reader, &lot))
	{
		if (negated)
			lot.points = -lot.points;
		lots_put(list, reader.scale, &lot);
	}
}

/*
 * Stored lots as a list that is settled.
 */
LotList *
lots_decode(const Lots *lots)
{
	LotList    *list = lots_make();

	lots_put_stored(list, lots, false);
	Assert(list->sorted == list->count);
	return list;
}

/* How many decimals the points of a list need. */
static int
needed_scale(const LotList *list)
{
	int			needed = 0;

	for (int i = 0; i < list->count && needed < list->scale; i++)
	{
		CHECK_FOR_INTERRUPTS();
		needed = Max(needed, exact_needed_scale(list->lot[i].points, list->scale));
	}
	return needed;
}

/*
 * A list as it is stored.  Its lots are in order afterwards.
 */
Lots *
lots_encode(LotList *list)
{
	Lots	   *lots;
	uint8	   *place;
	int			scale;

	lots_settle(list);
	scale = needed_scale(list);
	lots = palloc(VARHDRSZ + HEADER_SIZE + (Size) list->count * LOT_MAX_BYTES);
	place = (uint8 *) VARDATA(lots);
	*place++ = FORMAT;
	*place++ = scale;
	for (int i = 0; i < list->count; i++)
	{
		Lot			lot = list->lot[i];

		CHECK_FOR_INTERRUPTS();
		lot.points = exact_rescale(lot.points, list->scale, scale);
		place = put_lot(place, &lot);
	}
	SET_VARSIZE(lots, place - (uint8 *) lots);
	AssertCheckLots(lots);
	return lots;
}
