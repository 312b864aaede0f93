/*
 * dated.h: what the entries of orders do to dated points.
 */
#ifndef LOYALTY_DATED_H
#define LOYALTY_DATED_H

#include "accrual.h"

/* Points that an entry was to take back, and that are not there. */
typedef struct Shortage
{
	Points		missing;		/* of points that can be spent */
	Points		status;			/* of those that cannot, which nobody owes */
} Shortage;

extern Shortage dated_step(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order,
						   Terms *terms_before, Datum change, Datum unforgiven, Datum apart);

#endif							/* LOYALTY_DATED_H */
