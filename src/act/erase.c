/*
 * erase.c: who wants to be forgotten.
 *
 * What is to be changed of which rows is said by SQL (install/erase.sql), which nobody but
 * the extension writes.  It is run here, since entries may be changed by nobody else: for
 * each of these statements, append_only() is told to let one UPDATE of its table pass.
 *
 * The accounts of the customer, and of all who were merged with him, are locked, so nobody
 * posts or spends meanwhile.  Recording locks no account: what is recorded of the customer in
 * transactions that go on is not seen, and stays with the key that the orders have.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "append_only.h"
#include "authorize.h"

/* What random references are made with, in bytes. */
#define SALT_LENGTH 32

/* The arguments of all statements. */
typedef enum Argument
{
	CUSTOMER,					/* who is erased */
	SURROGATE,
	SALT,
	KEYS,						/* an array: all that the person has */
	ERASING_ARGUMENTS,			/* what changes rows takes those before this one */
	PROGRAM = ERASING_ARGUMENTS,
	ORDERS_FOLLOW,
	ARGUMENTS
} Argument;

typedef struct Erasure
{
	Oid			types[ARGUMENTS];
	Datum		values[ARGUMENTS];
	char		nulls[ARGUMENTS + 1];
} Erasure;

/*
 * A key as the type that the statements take, which is that below a domain; false if no
 * customer can have it.
 */
static bool
bring_key(const KeptPlans *plans, Datum *key, Oid *type)
{
	Oid			base = getBaseType(plans->customer_type);

	if (*type != base && !kept_bring_to_type(plans, key, type))
		return false;
	*type = getBaseType(*type);
	if (*type != INT8OID)
		return true;
	if (base == INT4OID)
		return DatumGetInt64(*key) >= PG_INT32_MIN && DatumGetInt64(*key) <= PG_INT32_MAX;
	if (base == INT2OID)
		return DatumGetInt64(*key) >= PG_INT16_MIN && DatumGetInt64(*key) <= PG_INT16_MAX;
	return true;
}

static Datum
random_salt(void)
{
	bytea	   *salt = palloc(VARHDRSZ + SALT_LENGTH);

	SET_VARSIZE(salt, VARHDRSZ + SALT_LENGTH);
	if (!pg_strong_random(VARDATA(salt), SALT_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	return PointerGetDatum(salt);
}

/* The arguments; false if no customer can have such a key. */
static bool
read_arguments(FunctionCallInfo fcinfo, Authorization *auth, Erasure *erasure)
{
	Oid			asked = get_fn_expr_argtype(fcinfo->flinfo, 2);

	erasure->types[CUSTOMER] = get_fn_expr_argtype(fcinfo->flinfo, 1);
	erasure->values[CUSTOMER] = PG_GETARG_DATUM(1);
	if (!bring_key(auth->plans, &erasure->values[CUSTOMER], &erasure->types[CUSTOMER]))
		return false;
	erasure->types[SURROGATE] = erasure->types[CUSTOMER];
	erasure->types[SALT] = BYTEAOID;
	erasure->values[SALT] = random_salt();
	erasure->types[KEYS] = get_array_type(erasure->types[CUSTOMER]);
	erasure->types[PROGRAM] = NAMEOID;
	erasure->values[PROGRAM] = NameGetDatum(&auth->plans->schema);
	erasure->types[ORDERS_FOLLOW] = BOOLOID;
	erasure->values[ORDERS_FOLLOW] = BoolGetDatum(!PG_ARGISNULL(3) && PG_GETARG_BOOL(3));
	memset(erasure->nulls, ' ', ARGUMENTS);
	erasure->nulls[ARGUMENTS] = '\0';
	erasure->nulls[KEYS] = 'n';
	if (PG_ARGISNULL(2))
	{
		erasure->values[SURROGATE] = (Datum) 0;
		erasure->nulls[SURROGATE] = 'n';
		return true;
	}
	erasure->values[SURROGATE] = PG_GETARG_DATUM(2);
	if (!bring_key(auth->plans, &erasure->values[SURROGATE], &asked))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the surrogate must be a key that a customer of loyalty program \"%s\" can have", auth->program),
				 errdetail("Keys are of type %s.", format_type_be(auth->plans->customer_type))));
	return true;
}

