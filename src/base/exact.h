/*
 * exact.h: decimal numbers as integers, for types that hold many of them.
 *
 * A number is an integer with a number of decimals (its scale) that all numbers of one
 * value share.  It has at most 38 digits, as many as an int128 holds.
 */
#ifndef LOYALTY_EXACT_H
#define LOYALTY_EXACT_H

#include "postgres.h"

#ifndef HAVE_INT128
#error "loyalty needs a compiler with integers of 128 bits"
#endif

/* More decimals than any number may have. */
#define EXACT_MAX_SCALE 12

/* An encoded integer takes at most so many bytes. */
#define EXACT_MAX_BYTES 19

extern int	exact_scale(Datum number);
extern int128 exact_of_numeric(Datum number, int scale);
extern Datum exact_to_numeric(int128 value, int scale);
extern int128 exact_add(int128 a, int128 b);
extern int128 exact_rescale(int128 value, int from, int to);
extern int	exact_needed_scale(int128 value, int scale);
extern uint8 *exact_put(uint8 *place, int128 value);
extern const uint8 *exact_get(const uint8 *place, const uint8 *end, int128 *value);

#endif							/* LOYALTY_EXACT_H */
