/*
 * post.c: moving entries from the journal to the ledger, in batches.
 *
 * A batch takes whole customers, in key order (see poster.c), all in one transaction.
 * Who has been granted DELETE on the journal may post, and nothing else by it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "entries.h"
#include "layout.h"
#include "nested.h"
#include "owner.h"
#include "post.h"
#include "poster.h"
#include "program.h"

/*
 * The next customers that have entries, about as many as have "limit" entries.
 * Read from the index in its order, whatever the planner would think.  Nothing is
 * decided by these rows but whose accounts to lock.
 */
static void
find_customers(Posting *batch, Datum after, bool from_start, int limit)
{
	EntryTable	journal;
	EntryScan	scan;
	ScanKeyData key;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			size = 64;
	int			seen = 0;

	batch->customers = palloc(size * sizeof(Datum));
	entry_table_open(&journal, batch->journal, RowExclusiveLock, NULL);
	if (!from_start)
		entry_customer_key(&journal, BTGreaterStrategyNumber, after, &key);
	scan = entry_scan_begin(&journal, snapshot, &key, from_start ? 0 : 1);
	while (seen < limit && entry_scan_next(&scan))
	{
		bool		isnull;
		Datum		customer = slot_getattr(scan.slot, ENTRY_CUSTOMER + 1, &isnull);

		seen++;
		if (batch->count > 0 &&
			posting_compare_customers(batch, batch->customers[batch->count - 1], customer) == 0)
			continue;
		if (batch->count == size)
		{
			size *= 2;
			batch->customers = repalloc_huge(batch->customers, size * sizeof(Datum));
		}
		batch->customers[batch->count++] = posting_copy_customer(batch, customer);
	}
	entry_scan_end(&scan);
	entry_table_close(&journal);
	UnregisterSnapshot(snapshot);
}

