/*
 * joined.h: since when customers are customers.
 */
#ifndef LOYALTY_JOINED_H
#define LOYALTY_JOINED_H

#include "program.h"

extern bool equals_customer(TrackedTable *table, Datum a, Datum b);
extern void joined_read(TrackedTable *table, const Datum *customers, int count,
						Moment *joined);

#endif							/* LOYALTY_JOINED_H */
