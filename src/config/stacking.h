/*
 * stacking.h: what becomes of the points of several rules.
 */
#ifndef LOYALTY_STACKING_H
#define LOYALTY_STACKING_H

#include "datatype/timestamp.h"

/* How the rules of one version of the terms stack. */
typedef struct Stacking Stacking;

/* How much, or how often, a rule gives to a member at most: see member_limits.c. */
typedef struct RuleLimit
{
	int			award;			/* from 0 */
	char	   *rule;			/* its name */
	Datum		most;
	bool		by_times;		/* it counts orders that get points, not the points */
	char	   *period;			/* in each day, week, month, quarter or year, or NULL:
								 * ever */
} RuleLimit;

/* Out of which budget a rule gives points: see record/budgets.c. */
typedef struct RuleBudget
{
	int			award;			/* from 0 */
	char	   *budget;			/* its name */
} RuleBudget;

/* Into which wallet a rule gives points, if that is not the first one. */
typedef struct RuleWallet
{
	int			award;			/* from 0 */
	int32		wallet;
} RuleWallet;

/* An array (numeric[]) by the number of the award, from 0, such as the parts of an entry. */
typedef struct ByAward
{
	int			count;			/* 0: there is none */
	Datum	   *values;
	bool	   *isnull;
} ByAward;

extern Stacking *stacking_load(const char *program, int32 terms, MemoryContext context);
extern bool stacking_in_force(const Stacking *stacking, int award, TimestampTz at, Datum amount,
							  const bool *isnull);
extern void stacking_count(const Stacking *stacking, Datum *values, const bool *isnull);
extern bool stacking_folds(const Stacking *stacking);
extern ByAward stacking_read(Datum array);
extern Datum stacking_value(const ByAward *read, int award);
extern Datum stacking_parts(Datum *values, bool *isnull, int count);
extern Datum stacking_combine(const Stacking *stacking, Datum *values, bool *isnull, Datum *bonus);
extern const RuleLimit *stacking_limits(const Stacking *stacking, int *count);
extern const RuleBudget *stacking_budgets(const Stacking *stacking, int *count);
extern const RuleWallet *stacking_wallets(const Stacking *stacking, int *count);
extern bool stacking_has_apart(const Stacking *stacking);
extern Datum stacking_given(Datum parts, Datum allotted);
extern int	stacking_shares(const Stacking *stacking, Datum parts, Datum held, Datum multiplier,
							Datum **shares, bool **isnull);
extern Datum stacking_fold(const Stacking *stacking, Datum parts, Datum held, Datum *bonus);

#endif							/* LOYALTY_STACKING_H */
