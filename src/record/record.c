/*
 * record.c: the trigger that records what orders are worth.
 *
 * Level-triggered: a statement on a tracked table tells only WHICH orders were
 * touched.  What is written for each is how the order stands now, as a new
 * revision if that differs from what is recorded, and nothing otherwise.  So
 * INSERT, COPY, UPDATE, DELETE, MERGE, upserts, moves between partitions, key
 * changes and replays need no cases of their own.
 *
 * Statement triggers with transition tables see each changed row once, in a
 * store that spills to disk: on the tracked table for statements that name it,
 * and on each partition for statements that name that partition.
 *
 * The rows of a transition table say how an order stands only where they cannot
 * be wrong.  All else is read again by its key, which tells what is there now:
 *
 * - They can be stale: if a trigger, or a function called by the statement, changed
 *   an order again, that nested statement has already been recorded when this one
 *   is looked at.  Whenever an earlier change of the table was seen since the
 *   client's statement began, all its orders are read again.
 * - One row can come more than once, as when two foreign keys hand a new key down
 *   to it: the recorder reads again what was put more than once.
 * - A row that was removed, or that has another customer or key now, says nothing
 *   of what else is there by its old key, or by its new one.  Only if a key is
 *   proved to be in one row at most, a row that was deleted is an order that is gone.
 * - A row that is inserted into a partitioned table by the name of that table comes
 *   without the values of stored generated columns, which are computed for the
 *   partition.
 * - Old and new rows of an UPDATE come in the same order, but a row that moves to
 *   another partition may be refused there by a trigger: then there are fewer new
 *   rows, nobody knows which is missing, and all are read again.
 *
 * A function that an expression calls and that writes to a tracked table is an error:
 * what is recorded must not depend on how often it is looked at (see nested.c).
 *
 * Expressions run as the program's owner.  For a row of orders, nothing here locks
 * a row or waits; a line or a refund locks the row of its order (see current.c), so
 * only sessions that change the same order wait for each other.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "current.h"
#include "nested.h"
#include "owner.h"
#include "reconcile.h"
#include "recorder.h"
#include "rights.h"

/*
 * Which tables had rows inserted, and which had rows changed or removed, since
 * the client's statement began.  A table that stands here without need costs
 * time only.
 */
static TimestampTz noted_statement;
static LocalTransactionId noted_transaction;
static List *noted_inserts = NIL;
static List *noted_changes = NIL;

static void
forget_other_statements(void)
{
	if (noted_statement != GetCurrentStatementStartTimestamp() ||
		noted_transaction != loyalty_local_transaction())
	{
		list_free(noted_inserts);
		list_free(noted_changes);
		noted_inserts = noted_changes = NIL;
		noted_statement = GetCurrentStatementStartTimestamp();
		noted_transaction = loyalty_local_transaction();
	}
}

/*
 * May rows of the statement be stale?  What was inserted may have been changed
 * since.  What was changed or removed may have been inserted again, too.
 */
static bool
may_be_stale(Oid root, bool insert)
{
	forget_other_statements();
	return list_member_oid(noted_changes, root) ||
		(!insert && list_member_oid(noted_inserts, root));
}

static void
note_change(Oid root, bool insert)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	List	  **list = insert ? &noted_inserts : &noted_changes;

	forget_other_statements();
	*list = list_append_unique_oid(*list, root);
	MemoryContextSwitchTo(old);
}

/* The rows of a transition table, or none. */
typedef struct Rows
{
	Tuplestorestate *store;		/* or NULL */
	int			pointer;
	TupleTableSlot *slot;		/* the row */
} Rows;

/* Begin to read a transition table, with a read pointer of our own. */
static void
begin_rows(Rows *rows, Relation rel, Tuplestorestate *store)
{
	rows->store = store;
	if (store == NULL)
		return;
	rows->pointer = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);
	rows->slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	tuplestore_select_read_pointer(store, rows->pointer);
	tuplestore_rescan(store);
}

/* The next row; false if there is none. */
static bool
next_row(Rows *rows)
{
	if (rows->store == NULL)
		return false;
	tuplestore_select_read_pointer(rows->store, rows->pointer);
	return tuplestore_gettupleslot(rows->store, true, false, rows->slot);
}

static void
end_rows(Rows *rows)
{
	if (rows->store != NULL)
		ExecDropSingleTupleTableSlot(rows->slot);
}

static int64
count_rows(Tuplestorestate *store)
{
	return store == NULL ? 0 : tuplestore_tuple_count(store);
}

/* Order keys that are looked up at once. */
#define KEYS_AT_ONCE 5000

