/*
 * refunding.h: entries that take points back, of which a statement may fail.
 */
#ifndef LOYALTY_REFUNDING_H
#define LOYALTY_REFUNDING_H

#include "executor/tuptable.h"

#include "program.h"

typedef struct Refunding Refunding;

extern Refunding *refunding_begin(TrackedTable *table);
extern void refunding_note(Refunding *refunding, TupleTableSlot *entry, const OrderState *before);
extern void refunding_require(Refunding *refunding);

#endif							/* LOYALTY_REFUNDING_H */
