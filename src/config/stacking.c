/*
 * stacking.c: what becomes of the points of several rules.
 *
 * A rule is in force for purchases in its window that are large enough.  Its points are
 * counted in steps, limited and rounded, as it says.  Rules of one kind, points or multipliers,
 * then come one after the other: an exclusive one leaves out those after it, of its group
 * or of all, and of those that are to be the best of their group one counts.  What is
 * left is added up, or multiplied.
 *
 * Where rules are for some members, or their points a bonus, this is done when entries are
 * folded, out of what each rule gives, which is the "parts" of an entry: see member_rules.c.
 *
 * The views of tracked tables say the same in SQL (install/stacking.sql).  Multipliers of
 * lines are in these alone: orders of lines are always read from their view.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lots.h"
#include "number.h"
#include "rounding.h"
#include "stacking.h"

/* How a rule goes with others. */
typedef enum Mode
{
	MODE_ADD,					/* of multipliers: what is above 1 */
	MODE_MULTIPLY,
	MODE_EXCLUSIVE,
	MODE_BEST_OF
} Mode;

/* What a rule says beside its expressions; numbers are (Datum) 0 if it does not say them. */
typedef struct StackedRule
{
	int			award;			/* from 0 */
	bool		multiplies;
	Mode		mode;
	int			group;			/* 0: none */
	TimestampTz starts;
	TimestampTz ends;
	Datum		minimum_order;
	Datum		every;
	Datum		gives;
	Datum		at_most;
	bool		is_rounded;
	Rounding	rounding;
	int32		points_scale;
	bool		for_members;	/* it is for some of them only */
	bool		bonus;			/* its points are not multiplied */
	RuleLimit	limit;			/* if it has one; else "most" is (Datum) 0 */
	char	   *budget;			/* out of which it gives points, or NULL */
	int			gate;			/* the award, from 0, that stands for its campaign; -1:
								 * it belongs to none */
	int32		wallet;			/* the one that it gives points into */
} StackedRule;

struct Stacking
{
	int			count;
	int			groups;			/* the highest number of one */
	bool		folds;			/* some are for some members, a bonus, or have limits or
								 * a wallet: they stack when entries are folded */
	RuleLimit  *limits;
	int			limit_count;
	RuleBudget *budgets;
	int			budget_count;
	RuleWallet *wallets;
	int			wallet_count;
	StackedRule *rules;			/* in the order in which they come */
	StackedRule **by_award;
};

/* A number of a row, kept in a context. */
static Datum
number_value(int row, int column, MemoryContext context)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	MemoryContext old;

	if (isnull)
		return (Datum) 0;
	old = MemoryContextSwitchTo(context);
	value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	MemoryContextSwitchTo(old);
	return value;
}

static TimestampTz
moment_value(int row, int column, TimestampTz otherwise)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? otherwise : DatumGetTimestampTz(value);
}

/* A text of a row, kept in a context, or NULL. */
static char *
text_value(int row, int column, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value == NULL ? NULL : MemoryContextStrdup(context, value);
}

static int
int_value(int row, int column)
{
	bool		isnull;

	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull));
}

static Mode
parse_mode(const char *name)
{
	static const char *const names[] = {"add", "multiply", "exclusive", "best_of"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (Mode) i;
	elog(ERROR, "unrecognized stacking of an earning rule: %s", name);
}

/* A rule of a row of the result below. */
static void
load_rule(StackedRule *rule, int row, MemoryContext context)
{
	char	   *rounding = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 11);
	bool		isnull;

	rule->award = int_value(row, 1) - 1;
	rule->multiplies = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &isnull));
	rule->mode = parse_mode(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3));
	rule->group = int_value(row, 4);
	rule->starts = moment_value(row, 5, DT_NOBEGIN);
	rule->ends = moment_value(row, 6, DT_NOEND);
	rule->minimum_order = number_value(row, 7, context);
	rule->every = number_value(row, 8, context);
	rule->gives = number_value(row, 9, context);
	rule->at_most = number_value(row, 10, context);
	rule->is_rounded = rounding != NULL;
	if (rounding != NULL && !rounding_parse(rounding, &rule->rounding))
		elog(ERROR, "unrecognized rounding of an earning rule: %s", rounding);
	rule->points_scale = int_value(row, 12);
	rule->for_members = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 13, &isnull));
	rule->bonus = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 14, &isnull));
	rule->limit.award = rule->award;
	rule->limit.rule = text_value(row, 15, context);
	rule->limit.most = number_value(row, 16, context);
	rule->limit.period = text_value(row, 17, context);
	rule->budget = text_value(row, 18, context);
	rule->limit.by_times = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 19, &isnull));
	rule->gate = int_value(row, 20) - 1;
	rule->wallet = int_value(row, 21);
}