/* What becomes of the rows of a statement. */
typedef struct Statement
{
	TrackedTable *table;
	TrackedTable *root;			/* the table that was tracked */
	OrderReader reader;			/* of new rows */
	OrderReader old_reader;
	Recorder   *recorder;

	bool		new_orders;		/* they are most likely new */
	bool		more_than_row;	/* rows only tell which orders to look at */
	bool		reread;			/* and not even that for sure: read by key whose they are */
	bool		paired;			/* old and new rows come in pairs */
	bool		sure;			/* a row that is gone is an order that is gone */
	bool		new_refunds;	/* refunds were inserted, whose orders must be there */
	MemoryContext context;
	Datum	   *keys;
	int			key_count;
} Statement;

static void
put_current(void *arg, Order *order)
{
	recorder_put((Recorder *) arg, order, NULL, NULL);
}

static void
read_again(Statement *statement)
{
	MemoryContext old = MemoryContextSwitchTo(statement->context);

	if (statement->key_count > 0)
		current_customers(statement->root, statement->keys, statement->key_count,
						  statement->table->part[0] != '\0', statement->new_refunds ? statement->table : NULL,
						  put_current, statement->recorder);
	MemoryContextSwitchTo(old);
	MemoryContextReset(statement->context);
	statement->key_count = 0;
	statement->keys = NULL;
}

/* An order was touched, whoever has it now. */
static void
touch_key(Statement *statement, Datum order_key)
{
	MemoryContext old;

	/* lines of one order mostly follow each other */
	if (statement->key_count > 0 &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
											 statement->keys[statement->key_count - 1], order_key)))
		return;
	old = MemoryContextSwitchTo(statement->context);
	if (statement->keys == NULL)
		statement->keys = palloc(KEYS_AT_ONCE * sizeof(Datum));
	statement->keys[statement->key_count++] = datumCopy(order_key, false, -1);
	MemoryContextSwitchTo(old);
	if (statement->key_count == KEYS_AT_ONCE)
		read_again(statement);
}

/* An order of this customer was touched. */
static void
touch_order(Statement *statement, Order *order, const OrderState *brought, bool left)
{
	order_gone(order);
	if (left)
		recorder_put_left(statement->recorder, order);
	else
		recorder_put(statement->recorder, order, NULL, brought);
	touch_key(statement, order->order_key);
}

/*
 * A row that is not there any more; or only not as it was.  left: it has another customer or key,
 * to which its order brings something along.
 */
static void
old_row_gone(Statement *statement, Order *order, bool removed, bool left)
{
	if (statement->reread)
	{
		touch_order(statement, order, NULL, left);
		return;
	}
	order_gone(order);
	order->must_read = !(removed && statement->sure) && !statement->table->rows_hidden;
	if (left)
		recorder_put_left(statement->recorder, order);
	else
		recorder_put(statement->recorder, order, NULL, NULL);
}

/*
 * A row that is there now.  changed: it has another customer or key than before,
 * or that is not known.  brought: what it brings along from there, or NULL.
 */
static void
new_row(Statement *statement, TupleTableSlot *row, Order *order, bool changed,
		const OrderState *brought)
{
	if (statement->reread)
		touch_order(statement, order, brought, false);
	else if (statement->more_than_row || (changed && !statement->table->rows_hidden))
	{
		order_gone(order);
		order->must_read = true;
		recorder_put(statement->recorder, order, NULL, brought);
	}
	else
	{
		order_evaluate(&statement->reader, row, order);
		if (order->counts && statement->new_orders)
			order_expect_points(&statement->reader, row, order);
		recorder_put(statement->recorder, order, row, NULL);
	}
}

static bool
same_identity(TrackedTable *table, Order *a, Order *b)
{
	return datumIsEqual(a->customer, b->customer,
						table->customer_by_value, table->customer_length) &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
											 a->order_key, b->order_key));
}

/* A line or refund touches the order that it belongs to. */
static void
touch_part(Statement *statement, OrderReader *reader, TupleTableSlot *row)
{
	Datum		order_key;

	if (order_key_of(reader, row, &order_key))
		touch_key(statement, order_key);
	else if (reader == &statement->reader && strcmp(statement->table->part, "refunds") == 0)
		order_refund_without_order(reader, row);
}

/* The order of the row that was just read, or the one that it belongs to. */
static bool
identify_row(Statement *statement, OrderReader *reader, TupleTableSlot *row, Order *order)
{
	ResetExprContext(reader->econtext);
	if (statement->table->part[0] == '\0')
		return order_identify(reader, row, order);
	touch_part(statement, reader, row);
	return false;
}

