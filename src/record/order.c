/*
 * order.c: what a row of a tracked table says about its order.
 *
 * A row without customer or order key is no order.  An order counts if
 * counts_when is true and its amount and time are known; both, and its points,
 * must be finite: else an error, or by option of the program a line in the
 * server's log and an order that does not count.  The same holds for an
 * expression that raises an error: the message names it, and the order.  When its points
 * are available may be at infinity, which is not known yet.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "number.h"
#include "order.h"
#include "protect.h"
#include "views.h"

void
order_reader_begin(OrderReader *reader, TrackedTable *table)
{
	reader->table = table;
	reader->econtext = CreateStandaloneExprContext();
	reader->facts = MakeSingleTupleTableSlot(table->purchase_desc, &TTSOpsVirtual);
	reader->econtext->ecxt_innertuple = reader->facts;
}

void
order_reader_end(OrderReader *reader)
{
	ExecDropSingleTupleTableSlot(reader->facts);
	FreeExprContext(reader->econtext, true);
}

static inline Datum
evaluate(OrderReader *reader, Expression *expression, TupleTableSlot *row,
		 bool *isnull)
{
	reader->econtext->ecxt_scantuple = row;
	return expression_evaluate(expression, reader->econtext, isnull);
}

/* In the memory of the row: a value that can be compared and indexed. */
static Datum
plain_value(OrderReader *reader, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(reader->econtext->ecxt_per_tuple_memory);
	Datum		result = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));

	MemoryContextSwitchTo(old);
	return result;
}

/*
 * A refund that is there and counts, but belongs to no order: an error, or by
 * option a line in the server's log.  If it is its customer's, it is recorded as
 * an order of its own by another trigger.
 */
void
order_refund_without_order(OrderReader *reader, TupleTableSlot *row)
{
	TrackedTable *table = reader->table;
	bool		is_error = strcmp(table->without_order, "error") == 0;
	bool		isnull;

	if (strcmp(table->without_order, "customer") == 0 ||
		!DatumGetBool(evaluate(reader, &table->counts_when, row, &isnull)) || isnull)
		return;
	ereport(is_error ? ERROR : LOG_SERVER_ONLY,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("a refund in table \"%s\" belongs to no order", get_rel_name(table->relid)),
			 errdetail("Its order key is null."),
			 is_error ?
			 errhint("Name its order. If such refunds are to be let be, call loyalty.alter_refunds(%s, %s, without_order => 'skip').",
					 quote_literal_cstr(table->program), program_table_argument(program_part_root(table))) : 0));
}

/*
 * An order that is not there, or does not count.
 */
void
order_gone(Order *order)
{
	order->counts = false;
	order->no_points = false;
	order->must_read = false;
	order->at = 0;
	order->amount = number_zero();
	order->awards = number_zero();
	order->parts = order->allotted = (Datum) 0;
	order->currency = text_empty();
	order->rate = number_one();
	order->available.is_known = false;
	order->member = (Datum) 0;
}

/*
 * An amount, and the points of an order before the multiplier of the tier, have at most so
 * many digits before the decimal point.  That multiplier has at most 6, and the sums of an
 * account may have 26 (number_account_limit()).
 */
#define VALUE_DIGITS 20

/* What messages call a row of a table: events are no orders. */
static const char *
noun_of(const TrackedTable *table)
{
	return table->event != NULL ? "event" : "order";
}

/*
 * An error, or by option a line in the log.  A value that is finite has more digits than
 * are allowed.
 */
