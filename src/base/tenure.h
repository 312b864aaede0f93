/*
 * tenure.h: how long a customer has been one.
 */
#ifndef LOYALTY_TENURE_H
#define LOYALTY_TENURE_H

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/date.h"

extern bool tenure_local_date(TimestampTz moment, pg_tz *zone, DateADT *date);
extern bool tenure_day_begins(DateADT date, pg_tz *zone, TimestampTz *moment);
extern Interval *tenure_between(TimestampTz joined, TimestampTz at, pg_tz *zone);

#endif							/* LOYALTY_TENURE_H */
