/*
 * rounding.h: how points are rounded.
 */
#ifndef LOYALTY_ROUNDING_H
#define LOYALTY_ROUNDING_H

#include "postgres.h"

/* All work on the magnitude of a number, whatever its sign. */
typedef enum Rounding
{
	ROUND_FLOOR,
	ROUND_HALF_EVEN,
	ROUND_HALF_UP,
	ROUND_CEIL
} Rounding;

extern bool rounding_parse(const char *name, Rounding *rounding);
extern Datum rounding_apply(Rounding rounding, int32 places, Datum number);

#endif							/* LOYALTY_ROUNDING_H */
