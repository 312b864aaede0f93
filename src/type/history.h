/*
 * history.h: what happened on which day, a value of the type loyalty.history.
 *
 * A value as it is stored is a list of days, the earliest first, each once:
 *
 *     one byte        the form, 1, in the higher four bits, and in the lower ones how many
 *                     decimals all amounts have: as many as one of them needs
 *     for each day    integers as exact_put() writes them:
 *                     of the first, twice the days since 2000-01-01, and one more if a
 *                     number of times follows; of the others, the days since the one
 *                     before, less than zero if a number of times follows;
 *                     how many times, if it is not once;
 *                     the amount, without its point
 *
 * A day with no times and no amount is not there.  So there is one way to write a value,
 * and values are equal if and only if their bytes are.  A purchase a month takes four bytes
 * with an amount below 82 that has cents, and five with one below 10,486.
 *
 * The History is such a value while it is added to.
 */
#ifndef LOYALTY_HISTORY_H
#define LOYALTY_HISTORY_H

#include "postgres.h"
#include "fmgr.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "exact.h"

/*
 * No value has more days, which are 27,000 years: so its text, of up to 80 bytes for each,
 * and all that is made of it in memory, stays below 1 GB.
 */
#define HISTORY_MAX_DAYS 10000000

typedef struct HistoryDay
{
	DateADT		day;
	int64		times;			/* never the least of its type, so -times is one, too */
	int128		amount;			/* with the decimals of its history */
} HistoryDay;

typedef struct History
{
	int			scale;			/* at least as many decimals as the amounts need */
	int			count;			/* of the days */
	int			sorted;			/* so many of the first are in order, each once */
	int			room;			/* for so many days */
	bool		emptied;		/* a day may have come to nothing, and is still there */
	HistoryDay *days;
} History;

/* Goes through the days of a stored value. */
typedef struct HistoryReader
{
	const uint8 *place;
	const uint8 *end;
	int			scale;
	bool		begun;
	HistoryDay	now;			/* the day that history_next() found */
} HistoryReader;

/* Days from the first one on and before the other: numbers of days since 2000-01-01. */
typedef struct HistorySpan
{
	int64		since;
	int64		until;
} HistorySpan;

#define PG_GETARG_HISTORY(n) PG_GETARG_VARLENA_PP(n)
#define PG_RETURN_HISTORY(value) PG_RETURN_POINTER(value)

extern void history_init(History *history, int room);
extern History *history_new(int room);
extern void history_add_day(History *history, DateADT day, int64 times, int128 amount, int scale);
extern void history_add(History *history, struct varlena *value, int sign);
extern void history_add_all(History *history, const History *other);
extern void history_check_count(int count);
extern void history_settle(History *history);
extern void history_trim(History *history);
extern const char *history_fault(const History *history);
extern struct varlena *history_encode(History *history);
extern History *history_decode(struct varlena *value);
extern void history_read(HistoryReader *reader, struct varlena *value);
extern bool history_next(HistoryReader *reader);
extern bool history_next_in(HistoryReader *reader, HistorySpan span);
extern int64 history_times_in(struct varlena *value, HistorySpan span);
extern int128 history_total_in(struct varlena *value, HistorySpan span, int *scale);

#endif							/* LOYALTY_HISTORY_H */
