/*
 * verify.c: running verify() as the owner of a program.
 *
 * The recomputation itself is plain SQL (install/verify.sql) that evaluates the
 * program's expressions, so it must not run with the rights of whoever asks.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "layout.h"
#include "owner.h"
#include "program.h"

PG_FUNCTION_INFO_V1(loyalty_verify);

/*
 * verify(program name) returns table (violation, customer, order_key, detail)
 *
 * For everybody who may read the program's ledger.
 */
Datum
loyalty_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *program;
	Oid			schema;
	Oid			ledger;
	AclResult	acl;
	OwnerScope	scope;
	Oid			types[1] = {NAMEOID};
	Datum		values[1];
	Tuplestorestate *store;
	TupleDesc	desc;
	MemoryContext old;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		!(result->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "verify must return a composite type");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("program must not be null")));
	program = NameStr(*PG_GETARG_NAME(0));
	schema = get_namespace_oid(program, true);
	if (!OidIsValid(schema) || !OidIsValid(get_relname_relid("ledger", schema)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" does not exist", program),
				 errhint("The view loyalty.programs lists the programs of this database.")));
	ledger = get_relname_relid("ledger", schema);
	acl = pg_class_aclcheck(ledger, GetUserId(), ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, "ledger");

	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	store = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0,
								  false, work_mem);
	desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
	result->returnMode = SFRM_Materialize;
	result->setResult = store;
	result->setDesc = desc;

	owner_enter(&scope, layout_check_owner(schema), true, NULL);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	values[0] = PG_GETARG_DATUM(0);
	if (SPI_execute_with_args("SELECT v.violation, v.customer, v.order_key, v.detail"
							  " FROM loyalty.verify_program($1) v", 1, types, values,
							  NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not verify a loyalty program");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(store, SPI_tuptable->vals[i]);
	SPI_finish();
	owner_leave(&scope);
	return (Datum) 0;
}
