/*
 * parts.c: what a condition consists of, and how things stand with each part of it.
 *
 * A condition of a tier or a rating is taken apart where it says AND, OR and NOT, down to
 * parts that say something else.  Each part is compiled by itself and asked of the facts of one
 * customer.  Of a comparison, both sides are told, and how far apart they are.
 *
 * Nobody knows what a customer will buy, but what happens if he buys nothing is known: days
 * pass.  So the facts are asked again as of the beginning of each day to come, until a part
 * does not say the same any more.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "condition.h"
#include "definition.h"
#include "layout.h"
#include "metrics.h"
#include "result.h"
#include "tenure.h"

/* Longer ahead than this nobody plans. */
#define MAX_DAYS_AHEAD 36525

/* What a condition says, or a part of it, of the customer whose facts are asked about. */
typedef struct Part
{
	List	   *path;			/* int: the first part, of that the second, ...; NIL: the
								 * whole condition */
	Node	   *expr;			/* as the view says it */
	Node	   *value_expr;		/* of a comparison: what is compared, and with what */
	Node	   *wanted_expr;
	Condition	whole;
	Condition	value;			/* of a comparison; else without an expression */
	Condition	wanted;
	bool		timed;			/* may be otherwise on another day */
	bool		holds;
	bool		unknown;		/* it is null, or fails */
	char	   *value_text;		/* NULL: none */
	char	   *wanted_text;
	Datum		distance;		/* numeric; (Datum) 0: none */
	DateADT		changes_on;
	bool		changes;		/* the day is known */
} Part;

/* Compiled expressions live outside of the memory that the parts are in, but go with it. */
static void
free_expressions(void *arg)
{
	ListCell   *lc;

	foreach(lc, *(List **) arg)
	{
		Part	   *part = (Part *) lfirst(lc);

		expression_free(&part->whole.expression);
		expression_free(&part->value.expression);
		expression_free(&part->wanted.expression);
	}
}

/* Compile a part, or one side of it. */
static void
compile(const Definition *definition, Node *expr, const char *name, Condition *condition, bool *timed)
{
	Index		facts = definition_row(definition, "facts");
	Node	   *flat = definition_flatten(definition, copyObject(expr), facts);
	static const int times[] = {FACT_TENURE, FACT_TODAY, FACT_AT};
	Bitmapset  *used = NULL;

	pull_varattnos(flat, facts, &used);
	for (int i = 0; timed != NULL && i < lengthof(times); i++)
		*timed |= bms_is_member(times[i] + 1 - FirstLowInvalidHeapAttributeNumber, used);
	condition->kind = CONDITION_IS_METRIC;
	condition->name = name;
	condition->told = true;		/* whoever has the condition tells of it */
	condition->type = exprType(flat);
	condition->expression = expression_compile(flat, 0, NULL, NULL, facts);
}

/*
 * What is compared in a comparison, and with what: the side that knows something of the customer
 * is the value, the left one if both do.
 */
static void
find_sides(Part *part)
{
	OpExpr	   *comparison = (OpExpr *) part->expr;
	Node	   *left;
	Node	   *right;

	if (!IsA(comparison, OpExpr) || list_length(comparison->args) != 2 ||
		loyalty_comparison_meanings(comparison->opno) == NIL)
		return;
	left = (Node *) linitial(comparison->args);
	right = (Node *) lsecond(comparison->args);
	if (contain_var_clause(left))
	{
		part->value_expr = left;
		part->wanted_expr = right;
	}
	else if (contain_var_clause(right))
	{
		part->value_expr = right;
		part->wanted_expr = left;
	}
}

/* Add an expression and what it consists of to the parts. */
static void
take_apart(List **parts, const Definition *definition, Node *expr, List *path, const char *name)
{
	Part	   *part = palloc0(sizeof(Part));
	int			number = 0;
	ListCell   *lc;

	check_stack_depth();
	part->expr = expr;
	part->path = path;
	*parts = lappend(*parts, part);
	compile(definition, expr, name, &part->whole, &part->timed);
	if (IsA(expr, BoolExpr))
	{
		foreach(lc, ((BoolExpr *) expr)->args)
			take_apart(parts, definition, (Node *) lfirst(lc), lappend_int(list_copy(path), ++number), name);
		return;
	}
	find_sides(part);
	if (part->value_expr != NULL)
	{
		compile(definition, part->value_expr, name, &part->value, NULL);
		compile(definition, part->wanted_expr, name, &part->wanted, NULL);
	}
}