/* Was any customer of a program, whose name is quoted, merged into another one?  SPI is connected. */
static bool
any_merged(const char *program)
{
	bool		isnull;

	if (SPI_execute(psprintf("SELECT EXISTS (SELECT FROM %s.merged)", program), true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for customers who were merged into others");
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* The accounts of customers, in the order of their keys, in place of these; SPI is connected. */
static void
become_accounts(Posting *batch, MemoryContext context)
{
	Oid			types[1] = {get_array_type(batch->key_type)};
	Datum		values[1];
	char	   *query = psprintf("SELECT DISTINCT coalesce(m.survivor, k.customer) AS account"
								 " FROM pg_catalog.unnest($1) k (customer) LEFT JOIN %s.merged m ON m.customer %s k.customer ORDER BY 1",
								 batch->program, batch->operators[0]);
	MemoryContext old;

	values[0] = posting_customer_array(batch, batch->customers, batch->count);
	if (SPI_execute_with_args(query, 1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for customers who were merged into others");
	old = MemoryContextSwitchTo(context);
	batch->count = SPI_processed;
	for (int i = 0; i < batch->count; i++)
	{
		bool		isnull;

		batch->customers[i] = posting_copy_customer(batch, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	MemoryContextSwitchTo(old);
}

/*
 * The accounts that have the entries of customers, in place of these: those of customers who
 * were merged into others are these'.  False: nobody was.
 */
static bool
find_accounts(Posting *batch)
{
	MemoryContext context = CurrentMemoryContext;
	bool		found;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	found = any_merged(batch->program);
	if (found)
		become_accounts(batch, context);
	SPI_finish();
	return found;
}

/* Post a batch; returns how many entries, and the customer to go on behind, or (Datum) 0. */
static int64
post_batch(Posting *batch, bool *goes_on)
{
	Datum		found = batch->customers[batch->count - 1];
	bool		by_account = find_accounts(batch);
	int64		posted;
	int			last;

	batch->cut = batch->count;
	posted = posting_run(batch, batch->customers, batch->count);
	/* one with more entries than are posted at once is first in the next batch */
	last = posted > 0 ? Min(batch->cut, batch->count) - 1 : batch->count - 1;
	*goes_on = by_account ? last == batch->count - 1 : last >= 0;
	batch->last = by_account ? found : last >= 0 ? batch->customers[last] : (Datum) 0;
	return posted;
}

/*
 * The schema of a program that the current user may post, or an error.
 */
Oid
post_require(const char *program)
{
	Oid			schema = get_namespace_oid(program, true);
	Oid			journal = OidIsValid(schema) ? get_relname_relid("journal", schema) : InvalidOid;
	AclResult	acl;

	if (!OidIsValid(journal))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" does not exist", program),
				 errhint("The view loyalty.programs lists the programs of this database.")));
	acl = pg_class_aclcheck(journal, GetUserId(), ACL_DELETE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, "journal");
	/* what the owner lacks is no fault of a customer's entries */
	owner_require_call(owner_of_program(program, &schema), "note_posted");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("posting runs under READ COMMITTED only"),
				 errhint("Let its transaction begin with SET TRANSACTION ISOLATION LEVEL READ COMMITTED, or set default_transaction_isolation to that.")));
	return schema;
}

PG_FUNCTION_INFO_V1(loyalty_post_batch);

/*
 * post_batch(program name, after text, batch int, OUT last text, OUT posted bigint, OUT more bool)
 *
 * Posts the entries of the next customers behind the key "after", or from the
 * start if that is null.  If there may be more, last is the key to go on with.
 */
Datum
loyalty_post_batch(PG_FUNCTION_ARGS)
{
	Posting		batch = {0};
	OwnerScope	scope;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {true, false, false};
	const char *program;
	Oid			schema;
	int64		posted = 0;

	nested_refuse_call("post_batch");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("program must be given, and batch must be at least 1")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "post_batch must return a composite type");
	program = NameStr(*PG_GETARG_NAME(0));
	schema = post_require(program);
	writer_require_writable();

	/* Keys are read, compared and written by code of the owner's choice. */
	owner_enter(&scope, layout_check_owner(schema), true, NULL);
	version_require(schema);
	posting_begin(&batch, program, schema);
	find_customers(&batch,
				   PG_ARGISNULL(1) ? (Datum) 0 : posting_key_from_text(&batch, PG_GETARG_TEXT_PP(1)),
				   PG_ARGISNULL(1), PG_GETARG_INT32(2));
	if (batch.count > 0)
	{
		bool		goes_on;

		posted = post_batch(&batch, &goes_on);
		nulls[0] = !goes_on && PG_ARGISNULL(1);
		values[0] = nulls[0] ? (Datum) 0 : !goes_on ? PG_GETARG_DATUM(1) :
			PointerGetDatum(posting_key_to_text(&batch, batch.last));
	}
	owner_leave(&scope);
	values[1] = Int64GetDatum(posted);
	values[2] = BoolGetDatum(batch.count > 0);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Do the next batch by SQL; returns false at the end. */
static bool
next_batch(const char *query, Datum *arguments, char *nulls, MemoryContext context, int64 *done)
{
	Oid			types[3] = {NAMEOID, TEXTOID, INT4OID};
	Datum		row[3];
	bool		isnull[3];

	if (SPI_execute_with_args(query, 3, types, arguments, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not do a batch");
	for (int c = 0; c < lengthof(row); c++)
		row[c] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, c + 1, &isnull[c]);
	*done += DatumGetInt64(row[1]);
	nulls[1] = isnull[0] ? 'n' : ' ';
	if (!isnull[0])
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		arguments[1] = PointerGetDatum(PG_DETOAST_DATUM_COPY(row[0]));
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	return DatumGetBool(row[2]);
}

/*
 * Run a query over all customers of a program, a batch of them after the other, with SPI
 * connected: its parameters are the program, the key to go on behind, which is null at
 * first, and the size of a batch; and it gives a row of the key to go on with, how much
 * was done, and whether there may be more.  Commits after each batch, unless that cannot
 * be.  Returns how much was done in all.
 */
int64
post_batches(const char *query, Datum program, int batch, bool atomic)
{
	/* the memory of the procedure lives on when a transaction ends */
	MemoryContext context = CurrentMemoryContext;
	Datum		arguments[3] = {program, (Datum) 0, Int32GetDatum(batch)};
	char		nulls[4] = " n ";
	int64		done = 0;

	while (next_batch(query, arguments, nulls, context, &done))
	{
		if (atomic)
			continue;
		SPI_commit();
		SPI_start_transaction();
	}
	return done;
}

/* Remove what the program does not need any more, as its owner. */
static void
remove_unused_terms(Datum program)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {program};
	Oid			schema;
	OwnerScope	scope;

	owner_enter_writing(&scope, owner_of_program(NameStr(*DatumGetName(program)), &schema));
	if (SPI_execute_with_args("SELECT _loyalty.remove_unused_terms($1)", 1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not remove unused terms");
	owner_leave(&scope);
}

/*
 * Begin a procedure (program name, batch int) that works through all customers: connects
 * SPI, returns the program in memory that lives on, and says whether it runs in a
 * transaction of somebody else, so that it cannot commit.
 */
Datum
post_begin_procedure(FunctionCallInfo fcinfo, const char *function, bool *atomic)
{
	CallContext *call = (CallContext *) fcinfo->context;

	*atomic = call == NULL || !IsA(call, CallContext) || call->atomic;
	nested_refuse_call(function);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("program must not be null"),
				 errhint("The view loyalty.programs lists the programs of this database.")));
	if (PG_ARGISNULL(1) || PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be at least 1"),
				 PG_ARGISNULL(1) ? errdetail("It is null.") :
				 errdetail("It is %d.", PG_GETARG_INT32(1))));
	(void) post_require(NameStr(*PG_GETARG_NAME(0)));
	if (SPI_connect_ext(*atomic ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	return datumCopy(PG_GETARG_DATUM(0), false, NAMEDATALEN);
}

/*
 * Was any customer of a program merged into another one?  Asked as its owner.
 */
static bool
has_merged(Datum program)
{
	Oid			schema;
	OwnerScope	scope;
	bool		found;

	owner_enter_writing(&scope, owner_of_program(NameStr(*DatumGetName(program)), &schema));
	found = any_merged(quote_identifier(NameStr(*DatumGetName(program))));
	owner_leave(&scope);
	return found;
}

/*
 * Post all entries of a program; returns how many.  Accounts are locked in the order of their
 * keys.  A later batch may find entries of a customer whose account is before: so all is
 * one batch, where locks are kept from one to the next.
 */
int64
post_all(Datum program, int batch, bool atomic)
{
	int64		posted = post_batches("SELECT p.last, p.posted, p.more FROM _loyalty.post_batch($1, $2, $3) p",
									  program, atomic && has_merged(program) ? PG_INT32_MAX : batch, atomic);

	remove_unused_terms(program);
	return posted;
}

PG_FUNCTION_INFO_V1(loyalty_post);

/*
 * post(program name, batch int): procedure.
 *
 * Posts all entries, about "batch" of them at once, and commits after each batch
 * if it is called outside of a transaction block.  Inside of one, which most
 * drivers and frameworks begin by themselves, all is posted in that transaction.
 */
Datum
loyalty_post(PG_FUNCTION_ARGS)
{
	bool		atomic;
	Datum		program = post_begin_procedure(fcinfo, "post", &atomic);
	int64		posted = post_all(program, PG_GETARG_INT32(1), atomic);

	SPI_finish();
	ereport(NOTICE,
			(errmsg("posted " INT64_FORMAT " entries", posted)));
	PG_RETURN_VOID();
}
