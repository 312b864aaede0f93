/*
 * writer.c: the one way in which rows of a program are written.
 *
 * Recording and posting write to the journal and the ledger by direct table
 * access: no privilege or row security of the program applies, which is what
 * lets a role that may only insert orders record points without any right on
 * the program.  Everything else that PostgreSQL guarantees holds all the same,
 * because the executor's own functions see to it: a row goes into every index
 * that the table has, one that is just being built or rebuilt included; CHECK
 * and foreign keys are checked; defaults and generated columns are filled; and
 * the triggers of users fire, statement triggers once for each batch.
 *
 * A table that has nothing but its primary key, which is nearly every one, is
 * written in a shorter way: in batches, and into that one index.
 *
 * The triggers of this extension on these tables are made for statements that
 * others write, such as a restore; a writer passes by them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "nested.h"
#include "writer.h"

/* Pages from which on it matters how a table is read. */
#define GROWTH_FROM 8

struct Writer
{
	Relation	heap;
	Relation	key;			/* conflicts in this index are told to the caller */
	MemoryContext context;		/* what the writer keeps lives here */
	struct BulkInsertStateData *bulk;
	bool		plain;			/* there is nothing to see to but the key */
	IndexInfo  *key_info;		/* for plain tables */

	/* for all others */
	EState	   *estate;
	ResultRelInfo *target;
	List	   *arbiters;
	ExprState **defaults;		/* of each column, or NULL */
	bool		has_defaults;
	TupleTableSlot *slot;		/* the row as it is written */
};

/*
 * An error unless this transaction may write.  Statements of users have been
 * checked by PostgreSQL; functions that write by direct access have not.
 */
void
writer_require_writable(void)
{
	PreventCommandIfReadOnly("recording or posting of a loyalty program");
	PreventCommandIfParallelMode("recording or posting of a loyalty program");
}

/* Is a trigger one of this extension's? */
static bool
is_own_trigger(const Trigger *trigger, Oid extension_schema)
{
	return OidIsValid(extension_schema) &&
		get_func_namespace(trigger->tgfoid) == extension_schema;
}

/* Take the extension's triggers out of a copy of a table's triggers. */
static void
keep_users_triggers(TriggerDesc *triggers)
{
	Oid			schema = get_namespace_oid("_loyalty", true);
	int			kept = 0;

	triggers->trig_insert_before_row = triggers->trig_insert_after_row = false;
	triggers->trig_insert_before_statement = triggers->trig_insert_after_statement = false;
	triggers->trig_delete_before_row = triggers->trig_delete_after_row = false;
	triggers->trig_delete_before_statement = triggers->trig_delete_after_statement = false;
	triggers->trig_insert_new_table = triggers->trig_delete_old_table = false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];
		int16		type = trigger->tgtype;

		if (is_own_trigger(trigger, schema))
			continue;
#define FIRES(level, timing, event) \
		TRIGGER_TYPE_MATCHES(type, TRIGGER_TYPE_##level, TRIGGER_TYPE_##timing, TRIGGER_TYPE_##event)
		triggers->trig_insert_before_row |= FIRES(ROW, BEFORE, INSERT);
		triggers->trig_insert_after_row |= FIRES(ROW, AFTER, INSERT);
		triggers->trig_insert_before_statement |= FIRES(STATEMENT, BEFORE, INSERT);
		triggers->trig_insert_after_statement |= FIRES(STATEMENT, AFTER, INSERT);
		triggers->trig_delete_before_row |= FIRES(ROW, BEFORE, DELETE);
		triggers->trig_delete_after_row |= FIRES(ROW, AFTER, DELETE);
		triggers->trig_delete_before_statement |= FIRES(STATEMENT, BEFORE, DELETE);
		triggers->trig_delete_after_statement |= FIRES(STATEMENT, AFTER, DELETE);
#undef FIRES
		triggers->trig_insert_new_table |=
			TRIGGER_FOR_INSERT(type) && TRIGGER_USES_TRANSITION_TABLE(trigger->tgnewtable);
		triggers->trig_delete_old_table |=
			TRIGGER_FOR_DELETE(type) && TRIGGER_USES_TRANSITION_TABLE(trigger->tgoldtable);
		if (kept != i)
			triggers->triggers[kept] = *trigger;
		kept++;
	}
	triggers->numtriggers = kept;
}