static void
invalid_value(TrackedTable *table, int sqlstate, const char *what,
			  const char *value, Datum order_key, const Blame *blame)
{
	char	   *detail;
	bool		is_large = strspn(value, "-0123456789.") == strlen(value);
	char	   *must = is_large ? psprintf("must have at most %d digits before the decimal point", VALUE_DIGITS) :
	pstrdup("must be finite");

	if (blame != NULL && blame->rule != NULL)
		value = blame->value;
	/* a value of 131,072 digits is not shown to its end */
	if (strlen(value) > 60)
		value = psprintf("%.57s...", value);
	detail = blame != NULL && blame->rule != NULL ?
		psprintf("The %s comes to %s for the %s \"%s\".", blame->rule, value, noun_of(table), TextDatumGetCString(order_key)) :
		psprintf("The %s \"%s\" has the value %s.", noun_of(table), TextDatumGetCString(order_key), value);
	if (table->skip_invalid)
		ereport(LOG_SERVER_ONLY,
				(errcode(sqlstate),
				 errmsg("loyalty program \"%s\" skipped an %s: its %s %s",
						table->program, noun_of(table), what, must),
				 errdetail_internal("%s", detail)));
	else
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("the %s of an %s %s", what, noun_of(table), must),
				 errdetail_internal("%s", detail),
				 errhint("Correct the %s, or set on_invalid to 'skip' in the table \"program\" of the loyalty program \"%s\".",
						 noun_of(table), table->program)));
}

/* Can it be counted with?  Else the views of the program could not show the sums. */
static bool
is_countable(TrackedTable *table, Datum value, const char *what, Datum order_key, const Blame *blame)
{
	if (number_is_below(value, VALUE_DIGITS))
		return true;
	invalid_value(table, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, what,
				  DatumGetCString(DirectFunctionCall1(numeric_out, value)),
				  order_key, blame);
	return false;
}

/* The points of an order that cannot be counted with, or (Datum) 0: all can. */
static Datum
find_uncountable(const Order *order)
{
	ByAward		parts = stacking_read(order->parts);

	if (order->awards != (Datum) 0 && !number_is_below(order->awards, VALUE_DIGITS))
		return order->awards;
	for (int i = 0; i < parts.count; i++)
		if (!parts.isnull[i] && !number_is_below(parts.values[i], VALUE_DIGITS))
			return parts.values[i];
	return (Datum) 0;
}

/*
 * Can the points of an order be counted with?
 */
bool
order_points_are_countable(const Order *order)
{
	return find_uncountable(order) == (Datum) 0;
}

/*
 * An order with a value that can't be counted with is an error, or not counted.  blame: the rule whose
 * points these are, or NULL.
 */
void
order_check_finite(TrackedTable *table, Order *order, const Blame *blame)
{
	Datum		uncountable;

	if (!is_countable(table, order->amount, "amount", order->order_key, NULL))
		order_gone(order);
	else if (TIMESTAMP_NOT_FINITE(order->at))
	{
		invalid_value(table, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "time",
					  DatumGetCString(DirectFunctionCall1(timestamptz_out,
														  TimestampTzGetDatum(order->at))),
					  order->order_key, NULL);
		order_gone(order);
	}
	else if ((uncountable = find_uncountable(order)) != (Datum) 0)
	{
		(void) is_countable(table, uncountable, "points", order->order_key, blame);
		order_gone(order);
	}
}

/*
 * An expression raised an error for an order: an error that names the rule, or
 * else what it was, and the order; or by option a line in the log.  What the
 * expression said itself may tell of its text: it is context, which only the
 * program's owner and the log are shown, unless it is a mere matter of numbers.
 */
