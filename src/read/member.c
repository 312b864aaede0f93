/*
 * member.c: the functions of a program that tell of one customer.
 *
 * They ask the views of the program with the rights of their caller, by plans that a
 * session keeps.  What drivers send for a key of another type is brought to that type
 * first: an integer comes as any integer or as numeric, and a string as text.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "entries.h"
#include "program.h"
#include "terms.h"

/* What is asked of a program. */
typedef enum Question
{
	BALANCE,
	FORMER_BALANCE,
	BALANCE_AT,
	TIER_AT,
	QUESTIONS
} Question;

/* %1$s: the schema; %2$s: the key as the views call it; %3$s: its equality; %4$s: the customer. */
static const char *const questions[QUESTIONS] = {
	"SELECT m.points::pg_catalog.numeric FROM %1$s.members m WHERE m.%2$s %3$s %4$s",
	"SELECT m.points::pg_catalog.numeric FROM %1$s.former_members m WHERE m.%2$s %3$s %4$s",
	"SELECT CASE WHEN EXISTS (SELECT FROM %1$s.members m WHERE m.%2$s %3$s %4$s)"
	" OR EXISTS (SELECT FROM %1$s.former_members m WHERE m.%2$s %3$s %4$s)"
	" THEN (SELECT coalesce(pg_catalog.sum(e.points), 0) FROM %1$s.entries e"
	" WHERE e.%2$s %3$s %4$s AND e.effective_at OPERATOR(pg_catalog.<=) $2) END",
	"WITH e AS (SELECT * FROM %1$s.entries x WHERE x.%2$s %3$s %4$s AND x.effective_at OPERATOR(pg_catalog.<=) $2),"
	" o AS (SELECT DISTINCT ON (tracked_table, order_key) ordered_at, counts FROM e"
	" ORDER BY tracked_table, order_key, revision DESC)"
	" SELECT p.terms, (SELECT coalesce(pg_catalog.sum(amount_change), 0) FROM e),"
	" (SELECT coalesce(pg_catalog.sum(orders_change), 0) FROM e),"
	" (SELECT coalesce(pg_catalog.sum(e.points), 0) FROM e), c.joined_at,"
	" (SELECT pg_catalog.min(ordered_at) FROM o WHERE counts),"
	" (SELECT pg_catalog.max(ordered_at) FROM o WHERE counts)"
	" FROM (SELECT m.joined_at FROM %1$s.members m WHERE m.%2$s %3$s %4$s"
	" UNION ALL SELECT m.joined_at FROM %1$s.former_members m WHERE m.%2$s %3$s %4$s) c CROSS JOIN %1$s.program p"
};

/* The plans of a program, and what they were made for: names change. */
typedef struct Plans
{
	Oid			program;		/* its table "program" */
	Oid			customer_type;	/* of its journal */
	NameData	schema;
	NameData	key;
	SPIPlanPtr	plans[QUESTIONS];	/* NULL: not made yet */
	int			running;		/* how many of them */
} Plans;

static HTAB * known_plans = NULL;

static void
forget_plans(Plans *plans)
{
	for (int i = 0; i < QUESTIONS; i++)
	{
		if (plans->plans[i] != NULL)
			SPI_freeplan(plans->plans[i]);
		plans->plans[i] = NULL;
	}
}