/* Does a table have triggers of users? */
static bool
has_users_triggers(Relation heap)
{
	TriggerDesc *triggers = heap->trigdesc;
	Oid			schema;

	if (triggers == NULL)
		return false;
	schema = get_namespace_oid("_loyalty", true);
	for (int i = 0; i < triggers->numtriggers; i++)
		if (!is_own_trigger(&triggers->triggers[i], schema))
			return true;
	return false;
}

/*
 * Is the primary key the only index of a table, and nothing else to be kept?  Else
 * code of users may run when a row is written.
 */
bool
writer_is_plain(Relation heap)
{
	TupleConstr *constraints = RelationGetDescr(heap)->constr;
	List	   *indexes = RelationGetIndexList(heap);
	bool		one_index = list_length(indexes) == 1;

	list_free(indexes);
	return one_index && !has_users_triggers(heap) &&
		(constraints == NULL ||
		 (constraints->num_check == 0 && constraints->num_defval == 0 &&
		  !constraints->has_generated_stored));
}

/*
 * The indexes whose conflicts are told: the primary key, and every other unique
 * index over the same columns, as there is one while the primary key is rebuilt
 * concurrently.
 */
static List *
find_arbiters(Writer *writer)
{
	Form_pg_index key = writer->key->rd_index;
	List	   *arbiters = NIL;

	for (int i = 0; i < writer->target->ri_NumIndices; i++)
	{
		Relation	index = writer->target->ri_IndexRelationDescs[i];
		Form_pg_index other = index->rd_index;
		bool		same;

		same = other->indisunique && other->indimmediate &&
			other->indnkeyatts == key->indnkeyatts &&
			RelationGetIndexPredicate(index) == NIL;
		for (int c = 0; same && c < key->indnkeyatts; c++)
			same = other->indkey.values[c] == key->indkey.values[c];
		if (same)
			arbiters = lappend_oid(arbiters, RelationGetRelid(index));
	}
	return arbiters;
}

/* The defaults of columns that users added; those of ours are always given. */
static void
prepare_defaults(Writer *writer)
{
	TupleDesc	desc = RelationGetDescr(writer->heap);

	writer->defaults = palloc0(desc->natts * sizeof(ExprState *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Node	   *expression;

		if (att->attisdropped || att->attgenerated != '\0')
			continue;
		expression = build_column_default(writer->heap, i + 1);
		if (expression == NULL)
			continue;
		writer->defaults[i] = ExecInitExpr(expression_planner((Expr *) expression), NULL);
		writer->has_defaults = true;
	}
}

/*
 * Begin to write rows of a table, whose lock the caller holds, in the current
 * memory context.  plain is what writer_is_plain() says of the table, which callers
 * that write often remember for as long as the table's definition stays.
 */
Writer *
writer_begin(Relation heap, Relation key, bool plain)
{
	Writer	   *writer = palloc0(sizeof(Writer));

	writer->heap = heap;
	writer->key = key;
	writer->context = CurrentMemoryContext;
	Assert(CheckRelationLockedByMe(heap, RowExclusiveLock, true));
	Assert(key->rd_index->indrelid == RelationGetRelid(heap));
	Assert(plain == writer_is_plain(heap));
	writer->plain = plain;
	if (writer->plain)
	{
		writer->key_info = BuildIndexInfo(key);
		return writer;
	}
	writer->estate = CreateExecutorState();
	loyalty_init_range_table(writer->estate, heap, RowExclusiveLock);
	writer->target = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->target, heap, 1, NULL, 0);
	loyalty_set_result_relation(writer->estate, writer->target);
	ExecOpenIndices(writer->target, false);
	if (writer->target->ri_TrigDesc != NULL)
		keep_users_triggers(writer->target->ri_TrigDesc);
	writer->arbiters = find_arbiters(writer);
	Assert(list_member_oid(writer->arbiters, RelationGetRelid(key)));
	prepare_defaults(writer);
	writer->slot = table_slot_create(heap, NULL);
	return writer;
}

/* Fill the columns of the writer's slot that have defaults. */
static void
fill_defaults(Writer *writer)
{
	TupleTableSlot *slot = writer->slot;
	TupleDesc	desc = slot->tts_tupleDescriptor;
	ExprContext *econtext = GetPerTupleExprContext(writer->estate);
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));

	slot_getallattrs(slot);
	memcpy(nulls, slot->tts_isnull, desc->natts * sizeof(bool));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (nulls[i] && writer->defaults[i] != NULL)
			values[i] = ExecEvalExpr(writer->defaults[i], econtext, &nulls[i]);
		else if (!nulls[i])
			values[i] = datumCopy(slot->tts_values[i], att->attbyval, att->attlen);
	}
	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, desc->natts * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, desc->natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
	MemoryContextSwitchTo(old);
}