/*
 * All rows of a statement.
 */
static void
record_rows(Statement *statement, Relation rel, Tuplestorestate *before,
			Tuplestorestate *after)
{
	Rows		old_rows;
	Rows		new_rows;

	begin_rows(&old_rows, rel, before);
	begin_rows(&new_rows, rel, after);
	for (;;)
	{
		bool		has_old = next_row(&old_rows);
		bool		has_new = next_row(&new_rows);
		bool		same = false;
		const OrderState *brought = NULL;
		Order		was;
		Order		is;

		CHECK_FOR_INTERRUPTS();
		if (!has_old && !has_new)
			break;
		has_old = has_old && identify_row(statement, &statement->old_reader, old_rows.slot, &was);
		has_new = has_new && identify_row(statement, &statement->reader, new_rows.slot, &is);
		if (statement->paired && has_old && has_new)
		{
			same = same_identity(statement->table, &was, &is);
			if (!same && !statement->table->rows_hidden)
				brought = recorder_bring(statement->recorder, &was, &is);
		}
		if (has_old && !same)
			old_row_gone(statement, &was, after == NULL, brought != NULL);
		if (has_new)
			new_row(statement, new_rows.slot, &is, before != NULL && !same, brought);
	}
	end_rows(&old_rows);
	end_rows(&new_rows);
}

/* Is there no such program any more?  Its schema is dropped without its triggers. */
static bool
is_dropped(const char *program)
{
	Oid			schema = get_namespace_oid(program, true);

	return !OidIsValid(schema) || !OidIsValid(get_relname_relid("program", schema));
}

/* What helps if the owner lacks a right.  Which functions a rule calls is not for everybody. */
static char *
lacking_right(TrackedTable *table)
{
	char	   *program = quote_literal_cstr(table->program);

	if (table->lack == LACKS_EXECUTE && !has_privs_of_role(GetSessionUserId(), table->owner))
		return psprintf("SELECT * FROM loyalty.verify(%s) tells what to do.", program);
	return psprintf("%s then SELECT * FROM loyalty.reconcile(%s) records what was missed.",
					program_missing_grant(table), program);
}

/*
 * Tell why a statement is not recorded, and what helps.  table: what is known of the
 * table that lacks something, or NULL if nothing is.
 */
static void
warn_not_recorded(TriggerData *trigdata, const char *program, TrackedTable *table)
{
	Relation	rel = trigdata->tg_relation;
	char	   *name = quote_literal_cstr(program);
	const char *why = "it does not track the table";
	char	   *hint;

	switch (table == NULL ? LACKS_NOTHING : table->lack)
	{
		case LACKS_NOTHING:
			if (is_dropped(program))
			{
				why = "the program was dropped";
				hint = psprintf("SELECT loyalty.drop_program(%s) drops the triggers that it left on tables.", name);
				break;
			}
			hint = psprintf("Drop the trigger: DROP TRIGGER %s ON %s;", quote_identifier(trigdata->tg_trigger->tgname),
							quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel)));
			break;
		case LACKS_LAYOUT:
			why = version_difference(table->layouts);
			hint = psprintf("%s SELECT * FROM loyalty.reconcile(%s) then records what was missed.", version_hint(program, table->layouts), name);
			break;
		case LACKS_TABLE:
			why = "it is no part of the table that is tracked";
			hint = psprintf("If it was a part of it, SELECT * FROM loyalty.reconcile(%s) drops its triggers; else drop the trigger %s.",
							name, quote_identifier(trigdata->tg_trigger->tgname));
			break;
		case LACKS_ORDERS:
			why = "the table of the orders was dropped";
			hint = psprintf("SELECT * FROM loyalty.reconcile(%s) ends tracking it.", name);
			break;
		case LACKS_RESUME:
			why = "the table is paused";
			hint = psprintf("Call loyalty.resume(%s, %s%s%s).", name, program_table_argument(table->root), table->event == NULL ? "" : ", kind => ",
							table->event == NULL ? "" : quote_literal_cstr(table->event));
			break;
		case LACKS_ROWS:
			why = "row security hides rows from its owner";
			hint = pstrdup("No policy is enough: ALTER ROLE ... BYPASSRLS lets the owner of the program read all rows. So does giving the program to the owner of the tables, where row security is not forced.");
			break;
		case LACKS_SELECT:
		case LACKS_EXECUTE:
			why = table->lack == LACKS_SELECT ? "its owner may not read a table" : "its owner may not call a function";
			hint = lacking_right(table);
			break;
		case LACKS_PART:
			why = "the table of lines or refunds was dropped";
			hint = psprintf("SELECT * FROM loyalty.verify(%s) tells what to do.", name);
			break;
		case LACKS_VIEW:
		default:
			why = "its view was dropped, with something that it used";
			hint = psprintf("SELECT * FROM loyalty.verify(%s) tells what to do.", name);
			break;
	}
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s of table \"%s\" are not recorded by the loyalty program \"%s\": %s",
					table != NULL && table->event != NULL ? "events" : "orders", RelationGetRelationName(rel), program, why),
			 errhint("%s", hint)));
}

