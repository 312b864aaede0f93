/*
 * authorize.c: changing the points of a customer under the lock of the account.
 *
 * The row of the account is locked first.  Under that lock the entries of the customer
 * that wait in the journal are posted, as far as the snapshot shows them; then the
 * account says what the points are, and an entry in the ledger says by how much a call
 * changed them.  Such an entry is of no order: its tracked table is 0, and its order key
 * the reference that the caller gave.  So each reference is there once for a customer,
 * and who repeats a call finds what it did.  What ends a hold is the second entry of its
 * reference, so a hold is ended once.  The table "held" has the holds that are open, by the
 * ledger.
 *
 * Who waits for the lock reads afterwards what the other did.  In a transaction that has
 * one snapshot for all its statements, the lock fails if anybody changed the account
 * since that snapshot, as an UPDATE would; so what is posted is never older than the lock.
 * Of what waits in the journal, such a transaction knows what its snapshot shows.
 * Recording locks no account, so no order waits for a call, and no call for an order.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "authorize.h"
#include "compat.h"
#include "fold.h"
#include "layout.h"
#include "nested.h"
#include "number.h"
#include "program.h"
#include "wallet.h"

/* See kept_execute() for the placeholders. */
static const char lock_account[] =
"SELECT a.customer AS %2$s, a.points::pg_catalog.numeric,"
" a.next_release IS NOT NULL AND a.next_release <= pg_catalog.now(), a.lots::loyalty.lots, a.merged_into, a.merged"
" FROM %1$s.account a WHERE a.customer %3$s %4$s FOR NO KEY UPDATE";

static const char present_terms[] =
"SELECT p.terms::pg_catalog.int4 AS %2$s, p.points_scale::pg_catalog.int4 FROM %1$s.program p";

static const char make_account[] =
"INSERT INTO %1$s.account (customer) SELECT k.%2$s FROM"
" (SELECT c.customer AS %2$s FROM %1$s.customer c WHERE c.customer %3$s %4$s"
" UNION ALL SELECT j.customer FROM %1$s.journal j WHERE j.customer %3$s %4$s LIMIT 1) k"
" ON CONFLICT DO NOTHING";

static const char move_account[] =
"UPDATE %1$s.account a SET version = a.version + 1, entries = a.entries + 1, points = a.points + $2,"
" last_recorded_at = greatest(a.last_recorded_at, $3), lots = coalesce($4, a.lots)"
" WHERE a.customer %3$s %4$s RETURNING a.customer AS %2$s, a.entries::pg_catalog.int8";

static const char move_held[] =
"UPDATE %1$s.account a SET version = a.version + 1, entries = a.entries + 1, points = a.points + $2,"
" last_recorded_at = greatest(a.last_recorded_at, $3), lots = coalesce($4, a.lots), held = a.held + $5, next_release = (SELECT pg_catalog.min(h.until)"
" FROM %1$s.held h WHERE h.customer %3$s %4$s AND h.until < 'infinity'::pg_catalog.timestamptz)"
" WHERE a.customer %3$s %4$s RETURNING a.customer AS %2$s, a.entries::pg_catalog.int8";

static const char new_hold[] =
"INSERT INTO %1$s.held (customer, reference, points, until, lots, recorded_for) SELECT a.customer AS %2$s, $2, $3, $4, $5, $6"
" FROM %1$s.account a WHERE a.customer %3$s %4$s";

static const char ended_hold[] =
"DELETE FROM %1$s.held h WHERE h.customer %3$s %4$s AND h.reference = $2 AND h.recorded_for %3$s $3 RETURNING h.customer AS %2$s";

static const char timed_out_holds[] =
"SELECT h.customer AS %2$s, h.reference, h.points, h.until, h.lots, h.recorded_for FROM %1$s.held h"
" WHERE h.customer %3$s %4$s AND h.until <= pg_catalog.now() ORDER BY h.until, h.reference, h.recorded_for";

static const char sum_of_points[] =
"SELECT pg_catalog.sum(l.points_change) AS %2$s, loyalty.sum(l.lots) FROM"
" (SELECT l.points_change, l.lots FROM %1$s.ledger l WHERE l.customer %3$s %4$s AND l.account IS NULL AND l.entry <= $2"
" UNION ALL SELECT l.points_change, l.lots FROM %1$s.ledger l WHERE l.account %3$s %4$s AND l.entry <= $2) l";

static const char survivor_of[] =
"SELECT m.customer AS %2$s, m.survivor FROM %1$s.merged m WHERE m.customer %3$s %4$s";

static const char counterpart_of[] =
"SELECT l.counterpart AS %2$s FROM %1$s.ledger l WHERE l.customer %3$s %4$s AND l.tracked_table = 0 AND l.order_key = $2"
" AND l.revision = 1 AND l.kind = 'transfer' AND l.counterpart IS NOT NULL";

