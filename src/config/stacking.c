/*
 * stacking.c: what becomes of the points of several rules.
 *
 * A rule is in force for purchases in its window that are large enough.  Its points are
 * counted in steps, limited and rounded, as it says.  Rules of one kind, points or multipliers,
 * then come one after the other: an exclusive one leaves out those after it, of its group
 * or of all, and of those that are to be the best of their group one counts.  What is
 * left is added up, or multiplied.
 *
 * The views of tracked tables say the same in SQL (install/stacking.sql).  Multipliers of
 * lines are in these alone: orders of lines are always read from their view.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
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
} StackedRule;

struct Stacking
{
	int			count;
	int			groups;			/* the highest number of one */
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
}

/*
 * Read how the rules of a version of the terms stack; NULL if their points are just added
 * up.  SPI is connected, as the owner of the program.
 */
Stacking *
stacking_load(const char *program, int32 terms, MemoryContext context)
{
	Oid			types[2] = {NAMEOID, INT4OID};
	NameData	name;
	Datum		values[2] = {NameGetDatum(&name), Int32GetDatum(terms)};
	Stacking   *stacking;

	namestrcpy(&name, program);
	if (SPI_execute_with_args("SELECT r.award, r.multiplies, r.stacking, r.\"group\", r.starts, r.ends, r.minimum_order, r.every, r.gives, r.at_most, r.rounding, r.points_scale"
							  " FROM _loyalty.stacked_rules($1, $2) r WHERE NOT _loyalty.rules_are_plain($1, $2) ORDER BY r.place",
							  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the earning rules of a loyalty program");
	if (SPI_processed == 0)
		return NULL;
	stacking = MemoryContextAllocZero(context, sizeof(Stacking));
	stacking->count = (int) SPI_processed;
	stacking->rules = MemoryContextAllocZero(context, stacking->count * sizeof(StackedRule));
	stacking->by_award = MemoryContextAllocZero(context, stacking->count * sizeof(StackedRule *));
	for (int i = 0; i < stacking->count; i++)
	{
		StackedRule *rule = &stacking->rules[i];

		load_rule(rule, i, context);
		Assert(rule->award >= 0 && rule->award < stacking->count);
		stacking->by_award[rule->award] = rule;
		stacking->groups = Max(stacking->groups, rule->group);
	}
	return stacking;
}

/* Is a rule in force for a purchase? */
bool
stacking_in_force(const Stacking *stacking, int award, TimestampTz at, Datum amount)
{
	const StackedRule *rule = stacking->by_award[award];

	return at >= rule->starts && (at < rule->ends || rule->ends == DT_NOEND) &&
		(rule->minimum_order == (Datum) 0 || DatumGetBool(DirectFunctionCall2(numeric_ge, amount, rule->minimum_order)));
}

/* The points of a rule, counted in steps, limited and rounded. */
static Datum
rule_points(const StackedRule *rule, Datum points)
{
	if (rule->every != (Datum) 0)
		points = DirectFunctionCall2(numeric_mul, DirectFunctionCall2(numeric_div_trunc, points, rule->every), rule->gives);
	/* what is not finite is refused, and not limited */
	if (rule->at_most != (Datum) 0 &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, points, rule->at_most)) &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, DirectFunctionCall2(numeric_sub, points, points), number_zero())))
		points = rule->at_most;
	return rule->is_rounded ? rounding_apply(rule->rounding, rule->points_scale, points) : points;
}

/* Leave out what comes after an exclusive rule of the same kind. */
static void
leave_out(const Stacking *stacking, bool multiplies, bool *isnull)
{
	bool	   *closed = palloc0((stacking->groups + 1) * sizeof(bool));	/* that of 0: all are */

	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = &stacking->rules[i];

		if (rule->multiplies != multiplies || isnull[rule->award])
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

/* The points of all rules that count, added up. */
static Datum
add_points(const Stacking *stacking, const Datum *values, const bool *isnull)
{
	Datum		sum = number_zero();

	for (int i = 0; i < stacking->count; i++)
	{
		const StackedRule *rule = &stacking->rules[i];

		if (!rule->multiplies && !isnull[rule->award])
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
	return DirectFunctionCall2(numeric_mul, product, sum);
}

/*
 * What an order gets of all rules: values has what each gives, by the number of its award,
 * which is null where it does not apply, or is not in force.  Both arrays are changed.
 */
Datum
stacking_combine(const Stacking *stacking, Datum *values, bool *isnull)
{
	for (int i = 0; i < stacking->count; i++)
		if (!isnull[i])
			values[i] = rule_points(stacking->by_award[i], values[i]);
	for (int multiplies = 0; multiplies <= 1; multiplies++)
	{
		leave_out(stacking, multiplies != 0, isnull);
		keep_best(stacking, multiplies != 0, values, isnull);
	}
	return DirectFunctionCall2(numeric_mul, add_points(stacking, values, isnull), multiply_all(stacking, values, isnull));
}