/*
 * What a condition, which is a column of a view over facts, consists of: first the condition itself,
 * each part before what that consists of in turn.  In the current memory context, which lets go of
 * what is compiled.  NIL if the view has no such condition.
 */
static List *
parts_of_condition(const Definition *definition, const char *column)
{
	Node	   *expr = definition_expression(definition, NULL, column);
	Index		facts = definition_row(definition, "facts");
	List	  **parts = palloc0(sizeof(List *));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	if (expr == NULL || facts == 0 || exprType(expr) != BOOLOID ||
		!expression_is_over(definition_flatten(definition, copyObject(expr), facts), 0, facts))
		return NIL;
	callback->func = free_expressions;
	callback->arg = parts;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	take_apart(parts, definition, expr, NIL, column);
	return *parts;
}

/* A number as numeric; (Datum) 0 if it is none. */
static Datum
as_numeric(Datum value, Oid type)
{
	switch (getBaseType(type))
	{
		case INT2OID:
			return DirectFunctionCall1(int2_numeric, value);
		case INT4OID:
			return DirectFunctionCall1(int4_numeric, value);
		case INT8OID:
			return DirectFunctionCall1(int8_numeric, value);
		case NUMERICOID:
			return value;
		case FLOAT4OID:
			return DirectFunctionCall1(float4_numeric, value);
		case FLOAT8OID:
			return DirectFunctionCall1(float8_numeric, value);
		default:
			return (Datum) 0;
	}
}

/* Is a type one of moments, days or lengths of time? */
static bool
is_time(Oid type)
{
	switch (getBaseType(type))
	{
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
			return true;
		default:
			return false;
	}
}

/* How far apart both sides of a comparison are, in the current memory context; (Datum) 0: they are no numbers. */
static Datum
difference(Part *part, ConditionScope *scope, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Datum		value;
	Datum		wanted = (Datum) 0;
	bool		isnull;
	Datum		result = (Datum) 0;

	value = condition_value(scope, &part->value, &isnull);
	value = isnull ? (Datum) 0 : as_numeric(value, part->value.type);
	if (value != (Datum) 0)
	{
		value = datumCopy(value, false, -1);
		wanted = condition_value(scope, &part->wanted, &isnull);
		wanted = isnull ? (Datum) 0 : as_numeric(wanted, part->wanted.type);
	}
	if (wanted != (Datum) 0)
		result = DirectFunctionCall1(numeric_abs, DirectFunctionCall2(numeric_sub, wanted, value));
	MemoryContextSwitchTo(old);
	return result;
}