static const char table_of_order[] =
"SELECT t.relation::pg_catalog.regclass::pg_catalog.text AS %2$s FROM %1$s.tracked_table t WHERE EXISTS (SELECT FROM %1$s.ledger l"
" WHERE l.customer %3$s %4$s AND l.tracked_table = t.tracked_table AND l.order_key = $2) ORDER BY t.tracked_table LIMIT 1";

static const char make_two[] =
"INSERT INTO %1$s.account (customer) SELECT k.%2$s FROM"
" (SELECT c.customer AS %2$s FROM %1$s.customer c WHERE c.customer %3$s %4$s OR c.customer %3$s %5$s"
" UNION SELECT j.customer FROM %1$s.journal j WHERE j.customer %3$s %4$s OR j.customer %3$s %5$s) k"
" ORDER BY 1 ON CONFLICT DO NOTHING";

static const char lock_two[] =
"SELECT a.customer AS %2$s FROM %1$s.account a WHERE a.customer %3$s %4$s OR a.customer %3$s %5$s"
" ORDER BY a.customer FOR NO KEY UPDATE";

static const char present_points[] =
"SELECT x.points::pg_catalog.numeric AS %2$s FROM"
" (SELECT m.points FROM %1$s.members m WHERE m.%2$s %3$s %4$s"
" UNION ALL SELECT m.points FROM %1$s.former_members m WHERE m.%2$s %3$s %4$s) x";

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

/* A value of the first row; none: (Datum) 0.  That can be a value, too. */
static Datum
value_or_none(int column, bool *is_there)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	*is_there = !isnull;
	return isnull ? (Datum) 0 : value;
}

/*
 * Which terms are in force?  Asked after a lock, by a query of its own: the snapshot of that
 * which waited for the lock is older than what it waited for, and shows terms that may be of
 * before.  By the lock of an account they are those of all points that it has; by that of a
 * wallet, those of the wallet as it is.
 */
void
authorize_read_terms(Authorization *auth)
{
	kept_execute(auth->plans, KEPT_TERMS, present_terms, 1, &auth->asked_type, &auth->asked, SPI_OK_SELECT);
	if (SPI_processed != 1)
		elog(ERROR, "loyalty program \"%s\" has no settings", auth->program);
	auth->terms = DatumGetInt32(result_value(1));
	auth->points_scale = DatumGetInt32(result_value(2));
	SPI_freetuptable(SPI_tuptable);
}

/* Lock and read the account; false: there is none. */
static bool
lock_and_read(Authorization *auth)
{
	Datum		merged_into;
	Datum		merged;
	bool		has_merged;
	bool		has_lots;
	Datum		lots;

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
	auth->has_timed_out = DatumGetBool(result_value(3));
	auth->at = GetCurrentTransactionStartTimestamp();
	lots = value_or_none(4, &has_lots);
	auth->purse = purse_begin(auth->points, lots);
	auth->purse->now = auth->at;
	merged_into = value_or_none(5, &auth->is_merged);
	merged = value_or_none(6, &has_merged);
	auth->survivor = auth->is_merged ? posting_copy_customer(&auth->posting, merged_into) : (Datum) 0;
	auth->keys = fold_keys(auth->customer, has_merged ? PointerGetDatum(PG_DETOAST_DATUM_COPY(merged)) : (Datum) 0,
						   auth->posting.key_type);
	SPI_freetuptable(SPI_tuptable);
	authorize_read_terms(auth);
	authorize_know_wallets(auth, auth->purse, NULL);
	auth->present = purse_available(auth->purse, auth->at);
	return true;
}

/* A customer, for a message. */
static char *
show_customer(Datum customer, Oid type)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, customer);
}

static void
unknown_customer(Authorization *auth, Datum customer, Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOYALTY_UNKNOWN_CUSTOMER),
			 errmsg("loyalty program \"%s\" has no customer %s", auth->program, show_customer(customer, type)),
			 errdetail("Nobody with this key is in the table of the customers, or has orders."),
			 errhint("Name customers by the key that the table of the customers has; insert who is new there before.")));
}

/* Has the account entries in the journal? */
static bool
has_unposted(Authorization *auth)
{
	EntryTable	journal;
	Snapshot	snapshot = RegisterSnapshot(posting_snapshot());
	bool		found = false;

	entry_table_open(&journal, auth->posting.journal, RowExclusiveLock, NULL);
	for (int i = 0; i < auth->keys.count && !found; i++)
	{
		EntryScan	scan;

		journal.keys[ENTRY_CUSTOMER].sk_argument = auth->keys.keys[i];
		scan = entry_scan_begin(&journal, snapshot, journal.keys, 1);
		found = entry_scan_next(&scan);
		entry_scan_end(&scan);
	}
	entry_table_close(&journal);
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * What could not be posted cannot be spent, but what it takes is not there either: readers
 * see it.
 */
static void
count_unposted(Authorization *auth)
{
	Datum		points;

	kept_execute(auth->plans, KEPT_PRESENT, present_points, 1, &auth->asked_type, &auth->asked, SPI_OK_SELECT);
	if (SPI_processed != 1)
		return;
	points = PointerGetDatum(PG_DETOAST_DATUM_COPY(result_value(1)));
	SPI_freetuptable(SPI_tuptable);
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, points, auth->present)))
		auth->present = points;
}

