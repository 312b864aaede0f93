/*
 * history.c: values of the type loyalty.history, as they are stored and while they are
 * added to.
 *
 * history.h says how a value is stored.  While days are added to it, it is an array: the
 * days that come in order, or again, go to their place at once; others behind these, until
 * they are brought into order together, when there is no room for more or the value is
 * asked for.  So adding n days in any order takes n log n steps.
 */
#include "postgres.h"

#include "common/int.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "compat.h"
#include "history.h"

/* the form of what is stored, in the higher bits of the first byte */
#define FORM 0x10
#define SCALE_BITS 0x0f

/* what stands for a day is less: twice the days since 2000-01-01, or from one to another */
#define MAX_HEAD (INT64CONST(1) << 34)

/* the bytes of a day at most: two integers of 64 bits, and an amount */
#define MAX_DAY_BYTES (2 * 10 + EXACT_MAX_BYTES)

/*
 * Begin without any day, in the current memory context, where the days stay whatever the
 * current one is when more are added.
 */
void
history_init(History *history, int room)
{
	memset(history, 0, sizeof(History));
	history->room = Max(room, 4);
	history->days = palloc(history->room * sizeof(HistoryDay));
}

/*
 * A new one without any day, in the current memory context.
 */
History *
history_new(int room)
{
	History    *history = palloc(sizeof(History));

	history_init(history, room);
	return history;
}

static int
compare_days(const void *a, const void *b)
{
	DateADT		x = ((const HistoryDay *) a)->day;
	DateADT		y = ((const HistoryDay *) b)->day;

	return x < y ? -1 : x > y;
}

static bool
is_nothing(const HistoryDay *day)
{
	return day->times == 0 && day->amount == 0;
}

static int64
add_times(int64 a, int64 b)
{
	int64		sum;

	if (pg_add_s64_overflow(a, b, &sum) || sum == PG_INT64_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number of times out of range"),
				 errdetail("The sum of " INT64_FORMAT " and " INT64_FORMAT " is no bigint.", a, b)));
	return sum;
}

/* Add to a day what happened on the same one. */
static void
add_to_day(History *history, HistoryDay *to, const HistoryDay *more)
{
	Assert(to->day == more->day);
	to->times = add_times(to->times, more->times);
	to->amount = exact_add(to->amount, more->amount);
	if (is_nothing(to))
		history->emptied = true;
}

/*
 * Bring the days into order, each once, and none that is nothing.
 *
 * The days behind those that are in order are sorted apart, and merged with them from the
 * end on: there what is written never reaches what is still to be read.
 */
void
history_settle(History *history)
{
	HistoryDay *days = history->days;
	int			tail = history->count - history->sorted;
	HistoryDay *later;
	int			i = history->sorted - 1;
	int			j = tail - 1;
	int			place = history->count;

	if (tail == 0 && !history->emptied)
		return;
	later = palloc(Max(tail, 1) * sizeof(HistoryDay));
	memcpy(later, days + history->sorted, tail * sizeof(HistoryDay));
	qsort(later, tail, sizeof(HistoryDay), compare_days);
	while (i >= 0 || j >= 0)
	{
		HistoryDay	next;

		CHECK_FOR_INTERRUPTS();
		if (j < 0 || (i >= 0 && days[i].day > later[j].day))
			next = days[i--];
		else
			next = later[j--];
		while (j >= 0 && later[j].day == next.day)
			add_to_day(history, &next, &later[j--]);
		if (i >= 0 && days[i].day == next.day)
			add_to_day(history, &next, &days[i--]);
		Assert(place > i + 1);
		if (!is_nothing(&next))
			days[--place] = next;
	}
	history->count -= place;
	memmove(days, days + place, history->count * sizeof(HistoryDay));
	history->sorted = history->count;
	history->emptied = false;
	pfree(later);
}

/*
 * Refuse a number of days that is too large for a value.
 */
void
history_check_count(int count)
{
	if (count > HISTORY_MAX_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("history has too many days"),
				 errdetail("It would have more than %d of them.", HISTORY_MAX_DAYS),
				 errhint("Keep the history of each year apart.")));
}

/* Make room for more days, at least for half as many as there are. */
static void
make_day_room(History *history)
{
	history_settle(history);
	history_check_count(history->count);
	if (history->count > history->room / 2)
	{
		/* there is always room for a few that come again */
		history->room = Min(history->room * 2, HISTORY_MAX_DAYS * 2);
		history->days = repalloc(history->days, history->room * sizeof(HistoryDay));
	}
}