/* The plans of a program, none of which is made for other names than it has. */
static Plans *
find_plans(Oid program, Oid schema)
{
	Oid			members = get_relname_relid("members", schema);
	Oid			journal = program_relation(schema, "journal");
	char	   *schema_name = get_namespace_name(schema);
	char	   *key = OidIsValid(members) ? get_attname(members, 1, true) : NULL;
	Oid			type = get_atttype(journal, 1);
	Plans	   *plans;
	bool		found;

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the view \"members\" of loyalty program \"%s\" does not exist", schema_name),
				 errhint("SELECT * FROM loyalty.verify(%s) tells what to do.", quote_literal_cstr(schema_name))));
	if (known_plans == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(Plans)};

		known_plans = hash_create("loyalty plans of programs", 8, &control, HASH_ELEM | HASH_BLOBS);
	}
	plans = hash_search(known_plans, &program, HASH_ENTER, &found);
	if (!found)
	{
		memset(plans->plans, 0, sizeof(plans->plans));
		plans->running = 0;
	}
	else if (plans->customer_type != type || strcmp(NameStr(plans->schema), schema_name) != 0 ||
			 strcmp(NameStr(plans->key), key) != 0)
	{
		/* a plan that runs is not taken away from whoever runs it */
		if (plans->running > 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("loyalty program \"%s\" is altered while it is read", schema_name)));
		forget_plans(plans);
	}
	plans->customer_type = type;
	namestrcpy(&plans->schema, schema_name);
	namestrcpy(&plans->key, key);
	return plans;
}

/* Is a key an integer, whatever its size? */
static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Make a plan, with a customer of a type as argument. */
static SPIPlanPtr
make_plan(Plans *plans, Oid schema, Question question, Oid type)
{
	Oid			types[2] = {type, TIMESTAMPTZOID};
	Relation	journal = relation_open(program_relation(schema, "journal"), AccessShareLock);
	Relation	index = index_open(layout_primary_key(journal), AccessShareLock);
	const char *customer = type == plans->customer_type || type == INT8OID ? "$1" :
	plans->customer_type == BPCHAROID ? "$1::pg_catalog.bpchar" : "$1::pg_catalog.varchar";
	const char *equality = type == INT8OID ? "OPERATOR(pg_catalog.=)" :
	program_key_operator(index, BTEqualStrategyNumber);
	char	   *query = psprintf(questions[question], quote_identifier(NameStr(plans->schema)),
								 quote_identifier(NameStr(plans->key)), equality, customer);
	SPIPlanPtr	plan;

	index_close(index, NoLock);
	relation_close(journal, NoLock);
	plan = SPI_prepare_cursor(query, question == BALANCE || question == FORMER_BALANCE ? 1 : 2, types,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not plan a query on a loyalty program: %s", SPI_result_code_string(SPI_result));
	return plan;
}

/* An integer from a numeric; false if it is none that a key could have. */
static bool
integer_of_numeric(Datum *value)
{
	static Datum limits[2];

	if (!loyalty_numeric_is_finite(DatumGetNumeric(*value)))
		return false;
	if (limits[0] == (Datum) 0)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		limits[1] = DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MAX));
		limits[0] = DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MIN));
		MemoryContextSwitchTo(old);
	}
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, *value, limits[0])) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, *value, limits[1])) ||
		!DatumGetBool(DirectFunctionCall2(numeric_eq, *value,
										  DirectFunctionCall2(numeric_trunc, *value, Int32GetDatum(0)))))
		return false;
	*value = DirectFunctionCall1(numeric_int8, *value);
	return true;
}

/*
 * The key of a customer as the plans take it, and its type then; false if there can be no
 * such customer.
 */
static bool
bring_to_type(const Plans *plans, Datum *customer, Oid *type)
{
	Oid			given = *type;

	if (is_integer(plans->customer_type) && (is_integer(given) || given == NUMERICOID))
	{
		*type = INT8OID;
		if (given == NUMERICOID)
			return integer_of_numeric(customer);
		if (given == INT4OID)
			*customer = Int64GetDatum(DatumGetInt32(*customer));
		else if (given == INT2OID)
			*customer = Int64GetDatum(DatumGetInt16(*customer));
		return true;
	}
	if (given == plans->customer_type ||
		(given == TEXTOID && (plans->customer_type == VARCHAROID || plans->customer_type == BPCHAROID)))
		return true;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("the customers of loyalty program \"%s\" are of another type", NameStr(plans->schema)),
			 errdetail("They are of type %s, and not of type %s.",
					   format_type_be(plans->customer_type), format_type_be(given))));
}

