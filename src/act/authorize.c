/*
 * authorize.c: changing the points of a customer under the lock of the account.
 *
 * The row of the account is locked first.  Under that lock the entries of the customer
 * that wait in the journal are posted, as far as the snapshot shows them; then the
 * account says what the points are, and an entry in the ledger says by how much a call
 * changed them.  Such an entry is of no order: its tracked table is 0, and its order key
 * the reference that the caller gave.  So each reference is there once for a customer,
 * and who repeats a call finds what it did.
 *
 * Who waits for the lock reads afterwards what the other did.  In a transaction that has
 * one snapshot for all its statements, the lock fails if anybody changed the account
 * since that snapshot, as an UPDATE would; so what is read is never older than the lock.
 * Recording locks no account, so no order waits for a call, and no call for an order.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "authorize.h"
#include "compat.h"
#include "layout.h"
#include "nested.h"
#include "number.h"
#include "program.h"

/* See kept_execute() for the placeholders. */
static const char lock_account[] =
"SELECT a.customer AS %2$s, a.points::pg_catalog.numeric, p.points_scale::pg_catalog.int4"
" FROM %1$s.account a CROSS JOIN %1$s.program p WHERE a.customer %3$s %4$s FOR NO KEY UPDATE OF a";

static const char make_account[] =
"INSERT INTO %1$s.account (customer) SELECT k.%2$s FROM"
" (SELECT c.customer AS %2$s FROM %1$s.customer c WHERE c.customer %3$s %4$s"
" UNION ALL SELECT j.customer FROM %1$s.journal j WHERE j.customer %3$s %4$s LIMIT 1) k"
" ON CONFLICT DO NOTHING";

static const char move_account[] =
"UPDATE %1$s.account a SET version = a.version + 1, entries = a.entries + 1, points = a.points + $2,"
" last_recorded_at = greatest(a.last_recorded_at, $3)"
" WHERE a.customer %3$s %4$s RETURNING a.customer AS %2$s, a.entries::pg_catalog.int8";

static const char sum_of_points[] =
"SELECT pg_catalog.sum(l.points_change) AS %2$s FROM %1$s.ledger l"
" WHERE l.customer %3$s %4$s AND l.entry <= $2";

/* A value of the first row; the row must have it. */
static Datum
result_value(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an account of the loyalty program has a null"),
				 errhint("Columns of the table \"account\" of the program must be NOT NULL.")));
	return value;
}

/* Lock and read the account; false: there is none. */
static bool
lock_and_read(Authorization *auth)
{
	kept_execute(auth->plans, KEPT_LOCK_ACCOUNT, lock_account, 1, &auth->asked_type, &auth->asked,
				 SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	if (SPI_processed > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a customer of loyalty program \"%s\" has more than one account", auth->program)));
	auth->customer = posting_copy_customer(&auth->posting, result_value(1));
	auth->points = PointerGetDatum(PG_DETOAST_DATUM_COPY(result_value(2)));
	auth->points_scale = DatumGetInt32(result_value(3));
	SPI_freetuptable(SPI_tuptable);
	return true;
}

static void
unknown_customer(Authorization *auth, Datum customer, Oid type)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	ereport(ERROR,
			(errcode(ERRCODE_LOYALTY_UNKNOWN_CUSTOMER),
			 errmsg("loyalty program \"%s\" has no customer %s", auth->program,
					OidOutputFunctionCall(output, customer)),
			 errhint("It is neither in the table of the customers, nor has it orders.")));
}