/*
 * TRUNCATE tells no rows: every order of the tracked table may have changed.  Found
 * set-based, as the owner: the recorded orders that are gone, or if it was lines
 * or refunds that went, all orders.
 */
static void
record_truncate(TrackedTable *table, TrackedTable *root)
{
	if (table->part[0] == '\0')
		(void) record_missing(root, true);
	else
		(void) record_keys(root, true);
}

/* May new rows that PostgreSQL gives be without the columns that it computes? */
static bool
rows_lack_columns(Relation rel)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	return rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && constr != NULL &&
		constr->has_generated_stored;
}

static void
record_statement(TriggerData *trigdata, TrackedTable *table, TrackedTable *root)
{
	Statement	statement = {.table = table,.root = root};
	Tuplestorestate *before = trigdata->tg_oldtable;
	Tuplestorestate *after = trigdata->tg_newtable;
	int64		rows;
	RecorderMode mode;

	statement.more_than_row = program_more_than_row(table) ||
		(after != NULL && rows_lack_columns(trigdata->tg_relation) && !table->rows_hidden);
	statement.reread = table->part[0] != '\0' || may_be_stale(table->root, before == NULL);
	mode = statement.reread || statement.more_than_row ? RECORD_CURRENT :
		before == NULL ? RECORD_NEW : RECORD_ROWS;

	statement.new_orders = mode == RECORD_NEW;
	statement.paired = before != NULL && after != NULL && count_rows(before) == count_rows(after);
	statement.sure = table->unique_key;
	statement.new_refunds = before == NULL && strcmp(table->part, "refunds") == 0;

	/*
	 * The one row of an update may be put twice, but then as two orders.  What is read
	 * again is put once as touched and once as it is.
	 */
	rows = statement.paired ? count_rows(after) : count_rows(before) + count_rows(after);
	if (statement.reread)
		rows = 2 * rows;
	if (after != NULL)
		order_reader_begin(&statement.reader, table);
	if (before != NULL)
		order_reader_begin(&statement.old_reader, table);
	statement.recorder = recorder_begin(mode == RECORD_CURRENT ? statement.root : table, mode, rows);
	recorder_reject(statement.recorder);
	if (statement.reread)
		statement.context = AllocSetContextCreate(CurrentMemoryContext, "loyalty orders to read",
												  ALLOCSET_DEFAULT_SIZES);

	record_rows(&statement, trigdata->tg_relation, before, after);
	if (statement.reread)
	{
		read_again(&statement);
		MemoryContextDelete(statement.context);
	}
	(void) recorder_finish(statement.recorder);
	if (after != NULL)
		order_reader_end(&statement.reader);
	if (before != NULL)
		order_reader_end(&statement.old_reader);
}

/*
 * The gate: everything that the trigger protocol promises is checked here.
 */
static TriggerData *
check_trigger_call(FunctionCallInfo fcinfo)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "record")));
	if (!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by an AFTER STATEMENT trigger", "record")));
	if (trigdata->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" needs the arguments program and tracked table", "record"),
				 errhint("Use loyalty.track_orders() to track a table.")));
	if (!TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) &&
		((!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && trigdata->tg_newtable == NULL) ||
		 (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && trigdata->tg_oldtable == NULL)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" needs transition tables", "record"),
				 errhint("Use loyalty.track_orders() to track a table.")));
	return trigdata;
}

/* Does the statement have rows at all? */
static bool
has_rows(TriggerData *trigdata)
{
	return count_rows(trigdata->tg_newtable) > 0 || count_rows(trigdata->tg_oldtable) > 0;
}

/* Where in the context of an error recording begins. */
static void
record_error_context(void *arg)
{
	errcontext("recording orders of the loyalty program \"%s\"", (const char *) arg);
}