void
order_failed(TrackedTable *table, const char *rule, const char *what, Datum order_key,
			 ErrorData *error)
{
	bool		harmless = error->sqlerrcode == ERRCODE_DIVISION_BY_ZERO ||
	error->sqlerrcode == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE ||
	error->sqlerrcode == ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
	char	   *of = order_key != (Datum) 0 ?
	psprintf("the %s \"%s\"", noun_of(table), TextDatumGetCString(order_key)) :
	psprintf("a row of table \"%s\"", get_rel_name(table->relid));

	if (rule != NULL)
		what = psprintf("the %s", rule);
	else if (what == NULL)
		what = "an expression of the tracked table";
	if (table->skip_invalid)
	{
		ereport(LOG_SERVER_ONLY,
				(errcode(error->sqlerrcode),
				 errmsg("loyalty program \"%s\" skipped %s: %s failed for it: %s",
						table->program, of, what, error->message)));
		FreeErrorData(error);
		pfree(of);
		return;
	}
	error->context = error->context == NULL ? error->message :
		psprintf("%s\n%s", error->message, error->context);
	error->detail = harmless ? psprintf("%s.", error->message) : NULL;
	error->message = psprintf("%s failed for %s", what, of);
	error->hint = psprintf("Correct it or the %s, or set on_invalid to 'skip' in the table \"program\" of the loyalty program \"%s\".",
						   noun_of(table), table->program);
	error->domain = TEXTDOMAIN;
	ReThrowError(error);
}

/* An evaluation over one row, for protect(). */
typedef struct Evaluation
{
	OrderReader *reader;
	TupleTableSlot *row;
	Order	   *order;
	RuleSet    *rules;
	bool		whose;			/* is the customer asked for? */
	bool		found;			/* the answer: it is an order */
	const char *rule;			/* what is being evaluated: a rule, */
	const char *what;			/* or something else */
	Blame		blame;			/* the first rule whose points cannot be counted with */
} Evaluation;

/* When are the points of the order available, if it says so itself? */
static Moment
evaluate_available(Evaluation *evaluation)
{
	Moment		available = {.is_known = false};
	Expression *expression = &evaluation->reader->table->available_at;
	bool		isnull;

	if (expression->cached == NULL)
		return available;
	evaluation->what = "available_at";
	available.at = DatumGetTimestampTz(evaluate(evaluation->reader, expression, evaluation->row, &isnull));
	available.is_known = !isnull;
	return available;
}

/* Does the order count, when was it made, and what is its amount? */
static void
evaluate_columns(void *arg)
{
	Evaluation *evaluation = (Evaluation *) arg;
	OrderReader *reader = evaluation->reader;
	TrackedTable *table = reader->table;
	Order	   *order = evaluation->order;
	bool		isnull;

	evaluation->what = "counts_when";
	if (!DatumGetBool(evaluate(reader, &table->counts_when, evaluation->row, &isnull)) || isnull)
		return;
	evaluation->what = "the amount";
	order->amount = evaluate(reader, &table->amount, evaluation->row, &isnull);
	if (isnull)
		return;
	evaluation->what = "the time";
	order->at = DatumGetTimestampTz(evaluate(reader, &table->at, evaluation->row, &isnull));
	order->counts = !isnull;
	if (order->counts)
		order->available = evaluate_available(evaluation);
}

/* These are the points of a rule. */
static void
blame_rule(Evaluation *evaluation, const Rule *rule, Datum points)
{
	if (evaluation->blame.rule != NULL || number_is_below(points, VALUE_DIGITS))
		return;
	evaluation->blame.rule = rule->name;
	evaluation->blame.value = DatumGetCString(DirectFunctionCall1(numeric_out, points));
}

/* Points of an order by rules that do more than to add them up. */
static void
evaluate_stacking(Evaluation *evaluation)
{
	OrderReader *reader = evaluation->reader;
	Order	   *order = evaluation->order;
	RuleSet    *set = evaluation->rules;
	MemoryContext old = MemoryContextSwitchTo(reader->econtext->ecxt_per_tuple_memory);
	Datum	   *values = palloc0(list_length(set->rules) * sizeof(Datum));
	bool	   *isnull = palloc(list_length(set->rules) * sizeof(bool));

	for (int award = 0; award < list_length(set->rules); award++)
	{
		Rule	   *rule = (Rule *) list_nth(set->rules, award);

		isnull[award] = true;
		if (rule->award.cached == NULL || !stacking_in_force(set->stacking, award, order->at, order->amount, isnull))
			continue;
		evaluation->rule = rule->name;
		values[award] = evaluate(reader, &rule->award, evaluation->row, &isnull[award]);
	}
	stacking_count(set->stacking, values, isnull);
	for (int award = 0; award < list_length(set->rules); award++)
		if (!isnull[award])
			blame_rule(evaluation, (Rule *) list_nth(set->rules, award), values[award]);
	if (stacking_folds(set->stacking))
		order->parts = stacking_parts(values, isnull, list_length(set->rules));
	else
		order->awards = stacking_combine(set->stacking, values, isnull, NULL);
	MemoryContextSwitchTo(old);
}

