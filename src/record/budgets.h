/*
 * budgets.h: what earning rules give out of budgets for all members.
 */
#ifndef LOYALTY_BUDGETS_H
#define LOYALTY_BUDGETS_H

#include "program.h"
#include "terms.h"

typedef struct Budgets Budgets;

/* What rules gave to an order out of their budgets. */
typedef struct Allotment
{
	Terms	   *terms;			/* or NULL: nothing */
	Datum		parts;			/* numeric[]: what they would give, by the number of the
								 * award, or (Datum) 0 */
	Datum		allotted;		/* numeric[]: what they gave, or (Datum) 0 */
} Allotment;

extern bool budgets_are_asked(const Terms *terms, Datum parts);
extern Budgets *budgets_begin(TrackedTable *table);
extern void budgets_expect(Budgets *budgets, const Terms *terms, Datum parts);
extern void budgets_lock(Budgets *budgets);
extern void budgets_count(Budgets *budgets, const Terms *terms, Datum allotted, bool more);
extern Datum budgets_allot(Budgets *budgets, Terms *terms, Datum parts, const Allotment *before);
extern void budgets_end(Budgets *budgets);

#endif							/* LOYALTY_BUDGETS_H */