/* Post what waits of the customer; a run that is cut after many of his entries is followed by another. */
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
	auth->has_unposted = has_unposted(auth);
	if (auth->has_unposted)
		count_unposted(auth);
}

/*
 * Was the customer who was named merged into the one whose account is locked?
 */
bool
authorize_passes_on(const Authorization *auth)
{
	return posting_compare_customers((Posting *) &auth->posting, auth->customer, auth->recorded_for) != 0;
}

/* The entry of a call, into a slot. */
static void
fill_slot(Authorization *auth, const Call *call, TimestampTz recorded_at, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	ExecClearTuple(slot);

	/*
	 * columns before "kind" have values, but for five; those from it on are null unless
	 * they are set
	 */
	memset(nulls, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	memset(nulls, false, LEDGER_KIND * sizeof(bool));
	values[ENTRY_CUSTOMER] = auth->recorded_for;
	values[ENTRY_TRACKED_TABLE] = Int32GetDatum(call->tracked_table);
	values[ENTRY_ORDER_KEY] = PointerGetDatum(call->reference);
	values[ENTRY_REVISION] = Int32GetDatum(call->revision);
	values[ENTRY_AT] = TimestampTzGetDatum(call->at);
	values[ENTRY_RECORDED_AT] = TimestampTzGetDatum(recorded_at);
	values[ENTRY_TERMS] = Int32GetDatum(call->terms);
	values[ENTRY_COUNTS] = BoolGetDatum(false);
	values[ENTRY_AMOUNT] = number_zero();
	values[ENTRY_AWARDS] = call->points_earned == (Datum) 0 ? number_zero() : call->points_earned;
	values[LEDGER_AMOUNT_CHANGE] = call->spend == (Datum) 0 ? number_zero() : call->spend;
	values[ENTRY_CURRENCY] = text_empty();
	values[ENTRY_RATE] = values[ENTRY_MULTIPLIER] = number_one();
	nulls[ENTRY_JOINED_AT] = nulls[ENTRY_TIER] = nulls[ENTRY_AVAILABLE_AT] = nulls[ENTRY_PARTS] = nulls[ENTRY_HELD_RULES] = true;
	nulls[ENTRY_CAME_FROM] = nulls[ENTRY_CAME_REVISION] = nulls[ENTRY_CAME_OVER] = nulls[ENTRY_ALLOTTED] = nulls[ENTRY_EVENT] = nulls[ENTRY_MEMBER] = true;
	values[ENTRY_MOVED] = BoolGetDatum(false);
	values[LEDGER_ENTRY] = Int64GetDatum(call->entry);
	values[LEDGER_ORDER_POINTS] = call->net;
	values[LEDGER_POINTS_CHANGE] = call->points;
	values[LEDGER_ORDERS_CHANGE] = Int32GetDatum(call->orders);
	values[LEDGER_KIND] = CStringGetTextDatum(call->kind);
	values[LEDGER_REVERSES] = PointerGetDatum(call->reverses);
	values[LEDGER_REASON] = PointerGetDatum(call->reason);
	/* not the owner, whose rights the function of the program has, but who called that */
	values[LEDGER_ACTOR] = CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
	nulls[LEDGER_KIND] = nulls[LEDGER_ACTOR] = false;
	nulls[LEDGER_REVERSES] = call->reverses == NULL;
	nulls[LEDGER_REASON] = call->reason == NULL;
	values[LEDGER_UNTIL] = TimestampTzGetDatum(call->until);
	nulls[LEDGER_UNTIL] = strcmp(call->kind, HOLD) != 0;
	values[LEDGER_LOTS] = call->lots;
	nulls[LEDGER_LOTS] = call->lots == (Datum) 0;
	values[LEDGER_COUNTERPART] = call->counterpart;
	nulls[LEDGER_COUNTERPART] = !call->has_counterpart;
	values[LEDGER_ACCOUNT] = auth->customer;
	nulls[LEDGER_ACCOUNT] = !authorize_passes_on(auth);
	values[LEDGER_PAYS_FOR] = PointerGetDatum(call->pays_for);
	values[LEDGER_PAYS_TABLE] = Int32GetDatum(call->pays_table);
	nulls[LEDGER_PAYS_FOR] = nulls[LEDGER_PAYS_TABLE] = call->pays_for == NULL;
	ExecStoreVirtualTuple(slot);
}

/* Move the account on by a call, and give it its number. */
static void
move_account_on(Authorization *auth, Call *call, TimestampTz recorded_at)
{
	Oid			types[5] = {auth->asked_type, NUMERICOID, TIMESTAMPTZOID, layout_lots_type(), NUMERICOID};
	Datum		values[5] = {auth->asked, call->points, TimestampTzGetDatum(recorded_at), (Datum) 0, call->held};

	if (call->lots != (Datum) 0)
		values[3] = LotsGetDatum(purse_lots(auth->purse));
	if (call->held == (Datum) 0)
		kept_execute(auth->plans, KEPT_MOVE_ACCOUNT, move_account, 4, types, values, SPI_OK_UPDATE_RETURNING);
	else
		kept_execute(auth->plans, KEPT_MOVE_HELD, move_held, 5, types, values, SPI_OK_UPDATE_RETURNING);
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the account of a customer of loyalty program \"%s\" was not updated", auth->program),
				 errhint("Look for a trigger or rule on the table \"account\" of the program that keeps it from that.")));
	call->entry = DatumGetInt64(result_value(2));
	SPI_freetuptable(SPI_tuptable);
	auth->points = DirectFunctionCall2(numeric_add, auth->points, call->points);
}