/* The tier, of a row of the answer to the question for the tier. */
static text *
tier_of_row(Oid program, HeapTuple row, TupleDesc desc, TimestampTz at)
{
	enum
	{
		TERMS, SPEND, ORDERS, POINTS, JOINED, FIRST, LAST, COLUMNS
	};
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	Metrics		metrics = {0};

	for (int i = 0; i < COLUMNS; i++)
		values[i] = SPI_getbinval(row, desc, i + 1, &nulls[i]);
	metrics.spend = values[SPEND];
	metrics.orders = DatumGetInt64(values[ORDERS]);
	metrics.points_earned = values[POINTS];
	metrics.has_orders = !nulls[FIRST] && !nulls[LAST];
	metrics.first_order_at = metrics.has_orders ? DatumGetTimestampTz(values[FIRST]) : 0;
	metrics.last_order_at = metrics.has_orders ? DatumGetTimestampTz(values[LAST]) : 0;
	metrics.at = at;
	return terms_tier_name(terms_find(program, DatumGetInt32(values[TERMS])), &metrics, !nulls[JOINED],
						   nulls[JOINED] ? 0 : DatumGetTimestampTz(values[JOINED]));
}

/* Ask; the answer is in the context of the caller.  False: there is no row. */
static bool
ask(Plans *plans, Oid schema, Question question, Datum customer, Oid type, Datum at, MemoryContext context,
	Datum *answer, bool *isnull)
{
	Datum		values[2] = {customer, at};
	bool		found;
	int			result;

	if (plans->plans[question] == NULL)
		plans->plans[question] = make_plan(plans, schema, question, type);
	plans->running++;
	PG_TRY();
	{
		result = SPI_execute_plan(plans->plans[question], values, NULL, true, 1);
	}
	PG_FINALLY();
	{
		plans->running--;
	}
	PG_END_TRY();
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not ask a loyalty program: %s", SPI_result_code_string(result));
	found = SPI_processed > 0;
	*answer = (Datum) 0;
	*isnull = true;
	if (found && question == TIER_AT)
	{
		text	   *tier = tier_of_row(plans->program, SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
									   DatumGetTimestampTz(at));

		*isnull = tier == NULL;
		if (tier != NULL)
			*answer = PointerGetDatum(memcpy(MemoryContextAlloc(context, VARSIZE(tier)), tier, VARSIZE(tier)));
	}
	else if (found)
	{
		*answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
		if (!*isnull)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			*answer = PointerGetDatum(PG_DETOAST_DATUM_COPY(*answer));
			MemoryContextSwitchTo(old);
		}
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* The answer to a question, for a function (program regclass, customer anyelement, at timestamptz). */
static Datum
answer(FunctionCallInfo fcinfo, Question question)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			program = PG_GETARG_OID(0);
	Datum		customer = PG_GETARG_DATUM(1);
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Datum		at = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	Oid			schema = get_rel_namespace(program);
	Plans	   *plans;
	Datum		result = (Datum) 0;
	bool		isnull = true;

	if (!OidIsValid(schema) || strcmp(get_rel_name(program), "program") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u is no loyalty program", program)));
	plans = find_plans(program, schema);
	if (!bring_to_type(plans, &customer, &type))
		PG_RETURN_NULL();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (!ask(plans, schema, question, customer, type, at, context, &result, &isnull) && question == BALANCE)
		(void) ask(plans, schema, FORMER_BALANCE, customer, type, at, context, &result, &isnull);
	SPI_finish();
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

PG_FUNCTION_INFO_V1(loyalty_balance);

/*
 * balance(program regclass, customer anyelement, at timestamptz) returns numeric
 *
 * The points of a customer: all that is recorded, or with a moment what was effective
 * then.  Null for who is neither in the customer table nor has entries.
 */
Datum
loyalty_balance(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return answer(fcinfo, PG_ARGISNULL(2) ? BALANCE : BALANCE_AT);
}

PG_FUNCTION_INFO_V1(loyalty_tier_at);

/*
 * tier_at(program regclass, customer anyelement, at timestamptz) returns text
 *
 * The tier that a customer held at a moment, by the present tiers; null without one.
 */
Datum
loyalty_tier_at(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	return answer(fcinfo, TIER_AT);
}