/* Run a query that returns one value, which is copied; false if it is null. */
static bool
ask_of(Erasure *erasure, const char *query, Datum *value)
{
	bool		isnull;

	if (SPI_execute_with_args(query, ARGUMENTS, erasure->types, erasure->values, erasure->nulls, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not erase a customer");
	*value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
	{
		Form_pg_attribute column = TupleDescAttr(SPI_tuptable->tupdesc, 0);

		*value = datumCopy(*value, column->attbyval, column->attlen);
	}
	SPI_freetuptable(SPI_tuptable);
	return !isnull;
}

/* Lock all that is the person's, and know the keys. */
static void
lock_person(Erasure *erasure)
{
	if (!ask_of(erasure, "SELECT _loyalty.lock_for_erasure($5, $1)", &erasure->values[KEYS]))
		elog(ERROR, "could not find the keys of a customer who is erased");
	erasure->nulls[KEYS] = ' ';
}

/* Do a part of it, which adds to the rows that changed; false if there is nothing to do. */
static bool
do_part(Erasure *erasure, const char *query, int64 *changed)
{
	Datum		rows;

	if (!ask_of(erasure, query, &rows))
		return false;
	*changed += DatumGetInt64(rows);
	return true;
}

/* Run a statement that changes entries of a table. */
static int64
change_entries(Erasure *erasure, Oid table, const char *statement)
{
	volatile int result = 0;

	append_only_permit(table);
	PG_TRY();
	{
		result = SPI_execute_with_args(statement, ERASING_ARGUMENTS, erasure->types, erasure->values, erasure->nulls, false, 0);
	}
	PG_FINALLY();
	{
		append_only_withdraw();
	}
	PG_END_TRY();
	if (result != SPI_OK_UPDATE)
		elog(ERROR, "could not erase entries: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* Erase the customer from all tables of entries; returns how many changed. */
static int64
erase_entries(Erasure *erasure)
{
	SPITupleTable *statements;
	uint64		count;
	int64		changed = 0;

	if (SPI_execute_with_args("SELECT pg_catalog.format('%I.%I', $5, s.relation)::pg_catalog.regclass::pg_catalog.oid, s.statement"
							  " FROM _loyalty.erasing_statements($5) s WHERE s.append_only ORDER BY s.n",
							  ARGUMENTS, erasure->types, erasure->values, erasure->nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not find out what is to be erased");
	statements = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		Oid			table = DatumGetObjectId(SPI_getbinval(statements->vals[i], statements->tupdesc, 1, &isnull));

		CHECK_FOR_INTERRUPTS();
		changed += change_entries(erasure, table, SPI_getvalue(statements->vals[i], statements->tupdesc, 2));
	}
	SPI_freetuptable(statements);
	return changed;
}

PG_FUNCTION_INFO_V1(loyalty_erase);

/*
 * erase(program regclass, customer anyelement, surrogate anycompatible, orders_follow bool)
 * returns bigint
 *
 * Erases what names a customer, with another key in place of his, if one is given; returns
 * how many rows changed.
 */
Datum
loyalty_erase(PG_FUNCTION_ARGS)
{
	Authorization auth;
	Erasure		erasure;
	int64		changed = 0;

	authorize_enter(&auth, fcinfo, "erase");
	if (read_arguments(fcinfo, &auth, &erasure))
	{
		lock_person(&erasure);
		if (do_part(&erasure, "SELECT _loyalty.prepare_erasure($5, $1, $2, $4, $6)", &changed))
		{
			changed += erase_entries(&erasure);
			(void) do_part(&erasure, "SELECT _loyalty.erase_rows($5, $1, $2, $3, $4)", &changed);
		}
	}
	SPI_finish();
	owner_leave(&auth.scope);
	PG_RETURN_INT64(changed);
}