/* Has the customer entries in the journal? */
static bool
has_unposted(Authorization *auth)
{
	EntryTable	journal;
	EntryScan	scan;
	Snapshot	snapshot = RegisterSnapshot(posting_snapshot());
	bool		found;

	entry_table_open(&journal, auth->posting.journal, RowExclusiveLock, NULL);
	journal.keys[ENTRY_CUSTOMER].sk_argument = auth->customer;
	scan = entry_scan_begin(&journal, snapshot, journal.keys, 1);
	found = entry_scan_next(&scan);
	entry_scan_end(&scan);
	entry_table_close(&journal);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Post what waits of the customer. */
static void
post_waiting(Authorization *auth)
{
	Posting    *posting = &auth->posting;

	if (!has_unposted(auth))
		return;
	posting->customers = &auth->customer;
	posting->count = 1;
	do
		posting->cut = 1;
	while (posting_run(posting, posting->customers, 1) > 0 && posting->cut == 0);
	if (!lock_and_read(auth))
		elog(ERROR, "the account of a customer is gone while it is locked");
}

/*
 * Begin a call for a customer: the first two arguments of the function are the table
 * "program" of a program, and the customer.  Its function in the program is called with
 * the rights of the owner of the program, who granted them; nobody else may.
 */
void
authorize_begin(Authorization *auth, FunctionCallInfo fcinfo, const char *function)
{
	Oid			given = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Oid			schema;
	Oid			owner;

	nested_refuse_call(function);
	memset(auth, 0, sizeof(*auth));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("customer must not be null")));
	auth->plans = kept_find(PG_GETARG_OID(0));
	auth->program = NameStr(auth->plans->schema);
	schema = get_rel_namespace(PG_GETARG_OID(0));
	owner = layout_check_owner(schema);
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for loyalty program \"%s\"", auth->program),
				 errhint("Call the function %s.%s of the program.", quote_identifier(auth->program), function)));
	writer_require_writable();
	owner_enter(&auth->scope, owner, true, NULL);
	version_require(schema);
	posting_begin(&auth->posting, auth->program, schema);
	auth->asked = PG_GETARG_DATUM(1);
	auth->asked_type = given;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (!kept_bring_to_type(auth->plans, &auth->asked, &auth->asked_type))
		unknown_customer(auth, PG_GETARG_DATUM(1), given);
	if (!lock_and_read(auth))
	{
		kept_execute(auth->plans, KEPT_MAKE_ACCOUNT, make_account, 1, &auth->asked_type, &auth->asked,
					 SPI_OK_INSERT);
		if (!lock_and_read(auth))
			unknown_customer(auth, PG_GETARG_DATUM(1), given);
	}
	post_waiting(auth);
	auth->snapshot = RegisterSnapshot(posting_snapshot());
	entry_table_open(&auth->ledger, auth->posting.ledger, RowExclusiveLock, NULL);
}

/*
 * What was recorded of a call; false if there is none of this reference.
 */
bool
authorize_find(Authorization *auth, text *reference, Call *call)
{
	TupleTableSlot *slot;
	Datum	   *values;

	memset(call, 0, sizeof(*call));
	if (!entry_find_newest(&auth->ledger, auth->snapshot, auth->customer, NO_TRACKED_TABLE,
						   PointerGetDatum(reference)))
		return false;
	slot = auth->ledger.slot;
	slot_getallattrs(slot);
	values = slot->tts_values;
	call->kind = slot->tts_isnull[LEDGER_KIND] ? "" : TextDatumGetCString(values[LEDGER_KIND]);
	call->reference = DatumGetTextPCopy(values[ENTRY_ORDER_KEY]);
	call->points = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[LEDGER_POINTS_CHANGE]));
	call->reverses = slot->tts_isnull[LEDGER_REVERSES] ? NULL : DatumGetTextPCopy(values[LEDGER_REVERSES]);
	call->entry = DatumGetInt64(values[LEDGER_ENTRY]);
	call->at = DatumGetTimestampTz(values[ENTRY_AT]);
	ExecClearTuple(slot);
	return true;
}

/*
 * By how much the points were changed to take back a call.
 */
Datum
authorize_reversed(Authorization *auth, text *reference)
{
	EntryTable *ledger = &auth->ledger;
	Datum		sum = number_zero();
	EntryScan	scan;

	ledger->keys[ENTRY_CUSTOMER].sk_argument = auth->customer;
	ledger->keys[ENTRY_TRACKED_TABLE].sk_argument = Int32GetDatum(NO_TRACKED_TABLE);
	scan = entry_scan_begin(ledger, auth->snapshot, ledger->keys, ENTRY_TRACKED_TABLE + 1);
	while (entry_scan_next(&scan))
	{
		text	   *reverses;

		slot_getallattrs(scan.slot);
		if (scan.slot->tts_isnull[LEDGER_REVERSES])
			continue;
		reverses = DatumGetTextPP(scan.slot->tts_values[LEDGER_REVERSES]);
		if (VARSIZE_ANY_EXHDR(reverses) == VARSIZE_ANY_EXHDR(reference) &&
			memcmp(VARDATA_ANY(reverses), VARDATA_ANY(reference), VARSIZE_ANY_EXHDR(reference)) == 0)
			sum = DirectFunctionCall2(numeric_add, sum, scan.slot->tts_values[LEDGER_POINTS_CHANGE]);
	}
	entry_scan_end(&scan);
	return sum;
}

/*
 * The points must not fall below zero, or what they fall to already, and neither may they
 * be too many to be shown.
 */