/* Note a hold, or that it is one no more. */
static void
note_hold(Authorization *auth, const Call *call)
{
	Oid			types[6] = {auth->asked_type, TEXTOID, NUMERICOID, TIMESTAMPTZOID, layout_lots_type(), auth->posting.key_type};
	Datum		values[6] = {auth->asked, PointerGetDatum(call->reference), call->held,
	TimestampTzGetDatum(call->until), (Datum) 0, auth->recorded_for};

	if (strcmp(call->kind, HOLD) == 0)
	{
		if (call->lots != (Datum) 0)
		{
			LotList    *kept = lots_decode(DatumGetLots(call->lots));

			lots_negate(kept);
			values[4] = LotsGetDatum(lots_encode(kept));
		}
		kept_execute(auth->plans, KEPT_HOLD, new_hold, 6, types, values, SPI_OK_INSERT);
	}
	else
	{
		types[2] = types[5];
		values[2] = values[5];
		kept_execute(auth->plans, KEPT_UNHOLD, ended_hold, 3, types, values, SPI_OK_DELETE_RETURNING);
	}
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the table \"held\" of loyalty program \"%s\" is not what its ledger says", auth->program),
				 errhint("SELECT * FROM loyalty.verify(%s) tells what to do.", quote_literal_cstr(auth->program))));
}

/*
 * Write the entry of a call that was made at its moment, and what it did to the purse, and
 * move the account on.
 */
void
authorize_write_at(Authorization *auth, Call *call)
{
	/* the clock may have been set back since the transaction began */
	TimestampTz recorded_at = Max(GetCurrentTimestamp(), call->at);
	TupleTableSlot *slot;

	call->lots = LotsGetDatum(purse_end_entry(auth->purse));
	authorize_note_order(auth, call);
	if (call->held != (Datum) 0)
		note_hold(auth, call);
	move_account_on(auth, call, recorded_at);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(auth->ledger.heap), &TTSOpsHeapTuple);
	fill_slot(auth, call, recorded_at, slot);
	ExecMaterializeSlot(slot);
	entry_table_insert(&auth->ledger, &slot, 1, NULL);
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
}

/*
 * Make a call, whose reference is new.
 */
void
authorize_write(Authorization *auth, Call *call)
{
	call->at = auth->at;
	authorize_write_at(auth, call);
}

/*
 * What readers see of holds that have timed out, in the ledger.  They fold what waits in the
 * journal first, whatever the moments of the holds, so that is posted before this.
 */
static void
release_timed_out(Authorization *auth)
{
	SPITupleTable *found;
	uint64		count;
	Datum		before = purse_available(auth->purse, auth->at);
	Datum		named = auth->recorded_for;

	kept_execute(auth->plans, KEPT_TIME_OUT, timed_out_holds, 1, &auth->asked_type, &auth->asked, SPI_OK_SELECT);
	found = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		Call		call = {.kind = RELEASE,.revision = 2,.net = number_zero()};
		LotList    *change;
		Datum		lots;
		bool		isnull;

		call.reference = DatumGetTextPCopy(SPI_getbinval(found->vals[i], found->tupdesc, 2, &isnull));
		call.points = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(found->vals[i], found->tupdesc, 3, &isnull)));
		call.held = DirectFunctionCall1(numeric_uminus, call.points);
		call.at = DatumGetTimestampTz(SPI_getbinval(found->vals[i], found->tupdesc, 4, &isnull));
		lots = SPI_getbinval(found->vals[i], found->tupdesc, 5, &isnull);
		change = purse_change(call.points, isnull ? (Datum) 0 : lots);
		purse_give(auth->purse, change);
		auth->released = lappend(auth->released, change);
		auth->recorded_for = posting_copy_customer(&auth->posting, SPI_getbinval(found->vals[i], found->tupdesc, 6, &isnull));
		authorize_write_at(auth, &call);
	}
	auth->recorded_for = named;
	SPI_freetuptable(found);
	authorize_know_wallets(auth, auth->purse, NULL);
	/* what entries that could not be posted take is taken off as before */
	before = DirectFunctionCall2(numeric_sub, auth->present, before);
	auth->present = DirectFunctionCall2(numeric_add, purse_available(auth->purse, auth->at), before);
}