/* Give all amounts another number of decimals, which is as many as they need at least. */
static void
set_scale(History *history, int scale)
{
	for (int i = 0; i < history->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		history->days[i].amount = exact_rescale(history->days[i].amount, history->scale, scale);
	}
	history->scale = scale;
}

/*
 * Add what happened on a day, an amount with so many decimals.
 *
 * A sum that is out of range on the way is an error, even if what comes after it would lead
 * back.  After an error, the value is not to be used any more.
 */
void
history_add_day(History *history, DateADT day, int64 times, int128 amount, int scale)
{
	HistoryDay	added = {.day = day,.times = times};

	Assert(IS_VALID_DATE(day) && times != PG_INT64_MIN);
	Assert(scale >= 0 && scale <= EXACT_MAX_SCALE);
	if (scale > history->scale)
		set_scale(history, scale);
	added.amount = exact_rescale(amount, scale, history->scale);
	if (history->count > 0 && history->days[history->count - 1].day == day)
	{
		add_to_day(history, &history->days[history->count - 1], &added);
		return;
	}
	if (history->count == history->room)
		make_day_room(history);
	if (history->sorted == history->count &&
		(history->count == 0 || history->days[history->count - 1].day < day))
	{
		history->sorted++;
		history->emptied |= is_nothing(&added);
	}
	history->days[history->count++] = added;
}

/*
 * Add a stored value, or take it off if the sign is -1.
 */
void
history_add(History *history, struct varlena *value, int sign)
{
	HistoryReader reader;

	Assert(sign == 1 || sign == -1);
	history_read(&reader, value);
	while (history_next(&reader))
		history_add_day(history, reader.now.day, sign * reader.now.times,
						sign * reader.now.amount, reader.scale);
}

/*
 * Add all of another one.
 */
void
history_add_all(History *history, const History *other)
{
	for (int i = 0; i < other->count; i++)
	{
		const HistoryDay *day = &other->days[i];

		CHECK_FOR_INTERRUPTS();
		history_add_day(history, day->day, day->times, day->amount, other->scale);
	}
}

/* How many decimals the amounts need. */
static int
needed_day_scale(const History *history)
{
	int			scale = 0;

	for (int i = 0; i < history->count && scale < history->scale; i++)
		scale = Max(scale, exact_needed_scale(history->days[i].amount, history->scale));
	return scale;
}

/*
 * Bring the days into order, with no more decimals than their amounts need.
 */
void
history_trim(History *history)
{
	int			scale;

	history_settle(history);
	scale = needed_day_scale(history);
	if (scale < history->scale)
		set_scale(history, scale);
}

/*
 * What is wrong with a value that others made, or NULL: each of the invariants, here and
 * nowhere else.
 */
const char *
history_fault(const History *history)
{
	if (history->scale < 0 || history->scale > EXACT_MAX_SCALE)
		return "The number of decimals is out of range.";
	for (int i = 0; i < history->count; i++)
	{
		const HistoryDay *day = &history->days[i];

		CHECK_FOR_INTERRUPTS();
		if (!IS_VALID_DATE(day->day))
			return "A day is out of range.";
		if (i > 0 && day->day <= day[-1].day)
			return "The days are not in order, each once.";
		if (day->times == PG_INT64_MIN)
			return "A number of times is out of range.";
		if (is_nothing(day))
			return "There is a day on which nothing happened.";
	}
	if (needed_day_scale(history) != history->scale)
		return "The amounts have more decimals than they need.";
	return NULL;
}

/* Write a day; returns the place behind it. */
static uint8 *
put_day(uint8 *place, const HistoryDay *day, const HistoryDay *before)
{
	bool		once = day->times == 1;

	if (before == NULL)
		place = exact_put(place, (int128) day->day * 2 + !once);
	else
	{
		int64		gap = (int64) day->day - before->day;

		place = exact_put(place, once ? gap : -gap);
	}
	if (!once)
		place = exact_put(place, day->times);
	return exact_put(place, day->amount);
}

/* Whatever is stored is as history.h says. */
static void
AssertCheckHistory(struct varlena *value)
{
#ifdef USE_ASSERT_CHECKING
	HistoryReader reader;
	HistoryDay	before;
	bool		begun = false;
	int			scale = 0;

	history_read(&reader, value);
	for (const uint8 *place = reader.place; history_next(&reader); place = reader.place)
	{
		uint8		bytes[MAX_DAY_BYTES];
		int			length = put_day(bytes, &reader.now, begun ? &before : NULL) - bytes;

		Assert(length == reader.place - place && memcmp(bytes, place, length) == 0);
		Assert(!begun || before.day < reader.now.day);
		Assert(!is_nothing(&reader.now));
		scale = Max(scale, exact_needed_scale(reader.now.amount, reader.scale));
		before = reader.now;
		begun = true;
	}
	Assert(scale == reader.scale);
#endif
}