/* Are the points of a rule just added up? */
static bool
is_just_added(const StackedRule *rule)
{
	return !rule->multiplies && rule->mode == MODE_ADD && rule->starts == DT_NOBEGIN && rule->ends == DT_NOEND &&
		rule->minimum_order == (Datum) 0 && rule->every == (Datum) 0 && rule->at_most == (Datum) 0 &&
		!rule->is_rounded && !rule->for_members && !rule->bonus && rule->limit.most == (Datum) 0 &&
		rule->wallet == LOTS_DEFAULT_WALLET;
}

/*
 * Run the query for the rules, in the order in which they come, as _loyalty.stacked_rules() has
 * them, which the owner of a program may have lost the right to call.
 */
static void
read_rules(const char *program, int32 terms)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(terms)};
	char	   *query =
	psprintf("SELECT r.award::pg_catalog.int4, r.multiplier IS NOT NULL, r.stacking, CASE WHEN r.stacking_group IS NULL THEN 0"
			 " ELSE (pg_catalog.dense_rank() OVER (ORDER BY r.stacking_group COLLATE pg_catalog.\"C\" NULLS LAST))::pg_catalog.int4 END,"
			 " r.starts::pg_catalog.timestamptz, r.ends::pg_catalog.timestamptz, r.minimum_order::pg_catalog.numeric, r.every::pg_catalog.numeric,"
			 " r.gives::pg_catalog.numeric, r.at_most::pg_catalog.numeric, r.rounding, t.points_scale::pg_catalog.int4, r.for_members IS NOT NULL, r.bonus::pg_catalog.bool,"
			 " r.name, r.member_limit::pg_catalog.numeric, r.limit_period, r.budget, r.limit_unit OPERATOR(pg_catalog.=) 'times', coalesce(r.gate, 0)::pg_catalog.int4,"
			 " coalesce(w.wallet, 1)::pg_catalog.int4"
			 " FROM %1$s.terms_rule r JOIN %1$s.terms t ON t.version OPERATOR(pg_catalog.=) r.version"
			 " LEFT JOIN %1$s.terms_wallet w ON w.version OPERATOR(pg_catalog.=) r.version AND w.name OPERATOR(pg_catalog.=) r.wallet WHERE r.version OPERATOR(pg_catalog.=) $1"
			 " ORDER BY r.priority DESC, r.name COLLATE pg_catalog.\"C\"", quote_identifier(program));

	if (SPI_execute_with_args(query, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the earning rules of a loyalty program");
	pfree(query);
}

/*
 * Read how the rules of a version of the terms stack; NULL if their points are just added
 * up.  SPI is connected, as the owner of the program.
 */
Stacking *
stacking_load(const char *program, int32 terms, MemoryContext context)
{
	Stacking   *stacking;
	bool		plain = true;

	read_rules(program, terms);
	if (SPI_processed == 0)
		return NULL;
	stacking = MemoryContextAllocZero(context, sizeof(Stacking));
	stacking->count = (int) SPI_processed;
	stacking->rules = MemoryContextAllocZero(context, stacking->count * sizeof(StackedRule));
	stacking->limits = MemoryContextAllocZero(context, stacking->count * sizeof(RuleLimit));
	stacking->budgets = MemoryContextAllocZero(context, stacking->count * sizeof(RuleBudget));
	stacking->wallets = MemoryContextAllocZero(context, stacking->count * sizeof(RuleWallet));
	stacking->by_award = MemoryContextAllocZero(context, stacking->count * sizeof(StackedRule *));
	for (int i = 0; i < stacking->count; i++)
	{
		StackedRule *rule = &stacking->rules[i];

		load_rule(rule, i, context);
		Assert(rule->award >= 0 && rule->award < stacking->count);
		Assert(rule->gate < rule->award);
		stacking->by_award[rule->award] = rule;
		stacking->groups = Max(stacking->groups, rule->group);
		if (rule->limit.most != (Datum) 0)
			stacking->limits[stacking->limit_count++] = rule->limit;
		if (rule->budget != NULL)
		{
			RuleBudget *budget = &stacking->budgets[stacking->budget_count++];

			budget->award = rule->award;
			budget->budget = rule->budget;
		}
		if (rule->wallet != LOTS_DEFAULT_WALLET)
		{
			RuleWallet *wallet = &stacking->wallets[stacking->wallet_count++];

			wallet->award = rule->award;
			wallet->wallet = rule->wallet;
		}
		stacking->folds = stacking->folds || rule->for_members || rule->bonus || rule->limit.most != (Datum) 0 ||
			rule->wallet != LOTS_DEFAULT_WALLET;
		plain = plain && is_just_added(rule);
	}
	return plain ? NULL : stacking;
}

/*
 * Is a rule in force for a purchase?  One of a campaign is where the award that stands for the
 * campaign is not null; that comes before those of the rules, so it is known by then.
 */
bool
stacking_in_force(const Stacking *stacking, int award, TimestampTz at, Datum amount, const bool *isnull)
{
	const StackedRule *rule = stacking->by_award[award];

	return (rule->gate < 0 || !isnull[rule->gate]) && at >= rule->starts && (at < rule->ends || rule->ends == DT_NOEND) &&
		(rule->minimum_order == (Datum) 0 || DatumGetBool(DirectFunctionCall2(numeric_ge, amount, rule->minimum_order)));
}

/*
 * By what is multiplied is at least 0, so that no order takes points away by it.  What is not finite
 * is refused, and comes to NaN, which is the larger one.
 */
static Datum
floor_factor(Datum factor)
{
	return DirectFunctionCall2(numeric_larger, factor, DirectFunctionCall2(numeric_mul, number_zero(), factor));
}

/* The points of a rule, counted in steps, limited and rounded; or by what it multiplies. */
static Datum
rule_points(const StackedRule *rule, Datum points)
{
	if (rule->multiplies)
		return floor_factor(points);
	if (rule->every != (Datum) 0)
		points = DirectFunctionCall2(numeric_mul, DirectFunctionCall2(numeric_div_trunc, points, rule->every), rule->gives);
	/* what is not finite is refused, and not limited */
	if (rule->at_most != (Datum) 0 &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, points, rule->at_most)) &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, DirectFunctionCall2(numeric_sub, points, points), number_zero())))
		points = rule->at_most;
	return rule->is_rounded ? rounding_apply(rule->rounding, rule->points_scale, points) : points;
}