/*
 * Points of an order under one version of the terms, before the multiplier and
 * before rounding: the sum over the rules that apply, unless they say otherwise.
 */
static void
evaluate_rules(void *arg)
{
	Evaluation *evaluation = (Evaluation *) arg;
	OrderReader *reader = evaluation->reader;
	Order	   *order = evaluation->order;
	TupleTableSlot *facts = reader->facts;
	ListCell   *lc;

	order->awards = number_zero();
	if (evaluation->rules->rules == NIL)
		return;
	ExecClearTuple(facts);
	memset(facts->tts_isnull, false, 4 * sizeof(bool));
	facts->tts_values[0] = order->customer;
	facts->tts_values[1] = TimestampTzGetDatum(order->at);
	facts->tts_values[2] = order->amount;
	facts->tts_values[3] = order->rate;
	ExecStoreVirtualTuple(facts);

	if (evaluation->rules->stacking != NULL)
	{
		evaluate_stacking(evaluation);
		return;
	}
	foreach(lc, evaluation->rules->rules)
	{
		Rule	   *rule = (Rule *) lfirst(lc);
		Datum		points;
		bool		isnull;
		MemoryContext old;

		if (rule->award.cached == NULL)
			continue;
		evaluation->rule = rule->name;
		points = evaluate(reader, &rule->award, evaluation->row, &isnull);
		if (isnull)
			continue;
		old = MemoryContextSwitchTo(reader->econtext->ecxt_per_tuple_memory);
		blame_rule(evaluation, rule, points);
		order->awards = order->awards == number_zero() ? points :
			DirectFunctionCall2(numeric_add, order->awards, points);
		MemoryContextSwitchTo(old);
	}
}

/* Evaluate; an error is raised as one that names rule and order. */
static void
evaluate_or_raise(ProtectedWork work, Evaluation *evaluation)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		work(evaluation);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		if (!protect_may_catch(geterrcode()))
			PG_RE_THROW();
		error = CopyErrorData();
		FlushErrorState();
		order_failed(evaluation->reader->table, evaluation->rule, evaluation->what,
					 evaluation->order->order_key, error);
	}
	PG_END_TRY();
}

/*
 * Evaluate.  Returns NULL, or the error of an expression for which the order does
 * not count.  A subtransaction is only needed where the error is not raised on.
 */
static ErrorData *
evaluate_guarded(ProtectedWork work, Evaluation *evaluation, bool may_raise)
{
	if (!may_raise)
		work(evaluation);
	else if (!evaluation->reader->table->skip_invalid)
		evaluate_or_raise(work, evaluation);
	else
		return protect(work, evaluation);
	return NULL;
}

/* An order that does not count, because an expression failed for it. */
static void
skip_order(Evaluation *evaluation, ErrorData *error)
{
	order_failed(evaluation->reader->table, evaluation->rule, evaluation->what,
				 evaluation->order->order_key, error);
	order_gone(evaluation->order);
}

static void
check_points(Evaluation *evaluation)
{
	Order	   *order = evaluation->order;

	order->no_points = false;
	if ((order->awards != order->amount && order->awards != number_zero()) || order->parts != (Datum) 0)
		order_check_finite(evaluation->reader->table, order, &evaluation->blame);
}

