/*
 * tenure.h: how long a customer has been one.
 */
#ifndef LOYALTY_TENURE_H
#define LOYALTY_TENURE_H

#include "datatype/timestamp.h"
#include "pgtime.h"

extern Interval *tenure_between(TimestampTz joined, TimestampTz at, pg_tz *zone);

#endif							/* LOYALTY_TENURE_H */
