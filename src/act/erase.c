/*
 * erase.c: who wants to be forgotten.
 *
 * What is to be changed of which rows is said by SQL (install/erase.sql), which nobody but
 * the extension writes.  It is run here, since entries may be changed by nobody else: for
 * each of these statements, append_only() is told to let one UPDATE of its table pass.
 *
 * The account of the customer is locked as for a call, so nobody posts or spends
 * meanwhile.  Recording locks no account: what is recorded of the customer in transactions
 * that go on is not seen, and stays with the key that the orders have.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "append_only.h"
#include "authorize.h"

/* What random references are made with, in bytes. */
#define SALT_LENGTH 32

/* Who is erased: the arguments of all statements. */
typedef struct Erasure
{
	Oid			types[5];		/* customer, surrogate, salt, program, */
	Datum		values[5];		/* whether orders follow */
	char		nulls[6];
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

	erasure->types[0] = get_fn_expr_argtype(fcinfo->flinfo, 1);
	erasure->values[0] = PG_GETARG_DATUM(1);
	if (!bring_key(auth->plans, &erasure->values[0], &erasure->types[0]))
		return false;
	erasure->types[1] = erasure->types[0];
	erasure->types[2] = BYTEAOID;
	erasure->values[2] = random_salt();
	erasure->types[3] = NAMEOID;
	erasure->values[3] = NameGetDatum(&auth->plans->schema);
	erasure->types[4] = BOOLOID;
	erasure->values[4] = BoolGetDatum(!PG_ARGISNULL(3) && PG_GETARG_BOOL(3));
	strcpy(erasure->nulls, "     ");
	if (PG_ARGISNULL(2))
	{
		erasure->values[1] = (Datum) 0;
		erasure->nulls[1] = 'n';
		return true;
	}
	erasure->values[1] = PG_GETARG_DATUM(2);
	if (!bring_key(auth->plans, &erasure->values[1], &asked))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the surrogate must be a key that a customer of loyalty program \"%s\" can have", auth->program),
				 errdetail("Keys are of type %s.", format_type_be(auth->plans->customer_type))));
	return true;
}

/* Do a part of it, which adds to the rows that changed; false if there is nothing to do. */
static bool
do_part(Erasure *erasure, const char *query, int64 *changed)
{
	Datum		rows;
	bool		isnull;

	if (SPI_execute_with_args(query, 5, erasure->types, erasure->values, erasure->nulls, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not erase a customer");
	rows = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		*changed += DatumGetInt64(rows);
	return !isnull;
}

/* Run a statement that changes entries of a table. */
static int64
change_entries(Erasure *erasure, Oid table, const char *statement)
{
	volatile int result = 0;

	append_only_permit(table);
	PG_TRY();
	{
		result = SPI_execute_with_args(statement, 3, erasure->types, erasure->values, erasure->nulls, false, 0);
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

	if (SPI_execute_with_args("SELECT s.relation::pg_catalog.oid, s.statement FROM _loyalty.erasing_statements($4) s"
							  " WHERE s.append_only ORDER BY s.n",
							  5, erasure->types, erasure->values, erasure->nulls, true, 0) != SPI_OK_SELECT)
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
	if (read_arguments(fcinfo, &auth, &erasure) &&
		do_part(&erasure, "SELECT _loyalty.prepare_erasure($4, $1, $2, $5)", &changed))
	{
		changed += erase_entries(&erasure);
		(void) do_part(&erasure, "SELECT _loyalty.erase_rows($4, $1, $2, $3)", &changed);
	}
	SPI_finish();
	owner_leave(&auth.scope);
	PG_RETURN_INT64(changed);
}
