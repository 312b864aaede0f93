/*
 * ratings.c: grades of customers that decide nothing about points.
 *
 * A rating has grades, of which the one of highest rank whose condition holds is given, and
 * steps, which move it up or down when their condition holds.  These conditions are in the
 * view of the metrics, behind the metrics: the grades of a rating from the highest on, and then
 * its steps in their order.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "condition.h"
#include "metrics.h"
#include "ratings.h"
#include "result.h"

/* A condition of a rating. */
typedef struct RatingCondition
{
	char	   *rating;
	int32		number;			/* among the metrics */
	Condition  *condition;		/* its name is the grade, or why */
	int32		steps;			/* 0: it is a grade */
	char	   *bound;			/* grade; NULL: none */
} RatingCondition;

/* A rating that is found out, or explained. */
typedef struct Rating
{
	List	   *grades;			/* of RatingCondition *, from the highest on */
	List	   *steps;
	int			grade;			/* the place of the grade; -1: none */
} Rating;

/*
 * Remember a condition of the terms if it is one of a rating; given the row of "terms_metric",
 * which has name, kind, rating, steps and bound.  In the memory of the terms.
 */
void
ratings_load(Terms *terms, Condition *condition, HeapTuple row, TupleDesc desc)
{
	char	   *rating = SPI_getvalue(row, desc, 3);
	char	   *steps = SPI_getvalue(row, desc, 4);
	RatingCondition *result;

	if (rating == NULL)
		return;
	result = palloc0(sizeof(RatingCondition));
	result->rating = rating;
	result->number = list_length(terms->metrics);
	result->condition = condition;
	result->steps = steps == NULL ? 0 : pg_strtoint32(steps);
	result->bound = SPI_getvalue(row, desc, 5);
	terms->ratings = lappend(terms->ratings, result);
}

/* The conditions of a rating, or an error if there is none of the name. */
static void
find_rating(Terms *terms, const char *name, Rating *rating)
{
	ListCell   *lc;

	rating->grades = rating->steps = NIL;
	rating->grade = -1;
	foreach(lc, terms->ratings)
	{
		RatingCondition *condition = (RatingCondition *) lfirst(lc);

		if (strcmp(condition->rating, name) != 0)
			continue;
		if (condition->condition->expression.cached == NULL)
			break;
		if (condition->steps == 0)
			rating->grades = lappend(rating->grades, condition);
		else
			rating->steps = lappend(rating->steps, condition);
	}
	if (rating->grades == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no rating \"%s\"",
						get_namespace_name(get_rel_namespace(terms->program)), name),
				 errhint("The table \"rating\" of the program has their grades; SELECT * FROM loyalty.verify(%s) tells whether their conditions are lost.",
						 quote_literal_cstr(get_namespace_name(get_rel_namespace(terms->program))))));
}

static const char *
grade_name(const Rating *rating)
{
	return rating->grade < 0 ? NULL : ((RatingCondition *) list_nth(rating->grades, rating->grade))->condition->name;
}

/* The place of a grade among those of a rating, the highest first; of one that is not there, "otherwise". */
static int
grade_place(const Rating *rating, const char *name, int otherwise)
{
	int			place = 0;
	ListCell   *lc;

	if (name == NULL)
		return otherwise;
	foreach(lc, rating->grades)
	{
		if (strcmp(((RatingCondition *) lfirst(lc))->condition->name, name) == 0)
			return place;
		place++;
	}
	return otherwise;
}

/*
 * Move a rating by a step that holds.  It goes as far as the last grade, or as the bound, and stays
 * if it is beyond that already.
 */
static void
take_step(Rating *rating, const RatingCondition *step)
{
	int			last = list_length(rating->grades) - 1;
	int64		place = (int64) rating->grade - step->steps;

	if (step->steps > 0)
		rating->grade = Max(place, Min(rating->grade, grade_place(rating, step->bound, 0)));
	else
		rating->grade = Min(place, Max(rating->grade, grade_place(rating, step->bound, last)));
	Assert(rating->grade >= 0 && rating->grade <= last);
}