/* Begin to work on a program, given by its table "program", with the rights of its owner. */
static void
enter_program(Authorization *auth, Oid program)
{
	Oid			schema = get_rel_namespace(program);

	memset(auth, 0, sizeof(*auth));
	auth->plans = kept_find(program);
	auth->program = NameStr(auth->plans->schema);
	writer_require_writable();
	owner_enter(&auth->scope, layout_check_owner(schema), true, NULL);
	version_require(schema);
	posting_begin(&auth->posting, auth->program, schema);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/*
 * The owner of a program, whose table "program" is locked against whoever drops it; an
 * error unless the current user has the owner's rights.
 */
Oid
authorize_require_owner(Oid program, const char *function)
{
	Oid			schema;
	Oid			owner;

	LockRelationOid(program, AccessShareLock);
	schema = get_rel_namespace(program);
	owner = layout_check_owner(schema);
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for loyalty program \"%s\"", get_namespace_name(schema)),
				 errhint("Call the function %s.%s of the program.", quote_identifier(get_namespace_name(schema)), function)));
	return owner;
}

/*
 * Begin a call: the first two arguments of the function are the table "program" of a
 * program, and the customer.  Its function in the program is called with the rights of the
 * owner of the program, who granted them; nobody else may.
 */
void
authorize_enter(Authorization *auth, FunctionCallInfo fcinfo, const char *function)
{
	nested_refuse_call(function);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("customer must not be null")));
	(void) authorize_require_owner(PG_GETARG_OID(0), function);
	enter_program(auth, PG_GETARG_OID(0));
}

/*
 * Of a customer, is this reference that of a transfer?  Then who is the other one?  Nothing
 * is locked yet, and of a reference that never changes.
 */
bool
authorize_counterpart(Authorization *auth, Datum customer, Oid type, text *reference, Datum *counterpart)
{
	Oid			types[2] = {type, TEXTOID};
	Datum		values[2] = {customer, PointerGetDatum(reference)};
	bool		found = false;

	if (kept_bring_to_type(auth->plans, &values[0], &types[0]))
	{
		kept_execute(auth->plans, KEPT_COUNTERPART, counterpart_of, 2, types, values, SPI_OK_SELECT);
		found = SPI_processed > 0;
		if (found)
			*counterpart = posting_copy_customer(&auth->posting, result_value(1));
		SPI_freetuptable(SPI_tuptable);
	}
	return found;
}

/*
 * The table of an order of the customer that is posted and has this key, for a message; NULL
 * if there is none.
 */
char *
authorize_table_of_order(Authorization *auth, text *order_key)
{
	Oid			types[2] = {auth->asked_type, TEXTOID};
	Datum		values[2] = {auth->asked, PointerGetDatum(order_key)};
	char	   *table = NULL;

	kept_execute(auth->plans, KEPT_TABLE_OF_ORDER, table_of_order, 2, types, values, SPI_OK_SELECT);
	if (SPI_processed > 0)
		table = TextDatumGetCString(result_value(1));
	SPI_freetuptable(SPI_tuptable);
	return table;
}

/*
 * Was a customer merged into another one?  Then this one takes the place of the key, and the
 * customer as tables have it is put into "named", if that is not NULL.
 */
static bool
find_survivor(Authorization *auth, Datum *key, Oid *type, Datum *named)
{
	bool		found;

	kept_execute(auth->plans, KEPT_SURVIVOR, survivor_of, 1, type, key, SPI_OK_SELECT);
	found = SPI_processed > 0;
	if (found)
	{
		if (named != NULL)
			*named = posting_copy_customer(&auth->posting, result_value(1));
		*key = posting_copy_customer(&auth->posting, result_value(2));
		*type = auth->posting.key_type;
	}
	SPI_freetuptable(SPI_tuptable);
	return found && kept_bring_to_type(auth->plans, key, type);
}

/*
 * Make and lock the accounts of two customers, in the order of their keys, as posting does.
 * Who is no customer is left for authorize_settle() to tell.
 */
void
authorize_lock_two(Authorization *auth, Datum customer, Datum other, Oid type, Oid other_type)
{
	Oid			types[2] = {type, other_type};
	Datum		values[2] = {customer, other};

	for (int i = 0; i < 2; i++)
		if (!kept_bring_to_type(auth->plans, &values[i], &types[i]))
			return;
	for (int i = 0; i < 2; i++)
		(void) find_survivor(auth, &values[i], &types[i], NULL);
	kept_execute(auth->plans, KEPT_MAKE_TWO, make_two, 2, types, values, SPI_OK_INSERT);
	kept_execute(auth->plans, KEPT_LOCK_TWO, lock_two, 2, types, values, SPI_OK_SELECT);
	SPI_freetuptable(SPI_tuptable);
}

/* Lock the account of the customer who is asked for, which is made if need be. */
static void
lock_or_make(Authorization *auth, Datum customer, Oid type)
{
	if (lock_and_read(auth))
		return;
	kept_execute(auth->plans, KEPT_MAKE_ACCOUNT, make_account, 1, &auth->asked_type, &auth->asked,
				 SPI_OK_INSERT);
	if (!lock_and_read(auth))
		unknown_customer(auth, customer, type);
}