/* May the role of this session see the rules of a program? */
static bool
is_hidden(const char *program)
{
	Oid			schema = get_namespace_oid(program, true);
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	bool		hidden = true;

	if (HeapTupleIsValid(tuple))
	{
		hidden = !has_privs_of_role(GetSessionUserId(),
									((Form_pg_namespace) GETSTRUCT(tuple))->nspowner);
		ReleaseSysCache(tuple);
	}
	return hidden;
}

/*
 * Does the message of an error say nothing of the rules?  Ours don't (see
 * program.h), nor do those that clients act upon, or that have no values in them.
 */
static bool
is_harmless(ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	if (error->domain != NULL && strcmp(error->domain, TEXTDOMAIN) == 0)
		return true;
	error->detail = NULL;
	error->hint = NULL;
	return category == ERRCODE_TRANSACTION_ROLLBACK ||
		category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_OPERATOR_INTERVENTION ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_DIVISION_BY_ZERO ||
		error->sqlerrcode == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
}

/*
 * Errors quote the queries and functions that failed, and with them the rules of
 * the program; messages name functions and quote values.  They are for sessions
 * of its owner.  All others are shown what led to recording, and no message or
 * detail but those that say nothing of the rules; the server's log has the rest.
 */
static void
hide_rules(ErrorData *error, const char *program)
{
	char	   *marker = psprintf("recording orders of the loyalty program \"%s\"", program);
	char	   *outer = error->context ? strstr(error->context, marker) : NULL;

	ereport(LOG_SERVER_ONLY,
			(errcode(error->sqlerrcode),
			 errmsg("could not record orders of the loyalty program \"%s\": %s",
					program, error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->context != NULL ? errcontext("%s", error->context) : 0));
	error->internalquery = NULL;
	error->internalpos = 0;
	error->cursorpos = 0;
	error->schema_name = error->table_name = error->column_name = NULL;
	error->datatype_name = error->constraint_name = NULL;
	error->context = outer != NULL ? outer : marker;
	if (!is_harmless(error))
	{
		error->message = psprintf("could not record orders of the loyalty program \"%s\"", program);
		error->hint = "The server's log, and loyalty.verify(), tell more.";
	}
}

/* Record what a statement did, as the owner of the program. */
static void
record_as_owner(TriggerData *trigdata, TrackedTable *table)
{
	bool		truncate = TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event);
	TrackedTable *root;
	OwnerScope	scope;

	owner_enter(&scope, table->owner, table->needs_settings || truncate, table->time_zone);
	root = program_root_table(table);
	if (root == NULL || program_lacks_something(root))
		warn_not_recorded(trigdata, table->program, root);
	else if (truncate)
		record_truncate(table, root);
	else
		record_statement(trigdata, table, root);
	owner_leave(&scope);
	if (table->part[0] == '\0')
		note_change(table->root, TRIGGER_FIRED_BY_INSERT(trigdata->tg_event));
}

/* Find out what the program knows of the table, and record. */
static void
record_trigger(TriggerData *trigdata, const char *program)
{
	Trigger    *trigger = trigdata->tg_trigger;
	Oid			relid = RelationGetRelid(trigdata->tg_relation);
	int32		number = pg_strtoint32(trigger->tgargs[1]);
	TrackedTable *table = program_tracked_table(relid, program, number);

	/*
	 * The lock tells others that something is recorded under these terms.  Terms that
	 * were replaced meanwhile may be gone: whoever removed them did not see the lock.
	 */
	if (table != NULL)
	{
		LockRelationOid(table->journal, RowExclusiveLock);
		if (!table->valid)
			table = program_tracked_table(relid, program, number);
	}
	if (table == NULL || table->lack != LACKS_NOTHING)
		warn_not_recorded(trigdata, program, table);
	else
		record_as_owner(trigdata, table);
}

PG_FUNCTION_INFO_V1(loyalty_record);

/*
 * record(program, tracked table): AFTER STATEMENT trigger on tracked tables.
 */
Datum
loyalty_record(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = check_trigger_call(fcinfo);
	const char *program = trigdata->tg_trigger->tgargs[0];
	MemoryContext context = CurrentMemoryContext;
	volatile bool hidden;
	ErrorContextCallback callback = {.callback = record_error_context,.arg = unconstify(char *, program)};

	if (!TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) && !has_rows(trigdata))
		return PointerGetDatum(NULL);
	nested_refuse_write(RelationGetRelationName(trigdata->tg_relation));

	hidden = is_hidden(program);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	PG_TRY();
	{
		record_trigger(trigdata, program);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		error_context_stack = callback.previous;
		if (hidden)
			hide_rules(error, program);
		ReThrowError(error);
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	return PointerGetDatum(NULL);
}
