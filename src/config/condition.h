/*
 * condition.h: conditions over what a customer had at a moment.
 */
#ifndef LOYALTY_CONDITION_H
#define LOYALTY_CONDITION_H

#include "definition.h"
#include "owner.h"
#include "terms.h"

/* Over what the conditions of one evaluation are. */
typedef struct ConditionScope
{
	Terms	   *terms;
	ExprContext *econtext;
	TupleTableSlot *slot;
	OwnerScope	owner;
} ConditionScope;

extern void condition_load(Terms *terms, Condition *condition, const Definition *definition, const char *column);
extern void condition_begin(ConditionScope *scope, Terms *terms, ExprContext *econtext, const Facts *facts, const char *tier);
extern Datum condition_value(ConditionScope *scope, Condition *condition, bool *isnull);
extern bool condition_holds(ConditionScope *scope, Condition *condition);
extern void condition_end(ConditionScope *scope);

#endif							/* LOYALTY_CONDITION_H */