/*
 * Lock the account of a customer, and bring it up to now.  Of one who was merged into
 * another, that is the account of this one.  With "survivor_first" the other account is not locked: so it
 * is where the lock of another customer is held already, or another will be locked, since who
 * was merged is not in the order of the keys then.
 */
void
authorize_settle(Authorization *auth, Datum customer, Oid type, bool survivor_first)
{
	Datum		named = (Datum) 0;
	bool		passes_on = false;

	auth->asked = customer;
	auth->asked_type = type;
	if (!kept_bring_to_type(auth->plans, &auth->asked, &auth->asked_type))
		unknown_customer(auth, customer, type);
	if (survivor_first)
		passes_on = find_survivor(auth, &auth->asked, &auth->asked_type, &named);
	lock_or_make(auth, customer, type);
	if (!passes_on)
		named = auth->customer;
	while (auth->is_merged)
	{
		auth->asked = auth->survivor;
		auth->asked_type = auth->posting.key_type;
		(void) kept_bring_to_type(auth->plans, &auth->asked, &auth->asked_type);
		lock_or_make(auth, customer, type);
	}
	auth->recorded_for = named;
	entry_table_open(&auth->ledger, auth->posting.ledger, RowExclusiveLock, NULL);
	post_waiting(auth);
	if (auth->has_timed_out)
		release_timed_out(auth);
	auth->snapshot = RegisterSnapshot(posting_snapshot());
}

/*
 * The same for a customer of a program, given by its table "program", with the rights of its
 * owner.
 */
void
authorize_open(Authorization *auth, Oid program, Datum customer, Oid type)
{
	enter_program(auth, program);
	authorize_settle(auth, customer, type, true);
}

/*
 * The same, told of each entry that is posted, as whether it found the points that it was to
 * take back.  Those of holds that have timed out are given back after all of them, in
 * "released".
 */
void
authorize_open_told(Authorization *auth, Oid program, Datum customer, Oid type,
					PostingListener tell, void *tell_arg)
{
	enter_program(auth, program);
	auth->posting.tell = tell;
	auth->posting.tell_arg = tell_arg;
	authorize_settle(auth, customer, type, true);
}

/*
 * Begin a call for the customer that its second argument names.
 */
void
authorize_begin(Authorization *auth, FunctionCallInfo fcinfo, const char *function)
{
	authorize_enter(auth, fcinfo, function);
	authorize_settle(auth, PG_GETARG_DATUM(1), get_fn_expr_argtype(fcinfo->flinfo, 1), false);
}

/* What an entry in a slot says of a call. */
static void
read_call(Authorization *auth, TupleTableSlot *slot, Call *call)
{
	Datum	   *values = slot->tts_values;

	slot_getallattrs(slot);
	memset(call, 0, sizeof(*call));
	call->kind = slot->tts_isnull[LEDGER_KIND] ? "" : TextDatumGetCString(values[LEDGER_KIND]);
	call->reference = DatumGetTextPCopy(values[ENTRY_ORDER_KEY]);
	call->revision = DatumGetInt32(values[ENTRY_REVISION]);
	call->points = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[LEDGER_POINTS_CHANGE]));
	call->net = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[LEDGER_ORDER_POINTS]));
	call->reverses = slot->tts_isnull[LEDGER_REVERSES] ? NULL : DatumGetTextPCopy(values[LEDGER_REVERSES]);
	call->until = slot->tts_isnull[LEDGER_UNTIL] ? 0 : DatumGetTimestampTz(values[LEDGER_UNTIL]);
	call->terms = DatumGetInt32(values[ENTRY_TERMS]);
	call->entry = DatumGetInt64(values[LEDGER_ENTRY]);
	call->at = DatumGetTimestampTz(values[ENTRY_AT]);
	call->has_counterpart = !slot->tts_isnull[LEDGER_COUNTERPART];
	if (call->has_counterpart)
		call->counterpart = posting_copy_customer(&auth->posting, values[LEDGER_COUNTERPART]);
	call->account = posting_copy_customer(&auth->posting, values[slot->tts_isnull[LEDGER_ACCOUNT] ? ENTRY_CUSTOMER : LEDGER_ACCOUNT]);
	call->pays_for = slot->tts_isnull[LEDGER_PAYS_FOR] ? NULL : DatumGetTextPCopy(values[LEDGER_PAYS_FOR]);
	call->pays_table = slot->tts_isnull[LEDGER_PAYS_TABLE] ? 0 : DatumGetInt32(values[LEDGER_PAYS_TABLE]);
	call->lots = slot->tts_isnull[LEDGER_LOTS] ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(values[LEDGER_LOTS]));
}

/*
 * What was recorded of a call: the first entry of the reference, or of a hold the second
 * one, which ended it; false if there is none.
 */