/* Where a rating is explained. */
typedef struct Explanation
{
	Tuplestorestate *store;
	TupleDesc	desc;
} Explanation;

static void
explain_condition(const Explanation *explanation, const Rating *rating, const RatingCondition *condition, bool holds, bool isnull)
{
	const char *grade = grade_name(rating);
	Datum		values[3] = {Int32GetDatum(condition->number), BoolGetDatum(holds), (Datum) 0};
	bool		nulls[3] = {false, isnull, grade == NULL};

	if (grade != NULL)
		values[2] = CStringGetTextDatum(grade);
	tuplestore_putvalues(explanation->store, explanation->desc, values, nulls);
}

/*
 * Find the grade by a rating; with an explanation, all conditions are looked at, and told of.
 */
static void
rate(Terms *terms, const Facts *facts, Rating *rating, const Explanation *explanation)
{
	ConditionScope scope;
	ListCell   *lc;
	bool		isnull;
	bool		holds;

	condition_begin(&scope, terms, terms->econtext, facts, NULL);
	foreach(lc, rating->grades)
	{
		RatingCondition *grade = (RatingCondition *) lfirst(lc);

		holds = DatumGetBool(condition_value(&scope, grade->condition, &isnull)) && !isnull;
		if (holds && rating->grade < 0)
			rating->grade = foreach_current_index(lc);
		if (explanation != NULL)
			explain_condition(explanation, rating, grade, holds, isnull);
		else if (holds)
			break;
	}
	foreach(lc, rating->grade < 0 ? NIL : rating->steps)
	{
		RatingCondition *step = (RatingCondition *) lfirst(lc);

		holds = DatumGetBool(condition_value(&scope, step->condition, &isnull)) && !isnull;
		if (holds)
			take_step(rating, step);
		if (explanation != NULL)
			explain_condition(explanation, rating, step, holds, isnull);
	}
	condition_end(&scope);
}

PG_FUNCTION_INFO_V1(loyalty_rating_of);

/*
 * rating_of(program regclass, terms int, rating text, spend numeric, orders bigint,
 *           points_earned numeric, joined_at timestamptz, first_order_at timestamptz,
 *           last_order_at timestamptz, at timestamptz, reader uuid, purchases loyalty.history,
 *           events _loyalty.event_history[], customer_row jsonb) returns text
 *
 * The grade of a customer of whom these facts are known; null if none qualifies.
 */
Datum
loyalty_rating_of(PG_FUNCTION_ARGS)
{
	Facts		facts = {0};
	Rating		rating;
	Terms	   *terms;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	if (!metrics_read_facts(fcinfo, 3, terms, &facts))
		PG_RETURN_NULL();
	find_rating(terms, text_to_cstring(PG_GETARG_TEXT_PP(2)), &rating);
	rate(terms, &facts, &rating, NULL);
	if (rating.grade < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(grade_name(&rating)));
}

PG_FUNCTION_INFO_V1(loyalty_explain_rating);

/*
 * explain_rating, with the arguments of rating_of, returns setof (number int, holds boolean, grade text)
 *
 * The conditions of the rating, by their numbers among the metrics, whether each holds, null if
 * that is unknown, and the grade from there on.
 */
Datum
loyalty_explain_rating(PG_FUNCTION_ARGS)
{
	Explanation explanation;
	Facts		facts = {0};
	Rating		rating;
	Terms	   *terms;

	explanation.store = result_begin(fcinfo, &explanation.desc);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	if (metrics_read_facts(fcinfo, 3, terms, &facts))
	{
		find_rating(terms, text_to_cstring(PG_GETARG_TEXT_PP(2)), &rating);
		rate(terms, &facts, &rating, &explanation);
	}
	return (Datum) 0;
}
