/*
 * kept.c: queries about one customer of a program, whose plans a session keeps.
 *
 * A plan is made when it is needed first, for the names that the program has then: when
 * these change, it is made anew.  What drivers send for a key of another type is brought
 * to that type first: an integer comes as any integer or as numeric, and a string as text.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "compat.h"
#include "entries.h"
#include "kept.h"
#include "program.h"

static HTAB * known_plans = NULL;

static void
forget_plans(KeptPlans *plans)
{
	for (int i = 0; i < KEPT_PLANS; i++)
	{
		if (plans->plans[i] != NULL)
			SPI_freeplan(plans->plans[i]);
		plans->plans[i] = NULL;
	}
}

/*
 * The plans of a program, none of which is made for other names than it has.
 */
KeptPlans *
kept_find(Oid program)
{
	Oid			schema = get_rel_namespace(program);
	char	   *schema_name = OidIsValid(schema) ? get_namespace_name(schema) : NULL;
	KeptPlans  *plans;
	Oid			members;
	char	   *key;
	Oid			type;
	bool		found;

	if (schema_name == NULL || strcmp(get_rel_name(program), "program") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u is no loyalty program", program)));
	members = get_relname_relid("members", schema);
	key = OidIsValid(members) ? get_attname(members, 1, true) : NULL;
	type = get_atttype(program_relation(schema, "journal"), 1);
	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the view \"members\" of loyalty program \"%s\" does not exist", schema_name),
				 errhint("SELECT * FROM loyalty.verify(%s) tells what to do.", quote_literal_cstr(schema_name))));
	if (known_plans == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(KeptPlans)};

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

/* Make a plan, whose first argument is a customer. */
static SPIPlanPtr
make_plan(KeptPlans *plans, const char *format, int count, Oid *types)
{
	Relation	journal = relation_open(program_relation(get_rel_namespace(plans->program), "journal"), AccessShareLock);
	Relation	index = index_open(layout_primary_key(journal), AccessShareLock);
	const char *customer = types[0] == plans->customer_type || types[0] == INT8OID ? "$1" :
	plans->customer_type == BPCHAROID ? "$1::pg_catalog.bpchar" : "$1::pg_catalog.varchar";
	const char *other = psprintf("$2%s", customer + strlen("$1"));
	const char *equality = types[0] == INT8OID ? "OPERATOR(pg_catalog.=)" :
	program_key_operator(index, BTEqualStrategyNumber);
	char	   *query = psprintf(format, quote_identifier(NameStr(plans->schema)),
								 quote_identifier(NameStr(plans->key)), equality, customer, other);
	SPIPlanPtr	plan;

	index_close(index, NoLock);
	relation_close(journal, NoLock);
	plan = SPI_prepare_cursor(query, count, types, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not plan a query on a loyalty program: %s", SPI_result_code_string(SPI_result));
	return plan;
}

/*
 * Run a query, which is always the same for a plan; SPI must be connected.  Of one that only
 * reads, the first row is looked for.
 *
 * In the format, %1$s is the schema, %2$s the key as the views call it, %3$s its
 * equality and %4$s the customer, which is the first argument, as kept_bring_to_type()
 * gave it; %5$s is another one, if that is the second argument.  A value of (Datum) 0 is null, if its type is passed by reference.  What only reads sees what the query of the caller sees.
 */
void
kept_execute(KeptPlans *plans, KeptPlan which, const char *format, int count, Oid *types,
			 Datum *values, int expected)
{
	bool		writes = which > KEPT_LAST_READ;
	char		nulls[KEPT_ARGUMENTS];
	int			result;

	Assert(count <= KEPT_ARGUMENTS);

	if (plans->plans[which] == NULL)
		plans->plans[which] = make_plan(plans, format, count, types);
	for (int i = 0; i < count; i++)
		nulls[i] = values[i] == (Datum) 0 && !get_typbyval(types[i]) ? 'n' : ' ';
	plans->running++;
	PG_TRY();
	{
		result = SPI_execute_plan(plans->plans[which], values, nulls, !writes, writes ? 0 : 1);
	}
	PG_FINALLY();
	{
		plans->running--;
	}
	PG_END_TRY();
	if (result != expected)
		elog(ERROR, "could not ask a loyalty program: %s", SPI_result_code_string(result));
}

/* Is a key an integer, whatever its size? */
static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
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
bool
kept_bring_to_type(const KeptPlans *plans, Datum *customer, Oid *type)
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
