/*
 * dated.h: what the entries of orders do to dated points.
 */
#ifndef LOYALTY_DATED_H
#define LOYALTY_DATED_H

#include "accrual.h"

extern Datum dated_status_change(Terms *terms, const RecordedEntry *entry, const StandingOrder *order, Datum apart);
extern Points dated_step(Accrual *accrual, Terms *terms, const RecordedEntry *entry, const StandingOrder *order,
						 Terms *terms_before, Datum change, Datum unforgiven, Datum apart);

#endif							/* LOYALTY_DATED_H */
