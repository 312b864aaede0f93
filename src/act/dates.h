/*
 * dates.h: points that rules by date give.
 */
#ifndef LOYALTY_DATES_H
#define LOYALTY_DATES_H

#include "executor/spi.h"

#include "authorize.h"

/* Some customers of the customer table, in key order, and what is due to them. */
typedef struct DueDates
{
	Datum	   *keys;
	int			count;
	bool		more;			/* there may be others behind the last one */
	SPITupleTable *due;			/* rows of _loyalty.due_today() */
	Datum	   *customers;		/* of each of these rows, the customer */
	int		   *rows;			/* the rows by customer, and of one as they are given */
	int			row_count;
	int			next;			/* place in "rows" of those that were not taken yet */
} DueDates;

extern bool dates_any(Posting *batch, bool tell);
extern void dates_look(Posting *batch, text *after, int limit, DueDates *dates);
extern void dates_find(Posting *batch, const Datum *last, bool tell, DueDates *dates);
extern bool dates_cut(Posting *batch, DueDates *dates, Datum *last);
extern int	dates_take(Posting *batch, DueDates *dates, Datum customer, int *first);
extern const char *dates_rule_of(const DueDates *dates, int row);
extern void dates_grant(Authorization *auth, const DueDates *dates, int row);

#endif							/* LOYALTY_DATES_H */
