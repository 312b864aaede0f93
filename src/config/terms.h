/*
 * terms.h: the versions of a program's terms.
 */
#ifndef LOYALTY_TERMS_H
#define LOYALTY_TERMS_H

#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "pgtime.h"
#include "utils/uuid.h"

#include "expression.h"
#include "rounding.h"
#include "stacking.h"

/* What becomes of points that a refund is to take back and that are not there. */
typedef enum Shortfall
{
	SHORTFALL_OWE,
	SHORTFALL_FORGIVE,
	SHORTFALL_REJECT			/* the statement fails (see record/refunding.c); where
								 * nobody can fail, they are owed */
} Shortfall;

/* When do points come back that an order was paid with? */
typedef enum ReturnsPaid
{
	RETURNS_NEVER,
	RETURNS_FULL,				/* when it is returned in full */
	RETURNS_PROPORTIONAL		/* as much of them as of its amount */
} ReturnsPaid;

/* Of a tier or an earning rule, or a metric: see condition.c. */
typedef enum ConditionKind
{
	CONDITION_OF_TIER,
	CONDITION_OF_RULE,
	CONDITION_IS_METRIC			/* it has a value, of whatever type */
} ConditionKind;

typedef struct Condition
{
	ConditionKind kind;
	const char *name;			/* of the tier or the metric, or what errors call the
								 * rule */
	Expression	expression;
	Oid			type;
	bool		told;			/* that it failed for somebody */
} Condition;

typedef struct Tier
{
	char	   *name;
	Datum		multiplier;		/* numeric */
	Condition	condition;
} Tier;

/* An earning rule that is for some members: see member_rules.c. */
typedef struct MemberRule
{
	int32		award;			/* its number */
	Condition	condition;
} MemberRule;

/* See wallet.c. */
typedef struct Wallet Wallet;

/* One version of a program's terms, as far as posting goes. */
typedef struct Terms
{
	Oid			program;		/* relation "program" of the program */
	Oid			facts_relid;
	Oid			view;			/* that has the conditions of the tiers, if there are any */
	int32		id;
	bool		valid;
	TimestampTz since;			/* when they came into force */
	Oid			owner;
	pg_uuid_t	reader;			/* what the views of the program name as who asks */
	MemoryContext context;
	MemoryContextCallback end;
	int32		scale;
	Rounding	rounding;
	bool		available_first;	/* refunds take what is available before what waits */
	Shortfall	shortfall;
	ReturnsPaid returns_paid;
	pg_tz	   *zone;
	const char *time_zone;
	List	   *tiers;			/* of Tier *, highest first */
	Stacking   *stacking;		/* NULL: points of rules are just added up */
	List	   *member_rules;	/* of MemberRule * */
	Oid			member_view;	/* that has their conditions, if there are any */
	Oid			rule_facts_relid;
	ExprContext *rule_econtext; /* with a slot for what they are about */
	Wallet	   *wallet;			/* of orders; NULL: their points neither wait nor expire */
	List	   *wallets;		/* of Wallet *: all, in the order in which points are
								 * taken from them */
	List	   *extending;		/* those that orders keep points of from expiring */
	int32	   *redeemable;		/* numbers of those that can be spent from, in that order */
	int			redeemables;
	int32	   *status;			/* numbers of the others */
	int			statuses;
	List	   *metrics;		/* of Condition *, in the order of their numbers */
	List	   *ratings;		/* of RatingCondition *: see ratings.c */
	Oid			metrics_view;	/* that has them, if there are any */
	bool		uses_tenure;	/* some tier does, or some rule, or some metric */
	bool		tiers_use_days; /* a tier may be lost, or reached, as days pass, */
	bool		tiers_use_moments;	/* or in the middle of a day */
	bool		uses_histories; /* some tier does, or some rule */
	bool		metrics_use_histories;
	Datum		no_history;		/* loyalty.history: an empty one */
	Datum		no_events;		/* _loyalty.event_history[]: none */
	bool		user_functions;
	bool		needs_settings;
	ExprContext *econtext;		/* with the slot below as inner row */
	TupleTableSlot *facts;
} Terms;

/* What tiers are decided by. */
typedef struct Facts
{
	Datum		spend;			/* numeric */
	int64		orders;
	Datum		points_earned;	/* numeric */
	Interval   *tenure;			/* or NULL */
	bool		has_orders;		/* the two below are set */
	TimestampTz first_order_at;
	TimestampTz last_order_at;
	TimestampTz at;				/* the moment that is asked: "today" is its day */
	bool		has_joined;		/* the one below is set */
	TimestampTz joined_at;
	Datum		purchases;		/* loyalty.history; (Datum) 0: none, or nobody asks */
	Datum		events;			/* _loyalty.event_history[]; the same */
	Datum		customer_row;	/* jsonb: what is asked for of it; (Datum) 0: nothing */
} Facts;

extern Terms *terms_find(Oid program, int32 id);
extern Terms *terms_if_possible(Oid program, int32 id);
extern void terms_check_reader(Terms *terms, const pg_uuid_t * reader);
extern Tier *terms_tier(Terms *terms, const Facts *facts);
extern text *terms_tier_name(Terms *terms, Facts *facts, bool has_joined, TimestampTz joined);
extern void terms_set_joined(Terms *terms, Facts *facts, bool has_joined, TimestampTz joined);
extern Datum terms_round(Terms *terms, Datum points);

extern void terms_note_posted(Oid schema, List *versions);

#endif							/* LOYALTY_TERMS_H */