/* Leave out what comes after an exclusive rule of the same kind, but for what budgets give. */
static void
leave_out(const Stacking *stacking, bool multiplies, bool *isnull)
{
	bool	   *closed = palloc0((stacking->groups + 1) * sizeof(bool));	/* that of 0: all are */

	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = &stacking->rules[i];

		if (rule->multiplies != multiplies || isnull[rule->award] || rule->budget != NULL)
			continue;
		if (closed[0] || closed[rule->group])
			isnull[rule->award] = true;
		else if (rule->mode == MODE_EXCLUSIVE)
			closed[rule->group] = true;
	}
	pfree(closed);
}

/* The best of each group takes the place of all that are to be. */
static void
keep_best(const Stacking *stacking, bool multiplies, Datum *values, bool *isnull)
{
	int		   *best = palloc0((stacking->groups + 1) * sizeof(int));	/* award + 1 */

	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = &stacking->rules[i];
		int			other = best[rule->group] - 1;

		if (rule->multiplies != multiplies || rule->mode != MODE_BEST_OF || isnull[rule->award])
			continue;
		if (other >= 0 && !DatumGetBool(DirectFunctionCall2(numeric_gt, values[rule->award], values[other])))
		{
			isnull[rule->award] = true;
			continue;
		}
		if (other >= 0)
			isnull[other] = true;
		best[rule->group] = rule->award + 1;
	}
	pfree(best);
}

