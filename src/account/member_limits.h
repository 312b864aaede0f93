/*
 * member_limits.h: limits of what an earning rule gives to a member in a period.
 */
#ifndef LOYALTY_MEMBER_LIMITS_H
#define LOYALTY_MEMBER_LIMITS_H

#include "accrual.h"

extern Datum limits_cut(const RuleLimit *limit, Datum points, Datum room);
extern bool limits_expect(Accrual *accrual, Terms *terms, TimestampTz at);
extern void limits_known(Accrual *accrual, Terms *terms, TimestampTz at, Datum apart);
extern Datum limits_fold(Accrual *accrual, Terms *terms, const RecordedEntry *entry,
						 const StandingOrder *order, const StandingOrder *from, Datum *rooms, Datum *apart);
extern void limits_count(Accrual *accrual, Terms *terms, const RecordedEntry *entry,
						 const StandingOrder *order, Datum apart);

#endif							/* LOYALTY_MEMBER_LIMITS_H */
