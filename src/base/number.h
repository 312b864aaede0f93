/*
 * number.h: values that are made once and live as long as the session.
 */
#ifndef LOYALTY_NUMBER_H
#define LOYALTY_NUMBER_H

#include "postgres.h"

extern Datum number_zero(void);
extern Datum number_one(void);
extern Datum number_account_limit(void);
extern char *number_show(Datum value);
extern bool number_is_below(Datum value, int digits);
extern Datum text_empty(void);

#endif							/* LOYALTY_NUMBER_H */