static bool
has_one_of(List *list, List *members)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		if (list_member_oid(list, lfirst_oid(lc)))
			return true;
	}
	return false;
}

/* Write one row with all that the table asks for; true if the key is taken. */
static bool
insert_row(Writer *writer, TupleTableSlot *row, bool tell,
		   TransitionCaptureState *capture)
{
	EState	   *estate = writer->estate;
	ResultRelInfo *target = writer->target;
	TupleConstr *constraints = RelationGetDescr(writer->heap)->constr;
	TupleTableSlot *slot = writer->slot;
	List	   *recheck = NIL;
	bool		speculative_conflict;
	bool		taken;

	ResetPerTupleExprContext(estate);
	ExecCopySlot(slot, row);
	if (writer->has_defaults)
		fill_defaults(writer);
	slot->tts_tableOid = RelationGetRelid(writer->heap);
	if (target->ri_TrigDesc != NULL && target->ri_TrigDesc->trig_insert_before_row &&
		!ExecBRInsertTriggers(estate, target, slot))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("a trigger suppressed an entry of table \"%s\" of a loyalty program",
						RelationGetRelationName(writer->heap)),
				 errhint("Drop the BEFORE ROW trigger from the table.")));
	if (constraints != NULL && constraints->has_generated_stored)
		loyalty_compute_generated(target, estate, slot, CMD_INSERT);
	if (constraints != NULL)
		ExecConstraints(target, slot, estate);
	table_tuple_insert(writer->heap, slot, estate->es_output_cid, 0, NULL);
	if (target->ri_NumIndices > 0)
		recheck = loyalty_insert_index_tuples(target, slot, estate, tell,
											  &speculative_conflict,
											  tell ? writer->arbiters : NIL);
	row->tts_tid = slot->tts_tid;
	taken = tell && has_one_of(recheck, writer->arbiters);
	if (!taken)
		ExecARInsertTriggers(estate, target, slot, recheck, capture);
	list_free(recheck);
	ExecClearTuple(slot);
	return taken;
}

/* Users' triggers, after the rows are written. */
static void
call_triggers(EState *estate)
{
	nested_begin_triggers();
	AfterTriggerEndQuery(estate);
	nested_end();
}

/*
 * In the memory of the writer, since what is kept of a trigger's function while
 * it is called lives in the current memory context.
 */
static void
insert_with_guarantees(Writer *writer, TupleTableSlot **slots, int count, bool *conflict)
{
	EState	   *estate = writer->estate;
	ResultRelInfo *target = writer->target;
	TransitionCaptureState *capture;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	estate->es_output_cid = GetCurrentCommandId(true);
	AfterTriggerBeginQuery();
	ExecBSInsertTriggers(estate, target);
	capture = MakeTransitionCaptureState(target->ri_TrigDesc,
										 RelationGetRelid(writer->heap), CMD_INSERT);
	for (int i = 0; i < count; i++)
	{
		bool		taken = insert_row(writer, slots[i], conflict != NULL, capture);

		if (conflict != NULL)
			conflict[i] = taken;
	}
	ExecASInsertTriggers(estate, target, capture);
	call_triggers(estate);
	MemoryContextSwitchTo(old);
}

/* The short way: one batch, one index. */
static void
insert_plain(Writer *writer, TupleTableSlot **slots, int count, bool *conflict)
{
	CommandId	cid = GetCurrentCommandId(true);
	MemoryContext old;

	if (count > 1 && writer->bulk == NULL)
	{
		old = MemoryContextSwitchTo(writer->context);
		writer->bulk = GetBulkInsertState();
		MemoryContextSwitchTo(old);
	}
	if (count > 1)
		table_multi_insert(writer->heap, slots, count, cid, 0, writer->bulk);
	else
		table_tuple_insert(writer->heap, slots[0], cid, 0, NULL);
	for (int i = 0; i < count; i++)
	{
		bool		satisfied;

		slot_getsomeattrs(slots[i], writer->key_info->ii_NumIndexAttrs);
		satisfied = loyalty_index_insert(writer->key, slots[i]->tts_values,
										 slots[i]->tts_isnull, &slots[i]->tts_tid,
										 writer->heap,
										 conflict != NULL ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_YES,
										 writer->key_info);
		if (conflict != NULL)
			conflict[i] = !satisfied;
	}
}