/* What one side of a comparison is, as text; NULL: it is null, or there is none. */
static char *
side_text(Condition *side, ConditionScope *scope)
{
	Datum		value;
	bool		isnull;
	Oid			output;
	bool		is_varlena;

	if (side->expression.cached == NULL)
		return NULL;
	value = condition_value(scope, side, &isnull);
	if (isnull)
		return NULL;
	getTypeOutputInfo(side->type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

/*
 * How things stand with each part, by the facts.
 */
static void
parts_ask(Terms *terms, List *parts, const Facts *facts)
{
	ConditionScope scope;
	ListCell   *lc;

	condition_begin(&scope, terms, terms->econtext, facts, NULL);
	foreach(lc, parts)
	{
		Part	   *part = (Part *) lfirst(lc);

		part->holds = DatumGetBool(condition_value(&scope, &part->whole, &part->unknown)) && !part->unknown;
		part->value_text = side_text(&part->value, &scope);
		part->wanted_text = side_text(&part->wanted, &scope);
		if (!part->holds && part->value_text != NULL && part->wanted_text != NULL)
			part->distance = difference(part, &scope, CurrentMemoryContext);
	}
	condition_end(&scope);
}

/* Does a part say something else on a day than it does now?  Then tell what is missing then. */
static void
look_at_day(Part *part, ConditionScope *scope, DateADT today, DateADT day, MemoryContext context)
{
	bool		isnull;
	bool		holds = DatumGetBool(condition_value(scope, &part->whole, &isnull)) && !isnull;
	MemoryContext old;

	if (holds == part->holds)
		return;
	part->changes = true;
	part->changes_on = day;
	if (part->value.expression.cached == NULL)
		return;
	if (part->holds)
		part->distance = difference(part, scope, context);
	else if (is_time(part->value.type))
	{
		old = MemoryContextSwitchTo(context);
		part->distance = DirectFunctionCall1(int4_numeric, Int32GetDatum(day - today));
		MemoryContextSwitchTo(old);
	}
}

/*
 * Find the first of so many days to come on which a part, of which parts_ask() knows how things stand
 * now, says something else.
 */
static void
parts_look_ahead(Terms *terms, List *parts, const Facts *facts, int32 days)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(context, "loyalty day to come", ALLOCSET_SMALL_SIZES);
	Facts		then = *facts;
	DateADT		today;
	int			left = 0;
	ListCell   *lc;

	foreach(lc, parts)
		left += ((Part *) lfirst(lc))->timed;
	if (!tenure_local_date(facts->at, terms->zone, &today))
		return;
	for (int32 ahead = 1; ahead <= days && left > 0; ahead++)
	{
		ConditionScope scope;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(scratch);
		MemoryContextSwitchTo(scratch);
		if (!tenure_day_begins(today + ahead, terms->zone, &then.at))
			break;
		terms_set_joined(terms, &then, facts->has_joined, facts->joined_at);
		condition_begin(&scope, terms, terms->econtext, &then, NULL);
		foreach(lc, parts)
		{
			Part	   *part = (Part *) lfirst(lc);

			if (!part->timed || part->changes)
				continue;
			look_at_day(part, &scope, today, today + ahead, context);
			left -= part->changes;
		}
		condition_end(&scope);
	}
	MemoryContextSwitchTo(context);
	MemoryContextDelete(scratch);
}

/* A row of explain_condition(). */
static void
put_part(const Definition *definition, const Part *part, Tuplestorestate *store, TupleDesc desc)
{
	Datum		values[7] = {0};
	bool		nulls[7] = {false, false, part->unknown, part->value_text == NULL, part->wanted_text == NULL, part->distance == (Datum) 0, !part->changes};
	Datum	   *path = palloc(sizeof(Datum) * (list_length(part->path) + 1));
	int			depth = 0;
	ListCell   *lc;

	foreach(lc, part->path)
		path[depth++] = Int32GetDatum(lfirst_int(lc));
	values[0] = PointerGetDatum(construct_array(path, depth, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[1] = CStringGetTextDatum(definition_text(definition, part->expr));
	values[2] = BoolGetDatum(part->holds);
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(part->value_text);
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(part->wanted_text);
	values[5] = part->distance;
	values[6] = DateADTGetDatum(part->changes_on);
	tuplestore_putvalues(store, desc, values, nulls);
}

PG_FUNCTION_INFO_V1(loyalty_explain_condition);

/*
 * explain_condition(program regclass, terms int, kind text, number int, days int, spend numeric,
 *                   orders bigint, points_earned numeric, joined_at timestamptz,
 *                   first_order_at timestamptz, last_order_at timestamptz, at timestamptz,
 *                   reader uuid, purchases loyalty.history, events _loyalty.event_history[],
 *                   customer_row jsonb)
 * returns setof (part int[], condition text, holds boolean, value text, wanted text,
 *                distance numeric, changes_on date)
 *
 * What a condition consists of, which is one of a "tier" or among the "metric"s by its number, and
 * how things stand with each part for a customer of whom these facts are known, with the first of so
 * many days to come on which that is otherwise.
 */
Datum
loyalty_explain_condition(PG_FUNCTION_ARGS)
{
	Tuplestorestate *store;
	TupleDesc	desc;
	Facts		facts = {0};
	Terms	   *terms;
	Definition	definition;
	List	   *parts;
	ListCell   *lc;
	bool		is_tier;

	store = result_begin(fcinfo, &desc);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		return (Datum) 0;
	is_tier = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(2)), "tier") == 0;
	if (PG_GETARG_INT32(4) < 0 || PG_GETARG_INT32(4) > MAX_DAYS_AHEAD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("days must be from 0 to %d", MAX_DAYS_AHEAD),
				 errdetail("It is %d.", PG_GETARG_INT32(4)),
				 errhint("It is how many days ahead are looked at.")));
	terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	if (!metrics_read_facts(fcinfo, 5, terms, &facts) || !OidIsValid(is_tier ? terms->view : terms->metrics_view))
		return (Datum) 0;
	definition = definition_open(is_tier ? terms->view : terms->metrics_view);
	parts = parts_of_condition(&definition, psprintf("%s_%d", is_tier ? "tier" : "metric", PG_GETARG_INT32(3)));
	parts_ask(terms, parts, &facts);
	parts_look_ahead(terms, parts, &facts, PG_GETARG_INT32(4));
	foreach(lc, parts)
		put_part(&definition, (Part *) lfirst(lc), store, desc);
	return (Datum) 0;
}

