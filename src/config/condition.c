/*
 * condition.c: conditions over what a customer had at a moment, of tiers and of earning
 * rules, and metrics.
 *
 * Each is a column of a view of its version of the terms, over the type "facts", or
 * "rule_facts", which has the tier, too.  Histories of events and metrics are parts of that view
 * which are computed from the facts.  It runs with the rights of the program's owner.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "condition.h"
#include "layout.h"
#include "protect.h"
#include "tenure.h"

/* What errors call that which has a condition. */
static const char *
condition_label(const Condition *condition)
{
	return condition->kind == CONDITION_OF_TIER ? psprintf("tier \"%s\"", condition->name) :
		condition->kind == CONDITION_IS_METRIC ? psprintf("metric \"%s\"", condition->name) : condition->name;
}

/* Does an expression use a field of the facts?  used: the fields, from pull_varattnos(). */
static bool
uses_field(Bitmapset *used, int field)
{
	return bms_is_member(field + 1 - FirstLowInvalidHeapAttributeNumber, used);
}

/*
 * Compile a condition, which is a column of a view; in the memory of the terms.  A metric whose view says something else
 * has no expression: it stops nobody but who asks for it.
 */
void
condition_load(Terms *terms, Condition *condition, const Definition *definition, const char *column)
{
	Node	   *expr = definition_expression(definition, NULL, column);
	Index		facts = definition_row(definition, "facts");
	Bitmapset  *used = NULL;

	if (expr != NULL && facts != 0)
		expr = definition_flatten(definition, expr, facts);
	if (expr == NULL || facts == 0 || (condition->kind != CONDITION_IS_METRIC && exprType(expr) != BOOLOID) ||
		!expression_is_over(expr, 0, facts))
	{
		if (condition->kind == CONDITION_IS_METRIC)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("view \"%s\" does not have the condition of the %s",
						get_rel_name(definition->view), condition_label(condition)),
				 condition->kind == CONDITION_OF_TIER ? errhint("Update the tier in the table \"terms_tier\" of the program.") :
				 errhint("Update the rule in the table \"terms_rule\" of the program.")));
	}
	pull_varattnos(expr, facts, &used);
	terms->uses_tenure |= uses_field(used, FACT_TENURE);
	if (condition->kind == CONDITION_OF_TIER)
	{
		terms->tiers_use_days |= uses_field(used, FACT_TENURE) || uses_field(used, FACT_TODAY);
		terms->tiers_use_moments |= uses_field(used, FACT_AT);
	}
	if (condition->kind == CONDITION_IS_METRIC)
		terms->metrics_use_histories |= uses_field(used, FACT_PURCHASES) || uses_field(used, FACT_EVENTS);
	else
		terms->uses_histories |= uses_field(used, FACT_PURCHASES) || uses_field(used, FACT_EVENTS);
	condition->type = exprType(expr);
	condition->expression = expression_compile(expr, 0, NULL, NULL, facts);
	terms->user_functions |= condition->expression.user_functions;
	terms->needs_settings |= condition->expression.needs_settings;
}

/* Put the facts, and the tier if it has one, into a slot of their composite type. */
static void
fill_facts(Terms *terms, const Facts *facts, const char *tier, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	DateADT		today = 0;

	Assert(slot->tts_tupleDescriptor->natts >= FACT_COLUMNS);
	ExecClearTuple(slot);
	memset(isnull, false, slot->tts_tupleDescriptor->natts * sizeof(bool));
	values[FACT_SPEND] = facts->spend;
	values[FACT_ORDERS] = Int64GetDatum(facts->orders);
	values[FACT_POINTS_EARNED] = facts->points_earned;
	values[FACT_TENURE] = IntervalPGetDatum(facts->tenure);
	isnull[FACT_TENURE] = facts->tenure == NULL;
	values[FACT_FIRST_ORDER_AT] = TimestampTzGetDatum(facts->first_order_at);
	values[FACT_LAST_ORDER_AT] = TimestampTzGetDatum(facts->last_order_at);
	isnull[FACT_FIRST_ORDER_AT] = isnull[FACT_LAST_ORDER_AT] = !facts->has_orders;
	isnull[FACT_TODAY] = !tenure_local_date(facts->at, terms->zone, &today);
	values[FACT_TODAY] = DateADTGetDatum(today);
	values[FACT_AT] = TimestampTzGetDatum(facts->at);
	values[FACT_JOINED_AT] = TimestampTzGetDatum(facts->joined_at);
	isnull[FACT_JOINED_AT] = !facts->has_joined;
	values[FACT_PURCHASES] = facts->purchases == (Datum) 0 ? terms->no_history : facts->purchases;
	values[FACT_EVENTS] = facts->events == (Datum) 0 ? terms->no_events : facts->events;
	values[FACT_CUSTOMER_ROW] = facts->customer_row;
	isnull[FACT_CUSTOMER_ROW] = facts->customer_row == (Datum) 0;
	if (slot->tts_tupleDescriptor->natts >= RULE_FACT_COLUMNS)
	{
		isnull[FACT_TIER] = tier == NULL;
		values[FACT_TIER] = tier == NULL ? (Datum) 0 : CStringGetTextDatum(tier);
	}
	ExecStoreVirtualTuple(slot);
}