void
authorize_require_points(Authorization *auth, Datum change)
{
	Datum		sum = DirectFunctionCall2(numeric_add, auth->points, change);
	Datum		zero = number_zero();

	if (DatumGetBool(DirectFunctionCall2(numeric_lt, change, zero)) &&
		DatumGetBool(DirectFunctionCall2(numeric_lt, sum, zero)))
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_INSUFFICIENT_POINTS),
				 errmsg("not enough points"),
				 errdetail("The customer has %s, and %s are asked for.", number_show(auth->points),
						   number_show(DirectFunctionCall1(numeric_uminus, change)))));
	if (!DatumGetBool(DirectFunctionCall2(numeric_lt, sum, number_account_limit())))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the sum of the points would have more than 26 digits")));
}

/* The entry of a call, into a slot. */
static void
fill_slot(Authorization *auth, const Call *call, TimestampTz recorded_at, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	ExecClearTuple(slot);
	memset(nulls, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	memset(nulls, false, LEDGER_KIND * sizeof(bool));
	values[ENTRY_CUSTOMER] = auth->customer;
	values[ENTRY_TRACKED_TABLE] = Int32GetDatum(NO_TRACKED_TABLE);
	values[ENTRY_ORDER_KEY] = PointerGetDatum(call->reference);
	values[ENTRY_REVISION] = Int32GetDatum(1);
	values[ENTRY_AT] = TimestampTzGetDatum(call->at);
	values[ENTRY_RECORDED_AT] = TimestampTzGetDatum(recorded_at);
	values[ENTRY_TERMS] = Int32GetDatum(0);
	values[ENTRY_COUNTS] = BoolGetDatum(false);
	values[ENTRY_AMOUNT] = values[ENTRY_AWARDS] = values[LEDGER_AMOUNT_CHANGE] = number_zero();
	values[ENTRY_CURRENCY] = text_empty();
	values[ENTRY_RATE] = values[ENTRY_MULTIPLIER] = number_one();
	nulls[ENTRY_JOINED_AT] = nulls[ENTRY_TIER] = true;
	values[ENTRY_MOVED] = BoolGetDatum(false);
	values[LEDGER_ENTRY] = Int64GetDatum(call->entry);
	values[LEDGER_ORDER_POINTS] = values[LEDGER_POINTS_CHANGE] = call->points;
	values[LEDGER_ORDERS_CHANGE] = Int32GetDatum(0);
	values[LEDGER_KIND] = CStringGetTextDatum(call->kind);
	values[LEDGER_REVERSES] = PointerGetDatum(call->reverses);
	values[LEDGER_REASON] = PointerGetDatum(call->reason);
	values[LEDGER_ACTOR] = CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
	nulls[LEDGER_KIND] = nulls[LEDGER_ACTOR] = false;
	nulls[LEDGER_REVERSES] = call->reverses == NULL;
	nulls[LEDGER_REASON] = call->reason == NULL;
	ExecStoreVirtualTuple(slot);
}

/*
 * Write the entry of a call, whose reference is new, and move the account on.
 */
void
authorize_write(Authorization *auth, Call *call)
{
	Oid			types[3] = {auth->asked_type, NUMERICOID, TIMESTAMPTZOID};
	Datum		values[3] = {auth->asked, call->points};
	TimestampTz recorded_at;
	TupleTableSlot *slot;

	call->at = GetCurrentTransactionStartTimestamp();
	/* the clock may have been set back since */
	recorded_at = Max(GetCurrentTimestamp(), call->at);
	values[2] = TimestampTzGetDatum(recorded_at);
	kept_execute(auth->plans, KEPT_MOVE_ACCOUNT, move_account, 3, types, values, SPI_OK_UPDATE_RETURNING);
	if (SPI_processed != 1)
		elog(ERROR, "the account of a customer is gone while it is locked");
	call->entry = DatumGetInt64(result_value(2));
	SPI_freetuptable(SPI_tuptable);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(auth->ledger.heap), &TTSOpsHeapTuple);
	fill_slot(auth, call, recorded_at, slot);
	ExecMaterializeSlot(slot);
	entry_table_insert(&auth->ledger, &slot, 1, NULL);
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
	auth->points = DirectFunctionCall2(numeric_add, auth->points, call->points);
}

/*
 * The points of the customer just after a call.
 */
Datum
authorize_balance(Authorization *auth, const Call *call)
{
	Oid			types[2] = {auth->asked_type, INT8OID};
	Datum		values[2] = {auth->asked, Int64GetDatum(call->entry)};
	Datum		result;

	kept_execute(auth->plans, KEPT_SUM, sum_of_points, 2, types, values, SPI_OK_SELECT);
	result = PointerGetDatum(PG_DETOAST_DATUM_COPY(result_value(1)));
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/*
 * End a call; the lock stays to the end of the transaction.
 */
void
authorize_end(Authorization *auth)
{
	entry_table_close(&auth->ledger);
	UnregisterSnapshot(auth->snapshot);
	SPI_finish();
	owner_leave(&auth->scope);
}