/* What tiers_between() looks at. */
typedef struct Periods
{
	Terms	   *terms;
	Facts		facts;			/* as of a moment */
	MemoryContext scratch;		/* for one look */
	const Tier *last;			/* the tier that was told last */
	TimestampTz last_at;		/* a moment at which it was held */
	Tuplestorestate *store;
	TupleDesc	desc;
} Periods;

static void
put_tier(const Periods *periods, const Tier *tier, TimestampTz at)
{
	Datum		values[2] = {TimestampTzGetDatum(at), (Datum) 0};
	bool		nulls[2] = {false, tier == NULL};

	if (tier != NULL)
		values[1] = CStringGetTextDatum(tier->name);
	tuplestore_putvalues(periods->store, periods->desc, values, nulls);
}

/* The tier for the facts at a moment. */
static const Tier *
tier_then(Periods *periods, TimestampTz at)
{
	MemoryContext old = MemoryContextSwitchTo(periods->scratch);
	const Tier *tier;

	MemoryContextReset(periods->scratch);
	periods->facts.at = at;
	terms_set_joined(periods->terms, &periods->facts, periods->facts.has_joined, periods->facts.joined_at);
	tier = terms_tier(periods->terms, &periods->facts);
	MemoryContextSwitchTo(old);
	return tier;
}

/*
 * Tell if another tier is held at a moment, the first one behind a day that was looked at.  If conditions ask
 * for moments, it may be held since the middle of that day: the moment is found by halving the time.
 */
static void
look_at_moment(Periods *periods, TimestampTz at)
{
	const Tier *tier = tier_then(periods, at);
	TimestampTz before = periods->last_at;

	while (tier != periods->last && periods->terms->tiers_use_moments && at - before > 1)
	{
		TimestampTz middle = before + (at - before) / 2;
		const Tier *found = tier_then(periods, middle);

		if (found == periods->last)
			before = middle;
		else
		{
			at = middle;
			tier = found;
		}
	}
	if (tier != periods->last)
		put_tier(periods, tier, at);
	periods->last = tier;
	periods->last_at = at;
}

PG_FUNCTION_INFO_V1(loyalty_tiers_between);

/*
 * tiers_between(program regclass, terms int, spend numeric, orders bigint, points_earned numeric,
 *               joined_at timestamptz, first_order_at timestamptz, last_order_at timestamptz,
 *               since timestamptz, reader uuid, purchases loyalty.history,
 *               events _loyalty.event_history[], customer_row jsonb, until timestamptz)
 * returns setof (at timestamptz, tier text)
 *
 * The tier for these facts at a moment, and from then on whenever it is another one, before "until".  Of
 * what comes and goes within one day, one change is found.
 */
Datum
loyalty_tiers_between(PG_FUNCTION_ARGS)
{
	Periods		periods = {0};
	TimestampTz until;
	TimestampTz at;
	DateADT		day;

	periods.store = result_begin(fcinfo, &periods.desc);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(13))
		return (Datum) 0;
	until = PG_GETARG_TIMESTAMPTZ(13);
	periods.terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	if (!metrics_read_facts(fcinfo, 2, periods.terms, &periods.facts))
		return (Datum) 0;
	periods.scratch = AllocSetContextCreate(CurrentMemoryContext, "loyalty day", ALLOCSET_SMALL_SIZES);
	periods.last_at = periods.facts.at;
	periods.last = tier_then(&periods, periods.last_at);
	put_tier(&periods, periods.last, periods.last_at);
	if (!(periods.terms->tiers_use_days || periods.terms->tiers_use_moments) ||
		!tenure_local_date(periods.last_at, periods.terms->zone, &day))
		return (Datum) 0;
	while (tenure_day_begins(++day, periods.terms->zone, &at) && at < until)
	{
		CHECK_FOR_INTERRUPTS();
		/* whatever was found in the middle of a day, it may be another one when it ends */
		do
			look_at_moment(&periods, at);
		while (periods.last_at < at);
	}
	while (periods.terms->tiers_use_moments && periods.last_at < until - 1)
		look_at_moment(&periods, until - 1);
	return (Datum) 0;
}