/* The points of all rules that count, bonuses or others, added up. */
static Datum
add_points(const Stacking *stacking, const Datum *values, const bool *isnull, bool bonus)
{
	Datum		sum = number_zero();

	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = &stacking->rules[i];

		if (!rule->multiplies && rule->bonus == bonus && !isnull[rule->award])
			sum = DirectFunctionCall2(numeric_add, sum, values[rule->award]);
	}
	return sum;
}

/* By what they are multiplied. */
static Datum
multiply_all(const Stacking *stacking, const Datum *values, const bool *isnull)
{
	Datum		product = number_one();
	Datum		sum = number_one();

	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = &stacking->rules[i];

		if (!rule->multiplies || isnull[rule->award])
			continue;
		if (rule->mode == MODE_ADD)
			sum = DirectFunctionCall2(numeric_add, sum, DirectFunctionCall2(numeric_sub, values[rule->award], number_one()));
		else
			product = DirectFunctionCall2(numeric_mul, product, values[rule->award]);
	}
	return DirectFunctionCall2(numeric_mul, product, floor_factor(sum));
}

/*
 * Count what rules give in steps, limit and round it, each as its rule says.  Values are by
 * the number of the award, and null where a rule does not apply, or is not in force.
 */
void
stacking_count(const Stacking *stacking, Datum *values, const bool *isnull)
{
	for (int i = 0; i < stacking->count; i++)
		if (!isnull[i])
			values[i] = rule_points(stacking->by_award[i], values[i]);
}

/*
 * Do rules stack when entries are folded, since some are for some members, or a bonus?
 */
bool
stacking_folds(const Stacking *stacking)
{
	return stacking != NULL && stacking->folds;
}

/*
 * An array by the number of the award, or (Datum) 0, in the current memory context.
 */
ByAward
stacking_read(Datum array)
{
	ByAward		result = {0};

	if (array != (Datum) 0)
		deconstruct_array(DatumGetArrayTypeP(array), NUMERICOID, -1, false, TYPALIGN_INT,
						  &result.values, &result.isnull, &result.count);
	return result;
}

/*
 * What is there of an award, or (Datum) 0.
 */
Datum
stacking_value(const ByAward *read, int award)
{
	return award >= read->count || read->isnull[award] ? (Datum) 0 : read->values[award];
}

/*
 * Values as an SQL array.
 */
Datum
stacking_parts(Datum *values, bool *isnull, int count)
{
	int			lower = 1;

	return PointerGetDatum(construct_md_array(values, isnull, 1, &count, &lower, NUMERICOID, -1, false, TYPALIGN_INT));
}

/* Leave out rules that others exclude, or that are not the best of their group. */
static void
choose(const Stacking *stacking, Datum *values, bool *isnull)
{
	for (int multiplies = 0; multiplies <= 1; multiplies++)
	{
		leave_out(stacking, multiplies != 0, isnull);
		keep_best(stacking, multiplies != 0, values, isnull);
	}
}

/*
 * What an order gets of all rules, whose values are counted.  Both arrays are changed.
 * Bonuses, which are not multiplied, go to "bonus"; without it, there are none.
 */
Datum
stacking_combine(const Stacking *stacking, Datum *values, bool *isnull, Datum *bonus)
{
	choose(stacking, values, isnull);
	Assert(bonus != NULL || !stacking->folds);
	if (bonus != NULL)
		*bonus = add_points(stacking, values, isnull, true);
	return DirectFunctionCall2(numeric_mul, add_points(stacking, values, isnull, false), multiply_all(stacking, values, isnull));
}

/*
 * Take away the values of rules that are for some members, but for those in "held", an int[] or (Datum) 0.  Rules
 * of a campaign, which come behind what stands for it, go with that.
 */
