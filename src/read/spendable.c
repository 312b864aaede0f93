/*
 * spendable.c: what else a member can spend, or cannot, beside what entries make of the account.
 *
 * Points of some wallets are status points, which nobody can spend, and holds that have timed
 * out give their points back although no entry says so yet.  Most programs have no such
 * wallet and most members no such hold, so these functions are called for the few that
 * have, and a read of all others opens no table for them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "entries.h"
#include "fold.h"
#include "lots.h"
#include "owner.h"
#include "program.h"
#include "terms.h"

PG_FUNCTION_INFO_V1(loyalty_spendable_lots);

/*
 * spendable_lots(lots loyalty.lots, program regclass, terms int, reader uuid) returns lots
 *
 * The lots without status points, which are those of wallets that the version of the
 * terms says cannot be redeemed from.  reader: see terms_check_reader().
 */
Datum
loyalty_spendable_lots(PG_FUNCTION_ARGS)
{
	Terms	   *terms;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	terms = terms_find(PG_GETARG_OID(1), PG_GETARG_INT32(2));
	terms_check_reader(terms, PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3));
	if (terms->statuses == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_LOTS(lots_encode(lots_without(PG_GETARG_LOTS(0), terms->status, terms->statuses)));
}

PG_FUNCTION_INFO_V1(loyalty_released);

/*
 * released(program regclass, terms int, customer anyelement, reader uuid) returns released
 *
 * The points of open holds of an account that have timed out by now, and those of them that
 * expire.  reader: see terms_check_reader().
 */
Datum
loyalty_released(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	OwnerScope	scope;
	EntryTable	journal;
	Terms	   *terms;
	Oid			schema;
	Datum		customer;
	Datum		result;
	bool		isnull;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	customer = PG_GETARG_DATUM(2);
	terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	terms_check_reader(terms, PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3));
	schema = get_rel_namespace(terms->program);
	entry_table_open(&journal, program_relation(schema, "journal"), AccessShareLock, NULL);
	fold_check_customer(&journal, false, type);
	owner_enter(&scope, terms->owner, true, NULL);
	SPI_connect();
	if (SPI_execute_with_args(psprintf("SELECT ROW(pg_catalog.sum(h.points), loyalty.sum(h.lots))::_loyalty.released"
									   " FROM %s.held h WHERE h.customer %s $1 AND h.until <= pg_catalog.now()",
									   quote_identifier(get_namespace_name(schema)), program_key_operator(journal.index, BTEqualStrategyNumber)),
							  1, &type, &customer, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read the holds of a customer");
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		result = SPI_datumTransfer(result, false, -1);
	SPI_finish();
	owner_leave(&scope);
	entry_table_close(&journal);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
