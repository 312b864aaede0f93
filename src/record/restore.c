/*
 * restore.c: restores that load orders and entries in whatever order.
 *
 * Nobody but a restore inserts entries by SQL; recording and posting do not
 * fire these triggers.  If a restore loads orders before the entries of the
 * program, the triggers on the orders record them, as if they were new.  What
 * the restored entries say comes first: they have the terms under which the
 * orders were recorded.  So an entry that is restored replaces what was recorded
 * of its order without it:
 *
 * - in the journal, the entry of the same revision, and none if that was posted
 *   since;
 * - for an entry of the ledger, all entries of the journal that do not follow it:
 *   those of the same or an earlier revision, and those of other terms, of another
 *   joining date, or of another rate for the same currency; and those of an order
 *   that is not known to have moved, beside one that has.  Orders that were rerated
 *   have moved, too: their later entries are of other terms.
 *
 * A restore in several sessions may load orders and entries at the same time.  So
 * the journal is locked first, against everything that is being recorded: who
 * records afterwards finds what was restored.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "gate.h"
#include "journal.h"
#include "layout.h"
#include "owner.h"
#include "program.h"
#include "terms.h"

/* An entry that is restored. */
typedef struct Restored
{
	bool		ledger;			/* into the ledger, else into the journal */
	int32		revision;
	int32		terms;
	Datum		currency;
	Datum		rate;
	Moment		joined;
	bool		moved;
	Datum		member;			/* or (Datum) 0 */
} Restored;

/* Does an entry in the slot keep the same of the customer's row as the restored one? */
static bool
keeps_same_row(TupleTableSlot *slot, const Restored *restored)
{
	if (slot->tts_isnull[ENTRY_MEMBER] || restored->member == (Datum) 0)
		return slot->tts_isnull[ENTRY_MEMBER] && restored->member == (Datum) 0;
	return DatumGetBool(DirectFunctionCall2(jsonb_eq, slot->tts_values[ENTRY_MEMBER], restored->member));
}

/* The trigger protocol, and which of the two tables the trigger is on. */
static TriggerData *
check_call(FunctionCallInfo fcinfo, const char *name, bool for_row, bool *ledger)
{
	TriggerData *trigdata = gate_trigger(fcinfo, name, for_row ? GATE_BEFORE_ROW :
										 GATE_BEFORE_STATEMENT);
	const char *table;

	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by INSERT", name)));
	table = RelationGetRelationName(trigdata->tg_relation);
	*ledger = strcmp(table, "ledger") == 0;
	if (!*ledger && strcmp(table, "journal") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is for the journal and the ledger of a loyalty program", name)));
	return trigdata;
}

PG_FUNCTION_INFO_V1(loyalty_restore_begin);

/*
 * restore_begin(): trigger BEFORE INSERT FOR EACH STATEMENT on journal and
 * ledger.  Waits for all that is being recorded, and keeps others from recording
 * to the end of the transaction.
 */
Datum
loyalty_restore_begin(PG_FUNCTION_ARGS)
{
	bool		ledger;
	TriggerData *trigdata = check_call(fcinfo, "restore_begin", false, &ledger);

	LockRelationOid(program_relation(RelationGetNamespace(trigdata->tg_relation), "journal"),
					ShareRowExclusiveLock);
	return PointerGetDatum(NULL);
}

/* Is an entry of the journal, in the slot, void beside the restored one? */
static bool
is_void(TupleTableSlot *slot, const Restored *restored)
{
	Datum	   *values = slot->tts_values;
	int32		revision = DatumGetInt32(values[ENTRY_REVISION]);

	if (!restored->ledger)
		return revision == restored->revision;
	/* What was recorded of orders that are loaded is not known to have moved. */
	if (DatumGetBool(values[ENTRY_MOVED]))
		return revision <= restored->revision;
	if (restored->moved || !keeps_same_row(slot, restored) ||
		slot->tts_isnull[ENTRY_JOINED_AT] == restored->joined.is_known ||
		(restored->joined.is_known &&
		 DatumGetTimestampTz(values[ENTRY_JOINED_AT]) != restored->joined.at))
		return true;
	return revision <= restored->revision ||
		DatumGetInt32(values[ENTRY_TERMS]) != restored->terms ||
		(DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, values[ENTRY_CURRENCY],
											  restored->currency)) &&
		 !DatumGetBool(DirectFunctionCall2(numeric_eq, values[ENTRY_RATE], restored->rate)));
}