/*
 * The value as it is stored.
 */
struct varlena *
history_encode(History *history)
{
	StringInfoData bytes;

	history_trim(history);
	history_check_count(history->count);
	initStringInfo(&bytes);
	bytes.len = VARHDRSZ;
	appendStringInfoChar(&bytes, (char) (FORM | history->scale));
	for (int i = 0; i < history->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		enlargeStringInfo(&bytes, MAX_DAY_BYTES);
		bytes.len = (char *) put_day((uint8 *) bytes.data + bytes.len, &history->days[i],
									 i > 0 ? &history->days[i - 1] : NULL) - bytes.data;
	}
	SET_VARSIZE(bytes.data, bytes.len);
	AssertCheckHistory((struct varlena *) bytes.data);
	return (struct varlena *) bytes.data;
}

/*
 * A stored value, to be added to.
 */
History *
history_decode(struct varlena *value)
{
	/* most days take four bytes or more, and the next one comes soon */
	History    *history = history_new(VARSIZE_ANY_EXHDR(value) / 4 + 2);

	history_add(history, value, 1);
	return history;
}

static void
damaged(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("value of type loyalty.history is damaged"),
			 errdetail("%s cannot be read.", what),
			 errhint("Restore it from a backup, or make it anew of the rows that it was made of.")));
}

/*
 * Begin to go through the days of a stored value, which must not be freed meanwhile.
 */
void
history_read(HistoryReader *reader, struct varlena *value)
{
	reader->place = (const uint8 *) VARDATA_ANY(value);
	reader->end = reader->place + VARSIZE_ANY_EXHDR(value);
	reader->begun = false;
	if (reader->place == reader->end || (*reader->place & ~SCALE_BITS) != FORM ||
		(*reader->place & SCALE_BITS) > EXACT_MAX_SCALE)
		damaged("Its first byte");
	reader->scale = *reader->place++ & SCALE_BITS;
}

/* Read an integer whose magnitude is at most so large. */
static int64
next_number(HistoryReader *reader, int64 most, const char *what)
{
	int128		number;

	reader->place = exact_get(reader->place, reader->end, &number);
	if (reader->place == NULL || number < -most || number > most)
		damaged(what);
	return (int64) number;
}

/*
 * Go on to the next day, if there is one.
 *
 * Nothing but this type's functions writes such values, so they are as they should be; but
 * a file that is damaged must lead to an error and to nothing worse.
 */
bool
history_next(HistoryReader *reader)
{
	int64		head;
	int64		day;
	bool		once;

	CHECK_FOR_INTERRUPTS();
	if (reader->place == reader->end)
		return false;
	head = next_number(reader, MAX_HEAD, "A day");
	if (reader->begun)
	{
		once = head > 0;
		if (head == 0)
			damaged("A day");
		day = reader->now.day + (once ? head : -head);
	}
	else
	{
		once = (head & 1) == 0;
		day = (head - !once) / 2;
	}
	if (!IS_VALID_DATE(day))
		damaged("A day");
	reader->now.day = (DateADT) day;
	reader->now.times = 1;
	if (!once)
		reader->now.times = next_number(reader, PG_INT64_MAX, "A number of times");
	reader->place = exact_get(reader->place, reader->end, &reader->now.amount);
	if (reader->place == NULL)
		damaged("An amount");
	reader->begun = true;
	return true;
}

/*
 * Go on to the next day of a span of time, if there is one.
 */
bool
history_next_in(HistoryReader *reader, HistorySpan span)
{
	while (history_next(reader) && reader->now.day < span.until)
	{
		if (reader->now.day >= span.since)
			return true;
	}
	return false;
}

/*
 * How many times something happened in a span of time.
 */
int64
history_times_in(struct varlena *value, HistorySpan span)
{
	HistoryReader reader;
	int64		times = 0;

	history_read(&reader, value);
	while (history_next_in(&reader, span))
		times = add_times(times, reader.now.times);
	return times;
}

/*
 * The amounts of a span of time added up, and how many decimals the sum has.
 */
int128
history_total_in(struct varlena *value, HistorySpan span, int *scale)
{
	HistoryReader reader;
	int128		total = 0;

	history_read(&reader, value);
	*scale = reader.scale;
	while (history_next_in(&reader, span))
		total = exact_add(total, reader.now.amount);
	return total;
}