bool
authorize_find(Authorization *auth, text *reference, int32 revision, Call *call)
{
	EntryTable *ledger = &auth->ledger;
	EntryScan	scan;
	bool		found;

	ledger->keys[ENTRY_CUSTOMER].sk_argument = auth->recorded_for;
	ledger->keys[ENTRY_TRACKED_TABLE].sk_argument = Int32GetDatum(NO_TRACKED_TABLE);
	ledger->keys[ENTRY_ORDER_KEY].sk_argument = PointerGetDatum(reference);
	ledger->keys[ENTRY_REVISION].sk_argument = Int32GetDatum(revision);
	scan = entry_scan_begin(ledger, auth->snapshot, ledger->keys, ENTRY_KEYS);
	found = entry_scan_next(&scan);
	if (found)
		read_call(auth, scan.slot, call);
	entry_scan_end(&scan);
	return found;
}

/*
 * The same, for whichever customer of the account it was recorded: the one who was named, or
 * else another one, who takes his place.
 */
bool
authorize_find_anywhere(Authorization *auth, text *reference, int32 revision, Call *call)
{
	Datum		named = auth->recorded_for;

	if (authorize_find(auth, reference, revision, call))
		return true;
	for (int i = 0; i < auth->keys.count && auth->keys.count > 1; i++)
	{
		auth->recorded_for = auth->keys.keys[i];
		if (authorize_find(auth, reference, revision, call))
			return true;
	}
	auth->recorded_for = named;
	return false;
}

/*
 * The same of the last entry of a reference.
 */
bool
authorize_find_newest(Authorization *auth, int32 tracked_table, text *reference, Call *call)
{
	if (!entry_find_newest(&auth->ledger, auth->snapshot, auth->recorded_for, tracked_table,
						   PointerGetDatum(reference)))
		return false;
	read_call(auth, auth->ledger.slot, call);
	ExecClearTuple(auth->ledger.slot);
	return true;
}

/* Does an entry reverse a call? */
static bool
reverses(TupleTableSlot *slot, text *reference)
{
	text	   *reversed;

	if (slot->tts_isnull[LEDGER_REVERSES])
		return false;
	reversed = DatumGetTextPP(slot->tts_values[LEDGER_REVERSES]);
	return VARSIZE_ANY_EXHDR(reversed) == VARSIZE_ANY_EXHDR(reference) &&
		memcmp(VARDATA_ANY(reversed), VARDATA_ANY(reference), VARSIZE_ANY_EXHDR(reference)) == 0;
}

/*
 * What is left of a call: all that its entries did to the lots of the customer, and those
 * that reverse it.
 */
LotList *
authorize_left(Authorization *auth, text *reference)
{
	EntryTable *ledger = &auth->ledger;
	LotList    *left = lots_make();
	EntryScan	scan;

	ledger->keys[ENTRY_CUSTOMER].sk_argument = auth->recorded_for;
	ledger->keys[ENTRY_TRACKED_TABLE].sk_argument = Int32GetDatum(NO_TRACKED_TABLE);
	scan = entry_scan_begin(ledger, auth->snapshot, ledger->keys, ENTRY_TRACKED_TABLE + 1);
	while (entry_scan_next(&scan))
	{
		Datum	   *values = scan.slot->tts_values;
		text	   *key;

		slot_getallattrs(scan.slot);
		key = DatumGetTextPP(values[ENTRY_ORDER_KEY]);
		if (reverses(scan.slot, reference) ||
			(VARSIZE_ANY_EXHDR(key) == VARSIZE_ANY_EXHDR(reference) &&
			 memcmp(VARDATA_ANY(key), VARDATA_ANY(reference), VARSIZE_ANY_EXHDR(reference)) == 0))
			lots_add(left, purse_change(values[LEDGER_POINTS_CHANGE],
										scan.slot->tts_isnull[LEDGER_LOTS] ? (Datum) 0 : values[LEDGER_LOTS]));
	}
	entry_scan_end(&scan);
	lots_settle(left);
	return left;
}

/*
 * Points with as many decimals as the program has, or more if they need them.
 */
Datum
authorize_as_shown(Authorization *auth, Datum points)
{
	return exact_scale(points) < auth->points_scale ?
		DirectFunctionCall2(numeric_round, points, Int32GetDatum(auth->points_scale)) : points;
}

/* What is owed, and what there is beside the points that can be spent, for the end of a sentence. */
static char *
show_waiting(Authorization *auth)
{
	bool		is_named = auth->wallet != 0;
	Datum		points = purse_waiting_in(auth->purse, is_named ? &auth->wallet : auth->purse->wallet,
										  is_named ? 1 : auth->purse->wallets, auth->at);
	Datum		debt = purse_debt(auth->purse);
	StringInfoData text;

	initStringInfo(&text);
	/* fewer than none are nothing but debt */
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, debt, number_zero())) &&
		DatumGetBool(DirectFunctionCall2(numeric_ge, auth->present, number_zero())))
		appendStringInfo(&text, "; %s that are owed are taken off already", number_show(authorize_as_shown(auth, debt)));
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, points, number_zero())))
		appendStringInfo(&text, "; %s more are not available yet", number_show(authorize_as_shown(auth, points)));
	return text.data;
}