/* Delete the entries of an order from the journal that are void. */
static void
delete_void(EntryTable *journal, Datum *key, const Restored *restored)
{
	EntryScan	scan;
	List	   *found = NIL;
	ListCell   *lc;

	for (int i = 0; i < ENTRY_REVISION; i++)
		journal->keys[i].sk_argument = key[i];
	/* The journal is locked: nothing comes or goes while it is read. */
	scan = entry_scan_begin(journal, SnapshotSelf, journal->keys, ENTRY_REVISION);
	while (entry_scan_next(&scan))
	{
		slot_getsomeattrs(scan.slot, ENTRY_COLUMNS);
		if (is_void(scan.slot, restored))
		{
			ItemPointer tid = palloc(sizeof(ItemPointerData));

			*tid = scan.slot->tts_tid;
			found = lappend(found, tid);
		}
	}
	entry_scan_end(&scan);
	foreach(lc, found)
		entry_table_delete(journal, (ItemPointer) lfirst(lc), 1);
	list_free_deep(found);
}

/* Is a revision of an order, or a later one, in the ledger? */
static bool
is_posted(Oid relid, Datum *key, int32 revision)
{
	EntryTable	ledger;
	EntryScan	scan;
	bool		found = false;

	entry_table_open(&ledger, relid, AccessShareLock, NULL);
	layout_check_entries(ledger.heap, true, AccessShareLock);
	for (int i = 0; i < ENTRY_REVISION; i++)
		ledger.keys[i].sk_argument = key[i];
	scan = entry_scan_begin(&ledger, SnapshotSelf, ledger.keys, ENTRY_REVISION);
	while (!found && entry_scan_next(&scan))
	{
		slot_getsomeattrs(scan.slot, ENTRY_KEYS);
		found = DatumGetInt32(scan.slot->tts_values[ENTRY_REVISION]) >= revision;
	}
	entry_scan_end(&scan);
	entry_table_close(&ledger);
	return found;
}

/*
 * The terms of an entry of the ledger are kept, although the table that says so may not
 * be restored: once in a (sub)transaction for each version.
 */
static void
keep_terms(Oid schema, int32 terms)
{
	static List *kept = NIL;
	static Oid	kept_schema = InvalidOid;
	static LocalTransactionId kept_in = InvalidLocalTransactionId;
	static SubTransactionId kept_in_part = InvalidSubTransactionId;
	MemoryContext old;

	/* the memory of the list goes with the transaction */
	if (kept_schema != schema || kept_in != loyalty_local_transaction() ||
		kept_in_part != GetCurrentSubTransactionId())
		kept = NIL;
	kept_in_part = GetCurrentSubTransactionId();
	kept_schema = schema;
	kept_in = loyalty_local_transaction();
	if (list_member_int(kept, terms))
		return;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	terms_note_posted(schema, list_make1_int(terms));
	SPI_finish();
	old = MemoryContextSwitchTo(TopTransactionContext);
	kept = lappend_int(kept, terms);
	MemoryContextSwitchTo(old);
}

PG_FUNCTION_INFO_V1(loyalty_restore_entry);

/*
 * restore_entry(): trigger BEFORE INSERT FOR EACH ROW on journal and ledger.
 */
Datum
loyalty_restore_entry(PG_FUNCTION_ARGS)
{
	Restored	restored = {0};
	TriggerData *trigdata = check_call(fcinfo, "restore_entry", true, &restored.ledger);
	Oid			schema = RelationGetNamespace(trigdata->tg_relation);
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	EntryTable	journal;
	OwnerScope	scope;
	Datum		values[ENTRY_COLUMNS];
	bool		posted;

	layout_check_entries(trigdata->tg_relation, restored.ledger, RowExclusiveLock);
	for (int i = 0; i < ENTRY_COLUMNS; i++)
	{
		bool		isnull;

		values[i] = heap_getattr(trigdata->tg_trigtuple, i + 1, desc, &isnull);
		if (i == ENTRY_JOINED_AT)
			restored.joined.is_known = !isnull;
		else if (i == ENTRY_MEMBER)
			restored.member = isnull ? (Datum) 0 : values[i];
		else if (isnull && i < ENTRY_TIER)
			/* PostgreSQL is about to refuse the row */
			return PointerGetDatum(trigdata->tg_trigtuple);
	}
	restored.revision = DatumGetInt32(values[ENTRY_REVISION]);
	restored.terms = DatumGetInt32(values[ENTRY_TERMS]);
	restored.currency = values[ENTRY_CURRENCY];
	restored.rate = values[ENTRY_RATE];
	restored.moved = DatumGetBool(values[ENTRY_MOVED]);
	restored.joined.at = DatumGetTimestampTz(values[ENTRY_JOINED_AT]);

	owner_enter(&scope, layout_check_owner(schema), true, NULL);
	entry_table_open(&journal, program_relation(schema, "journal"), RowExclusiveLock, NULL);
	layout_check_entries(journal.heap, false, RowExclusiveLock);
	delete_void(&journal, values, &restored);
	entry_table_close(&journal);
	if (restored.ledger && DatumGetInt32(values[ENTRY_TRACKED_TABLE]) != 0)
		keep_terms(schema, restored.terms);
	posted = !restored.ledger && is_posted(program_relation(schema, "ledger"), values, restored.revision);
	owner_leave(&scope);
	return posted ? PointerGetDatum(NULL) : PointerGetDatum(trigdata->tg_trigtuple);
}