/*
 * Begin to evaluate conditions over facts, and the tier or NULL, as the owner of the
 * program.  The context has the slot for them as its inner row.
 */
void
condition_begin(ConditionScope *scope, Terms *terms, ExprContext *econtext, const Facts *facts, const char *tier)
{
	scope->terms = terms;
	scope->econtext = econtext;
	scope->slot = econtext->ecxt_innertuple;

	/* A function of the user may come back here before it is through. */
	if (terms->user_functions)
	{
		scope->econtext = CreateStandaloneExprContext();
		scope->slot = MakeSingleTupleTableSlot(scope->slot->tts_tupleDescriptor, &TTSOpsVirtual);
		scope->econtext->ecxt_innertuple = scope->slot;
	}
	fill_facts(terms, facts, tier, scope->slot);
	owner_enter(&scope->owner, terms->owner, terms->needs_settings, terms->time_zone);
}

void
condition_end(ConditionScope *scope)
{
	owner_leave(&scope->owner);
	if (scope->terms->user_functions)
	{
		ExecDropSingleTupleTableSlot(scope->slot);
		FreeExprContext(scope->econtext, true);
	}
}

/* A condition that is evaluated, for protect(). */
typedef struct Evaluation
{
	Condition  *condition;
	ExprContext *econtext;
	Datum		value;
	bool		isnull;
} Evaluation;

static void
evaluate_condition(void *arg)
{
	Evaluation *evaluation = (Evaluation *) arg;

	evaluation->value = expression_evaluate(&evaluation->condition->expression, evaluation->econtext,
											&evaluation->isnull);
}

/*
 * The value of a condition or a metric, until the next one is asked for.  One that raises an error for a member
 * is null for that member: it must not stop posting, or reads of others.  The log has it once
 * per session, and verify() tells of it.
 */
Datum
condition_value(ConditionScope *scope, Condition *condition, bool *isnull)
{
	Evaluation	evaluation = {.condition = condition,.econtext = scope->econtext};
	ErrorData  *error;

	ResetExprContext(scope->econtext);
	if (!condition->expression.may_raise)
	{
		evaluate_condition(&evaluation);
		*isnull = evaluation.isnull;
		return evaluation.value;
	}
	/* this concerns the evaluation that led here, not the member */
	expression_refuse_recursion(&condition->expression);
	error = protect(evaluate_condition, &evaluation);
	if (error == NULL)
	{
		*isnull = evaluation.isnull;
		return evaluation.value;
	}
	if (!condition->told)
		ereport(LOG_SERVER_ONLY,
				(errcode(error->sqlerrcode),
				 errmsg(condition->kind == CONDITION_IS_METRIC ? "the %s of loyalty program \"%s\" failed and is null: %s" :
						"the condition of the %s of loyalty program \"%s\" failed and does not hold: %s",
						condition_label(condition),
						get_namespace_name(get_rel_namespace(scope->terms->program)), error->message)));
	condition->told = true;
	FreeErrorData(error);
	*isnull = true;
	return (Datum) 0;
}

/*
 * Does a condition hold?  One that raises an error does not.
 */
bool
condition_holds(ConditionScope *scope, Condition *condition)
{
	bool		isnull;
	Datum		value = condition_value(scope, condition, &isnull);

	return !isnull && DatumGetBool(value);
}