/*
 * There are not as many points as are asked for.
 */
void
authorize_insufficient(Authorization *auth, Datum points)
{
	bool		waits = has_unposted(auth);

	ereport(ERROR,
			(errcode(ERRCODE_LOYALTY_INSUFFICIENT_POINTS),
			 errmsg("not enough points"),
			 auth->wallet != 0 ?
			 errdetail("Customer %s has %s in the wallet \"%s\", and %s are asked for%s.",
					   show_customer(auth->asked, auth->asked_type),
					   number_show(authorize_as_shown(auth, authorize_in_wallet(auth))), auth->wallet_name, number_show(points),
					   show_waiting(auth)) :
			 errdetail("Customer %s has %s, and %s are asked for%s.",
					   show_customer(auth->asked, auth->asked_type),
					   number_show(authorize_as_shown(auth, auth->present)), number_show(points), show_waiting(auth)),
			 waits ?
			 errhint("These are without entries that could not be posted; CALL loyalty.post(%s) says which, in the table \"set_aside\".",
					 quote_literal_cstr(auth->program)) : 0));
}

/*
 * The points may not be too many to be shown.
 */
void
authorize_require_room(Authorization *auth, Datum change)
{
	if (!DatumGetBool(DirectFunctionCall2(numeric_lt, DirectFunctionCall2(numeric_add, auth->points, change),
										  number_account_limit())))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the sum of the points would have more than 26 digits")));
}

/*
 * Take points that can be spent, or those of the wallet that is named, or an error; returns
 * what was taken.
 */
LotList *
authorize_take(Authorization *auth, Datum points)
{
	LotList    *taken = NULL;

	if (auth->wallet != 0)
	{
		if (!DatumGetBool(DirectFunctionCall2(numeric_lt, authorize_in_wallet(auth), points)))
			taken = purse_take_from(auth->purse, &auth->wallet, 1, purse_points(points), auth->at);
	}
	else if (!DatumGetBool(DirectFunctionCall2(numeric_lt, auth->present, points)))
		taken = purse_take(auth->purse, purse_points(points), auth->at);
	if (taken == NULL)
		authorize_insufficient(auth, points);
	return taken;
}

/*
 * Take points back that were given by a call, from the lots that it gave them to first, or
 * an error.
 */
void
authorize_reclaim(Authorization *auth, const LotList *given, Datum points)
{
	bool		lacks_unposted = DatumGetBool(DirectFunctionCall2(numeric_lt, auth->present,
																  purse_available(auth->purse, auth->at)));

	auth->purse->expired = fold_expired_lots(&auth->ledger, auth->snapshot, &auth->keys);
	if ((lacks_unposted && DatumGetBool(DirectFunctionCall2(numeric_lt, auth->present, points))) ||
		!purse_reclaim(auth->purse, given, purse_points(points), auth->at))
	{
		/* of another wallet, what that has is what there is */
		if (given->count > 0 && purse_is_of(given, &given->lot[0].wallet, 1) && given->lot[0].wallet != LOTS_DEFAULT_WALLET)
			auth->present = purse_available_in(auth->purse, &given->lot[0].wallet, 1, auth->at);
		authorize_insufficient(auth, points);
	}
}

/*
 * Give points that nobody had before, as the wallet says that is named, or else wallet 1, by
 * the terms in force: with the dates that points have which were given at a moment.
 */
void
authorize_credit(Authorization *auth, Datum points, TimestampTz at)
{
	Terms	   *terms = terms_find(auth->posting.program_relid, auth->terms);
	Lot			lot = wallet_lot_in(terms, auth->wallet == 0 ? LOTS_DEFAULT_WALLET : auth->wallet, at, NULL);

	purse_credit(auth->purse, &lot, purse_points(points));
}

/*
 * What the customer can spend after the call that was just made.
 */
Datum
authorize_available(Authorization *auth)
{
	authorize_know_wallets(auth, auth->purse, NULL);
	return authorize_as_shown(auth, purse_available(auth->purse, auth->at));
}

/*
 * What the customer could spend just after a call.
 */
Datum
authorize_balance(Authorization *auth, const Call *call)
{
	Oid			types[2] = {auth->posting.key_type, INT8OID};
	Datum		values[2] = {call->account, Int64GetDatum(call->entry)};
	Purse	   *purse;
	Datum		lots;
	bool		has_lots;

	(void) kept_bring_to_type(auth->plans, &values[0], &types[0]);
	kept_execute(auth->plans, KEPT_SUM, sum_of_points, 2, types, values, SPI_OK_SELECT);
	lots = value_or_none(2, &has_lots);
	purse = purse_begin(result_value(1), lots);
	SPI_freetuptable(SPI_tuptable);
	authorize_know_wallets(auth, purse, NULL);
	return authorize_as_shown(auth, purse_available(purse, call->at));
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
