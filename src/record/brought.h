/*
 * brought.h: what an order that gets another customer or key brings along.
 */
#ifndef LOYALTY_BROUGHT_H
#define LOYALTY_BROUGHT_H

#include "program.h"

typedef struct Brought Brought;

extern Brought *brought_begin(TrackedTable *table, Journal *journal);
extern const OrderState *brought_find(Brought *brought, Datum customer, Datum order_key, Datum new_customer,
									  Datum new_key);
extern TimestampTz brought_moment(Brought *brought, TimestampTz now);
extern bool brought_is_passed_on(Brought *brought, Datum customer, Datum order_key);
extern void brought_note(Brought *brought, Datum from_customer, Datum from_key,
						 Datum customer, Datum order_key);
extern void brought_end(Brought *brought);

#endif							/* LOYALTY_BROUGHT_H */