/*
 * A plan that was made when the table was small may read all of it, and lives on in the
 * sessions that keep it.  So whenever the table has doubled, plans are made anew, as they
 * would be after ANALYZE: who writes the first row of a page whose number is a power of
 * two sees to that.
 */
static void
tell_growth(Writer *writer, TupleTableSlot **slots, int count)
{
	for (int i = 0; i < count; i++)
	{
		BlockNumber block = ItemPointerGetBlockNumberNoCheck(&slots[i]->tts_tid);

		if (ItemPointerGetOffsetNumberNoCheck(&slots[i]->tts_tid) == FirstOffsetNumber &&
			block >= GROWTH_FROM && (block & (block - 1)) == 0)
		{
			CacheInvalidateRelcache(writer->heap);
			return;
		}
	}
}

#ifdef USE_ASSERT_CHECKING
/* Are all columns of the key given? */
static bool
has_key(Writer *writer, TupleTableSlot *slot)
{
	Form_pg_index key = writer->key->rd_index;

	for (int i = 0; i < key->indnkeyatts; i++)
	{
		bool		isnull;

		(void) slot_getattr(slot, key->indkey.values[i], &isnull);
		if (isnull)
			return false;
	}
	return true;
}
#endif

/*
 * Write rows.  With conflict, conflict[i] tells that the key of row i may be
 * taken already: such a row must be deleted again.  Without, that is an error.
 */
void
writer_insert(Writer *writer, TupleTableSlot **slots, int count, bool *conflict)
{
	Assert(count > 0);
	for (int i = 0; i < count; i++)
		Assert(has_key(writer, slots[i]));
	if (writer->plain)
		insert_plain(writer, slots, count, conflict);
	else
		insert_with_guarantees(writer, slots, count, conflict);
	tell_growth(writer, slots, count);
	/* by its place, a row that was in conflict is deleted again */
	for (int i = 0; i < count; i++)
		Assert(ItemPointerIsValid(&slots[i]->tts_tid));
}

/* Delete one row, which nobody else may have changed meanwhile. */
static void
delete_row(Relation heap, ItemPointer tid)
{
	TM_FailureData failure;

	Assert(ItemPointerIsValid(tid));
	if (table_tuple_delete(heap, tid, GetCurrentCommandId(true), SnapshotSelf,
						   InvalidSnapshot, true, &failure, false) != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("an entry of table \"%s\" of a loyalty program was taken by another session",
						RelationGetRelationName(heap)),
				 errhint("Try again.")));
}

/*
 * Delete rows by their places.
 */
void
writer_delete(Writer *writer, ItemPointer tids, int count)
{
	EState	   *estate = writer->estate;
	ResultRelInfo *target = writer->target;
	TransitionCaptureState *capture;
	MemoryContext old;

	if (writer->plain)
	{
		for (int i = 0; i < count; i++)
			delete_row(writer->heap, &tids[i]);
		return;
	}
	if (target->ri_TrigDesc != NULL && target->ri_TrigDesc->trig_delete_before_row)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" of a loyalty program must not have BEFORE ROW triggers",
						RelationGetRelationName(writer->heap)),
				 errhint("Use an AFTER trigger.")));
	old = MemoryContextSwitchTo(estate->es_query_cxt);	/* as in insert_with_guarantees() */
	AfterTriggerBeginQuery();
	ExecBSDeleteTriggers(estate, target);
	capture = MakeTransitionCaptureState(target->ri_TrigDesc,
										 RelationGetRelid(writer->heap), CMD_DELETE);
	for (int i = 0; i < count; i++)
	{
		ResetPerTupleExprContext(estate);
		delete_row(writer->heap, &tids[i]);
		loyalty_after_row_delete(estate, target, &tids[i], capture);
	}
	ExecASDeleteTriggers(estate, target, capture);
	call_triggers(estate);
	MemoryContextSwitchTo(old);
}

/*
 * Stop writing.
 */
void
writer_end(Writer *writer)
{
	if (writer->bulk != NULL)
		FreeBulkInsertState(writer->bulk);
	if (!writer->plain)
	{
		ExecDropSingleTupleTableSlot(writer->slot);
		loyalty_close_result_relation(writer->estate, writer->target);
		ExecResetTupleTable(writer->estate->es_tupleTable, false);
		FreeExecutorState(writer->estate);
	}
	pfree(writer);
}