static void
leave_to_members(const Stacking *stacking, Datum held, bool *isnull)
{
	Datum	   *awards = NULL;
	int			count = 0;

	if (held != (Datum) 0)
		deconstruct_array(DatumGetArrayTypeP(held), INT4OID, sizeof(int32), true, TYPALIGN_INT, &awards, NULL, &count);
	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = stacking->by_award[i];
		bool		is_held = !rule->for_members;

		for (int k = 0; k < count; k++)
			is_held = is_held || DatumGetInt32(awards[k]) == i + 1;
		isnull[i] = isnull[i] || !is_held || (rule->gate >= 0 && isnull[rule->gate]);
	}
}

/* The parts of an entry (numeric[]), without the rules that are for some members and not in "held". */
static ByAward
read_parts(const Stacking *stacking, Datum parts, Datum held)
{
	ByAward		result = stacking_read(parts);

	if (result.count != stacking->count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an entry of a loyalty program has parts of %d earning rules, and its terms have %d", result.count, stacking->count)));
	leave_to_members(stacking, held, result.isnull);
	return result;
}

/*
 * The limits that rules have, or none.
 */
const RuleLimit *
stacking_limits(const Stacking *stacking, int *count)
{
	*count = stacking == NULL ? 0 : stacking->limit_count;
	return stacking == NULL ? NULL : stacking->limits;
}

/*
 * The budgets that rules have, or none.
 */
const RuleBudget *
stacking_budgets(const Stacking *stacking, int *count)
{
	*count = stacking == NULL ? 0 : stacking->budget_count;
	return stacking == NULL ? NULL : stacking->budgets;
}

/*
 * The rules that give points into other wallets than the first one, or none.
 */
const RuleWallet *
stacking_wallets(const Stacking *stacking, int *count)
{
	*count = stacking == NULL ? 0 : stacking->wallet_count;
	return stacking == NULL ? NULL : stacking->wallets;
}

/*
 * Do rules give points apart from others, each rounded by itself, since they have a limit or a wallet?
 */
bool
stacking_has_apart(const Stacking *stacking)
{
	return stacking != NULL && stacking->limit_count + stacking->wallet_count > 0;
}

/*
 * The parts of an entry, where rules with a budget give what is allotted to it; in the current memory
 * context, or as they are.
 */
Datum
stacking_given(Datum parts, Datum allotted)
{
	ByAward		read;
	ByAward		instead;

	if (parts == (Datum) 0 || allotted == (Datum) 0)
		return parts;
	read = stacking_read(parts);
	instead = stacking_read(allotted);
	for (int i = 0; i < Min(read.count, instead.count); i++)
		if (!instead.isnull[i])
			read.values[i] = instead.values[i];
	return stacking_parts(read.values, read.isnull, read.count);
}

/*
 * What each rule with points gives to an order of these parts, at the multiplier of its tier,
 * by the number of the award; null where it gives nothing.  Returns how many rules there are.
 */
int
stacking_shares(const Stacking *stacking, Datum parts, Datum held, Datum multiplier, Datum **shares, bool **isnull)
{
	ByAward		read = read_parts(stacking, parts, held);
	Datum		factor;

	*shares = read.values;
	*isnull = read.isnull;
	choose(stacking, *shares, *isnull);
	factor = DirectFunctionCall2(numeric_mul, multiply_all(stacking, *shares, *isnull), multiplier);
	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = stacking->by_award[i];

		(*isnull)[i] = (*isnull)[i] || rule->multiplies;
		if (!(*isnull)[i] && !rule->bonus)
			(*shares)[i] = DirectFunctionCall2(numeric_mul, (*shares)[i], factor);
	}
	return stacking->count;
}

/*
 * What an order of these parts gets of all rules, before the multiplier of its tier; bonuses go
 * to "bonus".  Rules that are for some members count if they are in "held", an int[] or (Datum) 0.
 */
Datum
stacking_fold(const Stacking *stacking, Datum parts, Datum held, Datum *bonus)
{
	ByAward		read = read_parts(stacking, parts, held);

	return stacking_combine(stacking, read.values, read.isnull, bonus);
}