/* Whose order is a row, and which?  Without an order, only which. */
static void
evaluate_identity(void *arg)
{
	Evaluation *evaluation = (Evaluation *) arg;
	OrderReader *reader = evaluation->reader;
	TrackedTable *table = reader->table;
	Order	   *order = evaluation->order;
	bool		isnull = false;

	if (evaluation->whose)
	{
		evaluation->what = "the customer";
		order->customer = evaluate(reader, &table->customer, evaluation->row, &isnull);
		if (isnull)
			return;
		if (table->customer_length == -1)
			order->customer = plain_value(reader, order->customer);
	}
	evaluation->what = "the order key";
	order->order_key = evaluate(reader, &table->order_key, evaluation->row, &isnull);
	if (isnull)
		return;
	order->order_key = plain_value(reader, order->order_key);
	evaluation->found = true;
}

/* If this cannot be found out, the row is an error, or by option no order. */
static bool
identify(OrderReader *reader, TupleTableSlot *row, Order *order, bool whose)
{
	Evaluation	evaluation = {.reader = reader,.row = row,.order = order,.whose = whose};
	TrackedTable *table = reader->table;
	ErrorData  *error;

	order->order_key = (Datum) 0;
	error = evaluate_guarded(evaluate_identity, &evaluation,
							 table->order_key.may_raise || (whose && table->customer.may_raise));
	if (error == NULL)
		return evaluation.found;
	order_failed(table, NULL, evaluation.what, (Datum) 0, error);
	return false;
}

/*
 * Which order a row is, or a line or refund belongs to.  False if none.
 */
bool
order_key_of(OrderReader *reader, TupleTableSlot *row, Datum *order_key)
{
	Order		order;
	bool		found = identify(reader, row, &order, false);

	*order_key = order.order_key;
	return found;
}

/*
 * Whose order a row is, and which.  False if it is no order.
 */
bool
order_identify(OrderReader *reader, TupleTableSlot *row, Order *order)
{
	return identify(reader, row, order, true);
}

/*
 * The points of an order that counts, under one version of the terms.  If they
 * cannot be had, the order is an error, or does not count.
 */
void
order_evaluate_points(OrderReader *reader, TupleTableSlot *row, Order *order, int32 terms)
{
	Evaluation	evaluation = {.reader = reader,.row = row,.order = order};
	ErrorData  *error;

	evaluation.rules = program_rules(reader->table, terms);
	error = evaluate_guarded(evaluate_rules, &evaluation, evaluation.rules->may_raise);
	if (error == NULL)
		check_points(&evaluation);
	else
		skip_order(&evaluation, error);
}

/*
 * The points of an order that counts and is most likely new, under the present
 * terms.  If they cannot be had, the order is an error, or it takes a look at its
 * own terms: it may be an old one.
 */
void
order_expect_points(OrderReader *reader, TupleTableSlot *row, Order *order)
{
	Evaluation	evaluation = {.reader = reader,.row = row,.order = order};

	evaluation.rules = program_rules(reader->table, reader->table->terms);
	if (evaluate_guarded(evaluate_rules, &evaluation, evaluation.rules->may_raise) == NULL)
		check_points(&evaluation);
}

/*
 * How an identified order stands by its row, but for its points, which are those
 * of its own terms.
 */
void
order_evaluate(OrderReader *reader, TupleTableSlot *row, Order *order)
{
	TrackedTable *table = reader->table;
	Evaluation	evaluation = {.reader = reader,.row = row,.order = order};
	ErrorData  *error;

	order_gone(order);
	error = evaluate_guarded(evaluate_columns, &evaluation, table->may_raise);
	if (error != NULL)
	{
		skip_order(&evaluation, error);
		return;
	}
	if (!order->counts)
	{
		order_gone(order);
		return;
	}
	order->amount = plain_value(reader, order->amount);
	order->awards = order->parts = order->allotted = (Datum) 0;
	order_check_finite(table, order, NULL);
	if (!order->counts)
		return;
	order->awards = number_zero();
	order->no_points = true;
}
