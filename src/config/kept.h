/*
 * kept.h: queries about one customer of a program, whose plans a session keeps.
 */
#ifndef LOYALTY_KEPT_H
#define LOYALTY_KEPT_H

#include "executor/spi.h"

typedef enum KeptPlan
{
	KEPT_BALANCE,
	KEPT_FORMER_BALANCE,		/* of each question, of former members, too, the next one */
	KEPT_BALANCES,
	KEPT_FORMER_BALANCES,
	KEPT_BALANCE_AT,
	KEPT_TIER_AT,
	KEPT_STATE_AT,
	KEPT_BALANCE_OF_ALL,		/* the same questions, of all keys of an account */
	KEPT_TIER_OF_ALL,
	KEPT_KEYS,
	KEPT_TIER_BY_STATE,			/* with the histories */
	KEPT_MERGED,
	KEPT_LAST_READ = KEPT_MERGED,	/* those behind it write, or lock */
	KEPT_LOCK_ACCOUNT,
	KEPT_MAKE_ACCOUNT,
	KEPT_MOVE_ACCOUNT,
	KEPT_MOVE_HELD,
	KEPT_HOLD,
	KEPT_UNHOLD,
	KEPT_TIME_OUT,
	KEPT_SUM,
	KEPT_PRESENT,
	KEPT_COUNTERPART,
	KEPT_TABLE_OF_ORDER,
	KEPT_MAKE_TWO,
	KEPT_LOCK_TWO,
	KEPT_SURVIVOR,
	KEPT_WALLET,
	KEPT_TERMS,
	KEPT_DECIDE_DATE,
	KEPT_PLANS
} KeptPlan;

/* No query has more. */
#define KEPT_ARGUMENTS 8

/* The plans of a program, and what they were made for: names change. */
typedef struct KeptPlans
{
	Oid			program;		/* its table "program" */
	Oid			customer_type;	/* of its journal */
	NameData	schema;
	NameData	key;
	SPIPlanPtr	plans[KEPT_PLANS];	/* NULL: not made yet */
	int			running;		/* how many of them */
} KeptPlans;

extern KeptPlans *kept_find(Oid program);
extern bool kept_bring_to_type(const KeptPlans *plans, Datum *customer, Oid *type);
extern void kept_execute(KeptPlans *plans, KeptPlan which, const char *format, int count, Oid *types,
						 Datum *values, int expected);

#endif							/* LOYALTY_KEPT_H */
