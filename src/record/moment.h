/*
 * moment.h: when a transaction records.
 */
#ifndef LOYALTY_MOMENT_H
#define LOYALTY_MOMENT_H

#include "datatype/timestamp.h"

extern TimestampTz moment_of_recording(void);
extern void moment_not_before(TimestampTz moment);
extern TimestampTz moment_of_moves(TimestampTz least);

#endif							/* LOYALTY_MOMENT_H */
