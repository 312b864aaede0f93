/*
 * reconcile.c: recording what no trigger saw.
 *
 * Orders that a tracked table had already, that came while triggers were
 * disabled, or that went by TRUNCATE.  All go through the same recorder as those
 * that the trigger sees: sorted by customer, within work_mem and then on disk,
 * and an order that stands as it is recorded is not written again.
 *
 * For a backfill, the caller has locked the tables against writers, and the
 * snapshot is of this moment, so nothing is missed that the triggers don't see.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "configured.h"
#include "current.h"
#include "nested.h"
#include "owner.h"
#include "program.h"
#include "protect.h"
#include "reconcile.h"
#include "recorder.h"
#include "rights.h"
#include "trust.h"

/* Progress is told so often. */
#define PROGRESS_ROWS 1000000

/* Put the orders of one relation that has rows. */
static int64
put_relation(Recorder *recorder, TrackedTable *table, bool new_orders, int64 seen)
{
	Relation	rel = table_open(table->relid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	OrderReader reader;

	order_reader_begin(&reader, table);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Order		order;

		CHECK_FOR_INTERRUPTS();
		ResetExprContext(reader.econtext);
		if (order_identify(&reader, slot, &order))
		{
			order_evaluate(&reader, slot, &order);
			if (order.counts && new_orders)
				order_expect_points(&reader, slot, &order);
			/* the recorder reads rows by key, where it must: partitions differ in layout */
			recorder_put(recorder, &order, NULL, NULL);
		}
		if (++seen % PROGRESS_ROWS == 0)
			ereport(NOTICE,
					(errmsg("read " INT64_FORMAT " rows of orders", seen)));
	}
	order_reader_end(&reader);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return seen;
}

/* Record the orders that have a row. */
static int64
record_all(TrackedTable *root)
{
	/* Orders of older terms must not fail for rules that are not theirs. */
	bool		new_orders = root->terms == root->first_terms ||
	!program_rules(root, root->terms)->may_raise;
	Recorder   *recorder = recorder_begin_all(root, new_orders ? RECORD_NEW : RECORD_ROWS);
	List	   *relations = find_all_inheritors(root->relid, AccessShareLock, NULL);
	ListCell   *lc;
	int64		seen = 0;

	foreach(lc, relations)
	{
		TrackedTable *table;

		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_RELATION)
			continue;
		table = program_tracked_table(lfirst_oid(lc), root->program, root->tracked_table);
		if (table != NULL && table->lack == LACKS_NOTHING)
			seen = put_relation(recorder, table, new_orders, seen);
	}
	return recorder_finish(recorder);
}

/*
 * Put the orders that a query finds.  A cursor keeps memory bounded.
 */
static void
put_query(Recorder *recorder, BulkRead *bulk)
{
	TrackedTable *root = bulk->root;
	Oid			types[2] = {INT4OID, TIMESTAMPTZOID};
	Datum		values[2] = {Int32GetDatum(root->tracked_table), TimestampTzGetDatum(bulk->moment)};
	Portal		portal;
	int64		seen = 0;

	portal = SPI_cursor_open_with_args(NULL, bulk->query, 2, types, values, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, 10000);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Order		order;
			bool		isnull;

			if (!current_identify(root, i, 1, &order))
				continue;
			if (bulk->read && !current_read(root, i, &order))
				bulk->without_rate++;
			if (bulk->read)
				current_check_finite(root, &order, root->terms);
			if (bulk->dated)
				order.at = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &isnull));
			order.must_read = bulk->must_read;
			recorder_put(recorder, &order, NULL, NULL);
			if (bulk->read && ++seen % PROGRESS_ROWS == 0)
				ereport(NOTICE,
						(errmsg("read " INT64_FORMAT " rows of orders", seen)));
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
}

/*
 * Record the orders that a query finds, for protect(): a BulkRead.
 */
void
record_query(void *arg)
{
	BulkRead   *bulk = (BulkRead *) arg;
	Recorder   *recorder = recorder_begin_all(bulk->root, bulk->mode);

	if (bulk->rejects)
		recorder_reject(recorder);
	if (bulk->record_at != 0)
		recorder_at(recorder, bulk->record_at);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	put_query(recorder, bulk);
	PopActiveSnapshot();
	SPI_finish();
	bulk->written = recorder_finish(recorder);
}

/* Columns of all orders of a view, and of the archived ones, which refunds may have changed. */
static char *
with_archived(TrackedTable *root, const char *columns, Oid view)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s FROM %s AS v WHERE $1 IS NOT NULL", columns,
					 quote_qualified_identifier(root->program, get_rel_name(view)));
	if (OidIsValid(root->archived))
		appendStringInfo(&query, " UNION ALL SELECT %s FROM %s AS v", columns,
						 quote_qualified_identifier(root->program, get_rel_name(root->archived)));
	return query.data;
}

/*
 * Record how all orders that have a row stand, from the view that says so.  If an
 * expression fails for one of them, each is read by its key, so that the error names
 * the order, or only that order is skipped.
 */
static int64
record_view(TrackedTable *root)
{
	BulkRead	bulk = {.root = root,.read = true};
	ErrorData  *error;

	bulk.mode = root->terms == root->first_terms ? RECORD_NEW : RECORD_ROWS;
	bulk.query = with_archived(root, CURRENT_COLUMNS, root->view);
	error = protect(record_query, &bulk);
	if (error != NULL)
	{
		FreeErrorData(error);
		return record_keys(root, false);
	}
	if (bulk.without_rate > 0)
		ereport(NOTICE,
				(errmsg_plural(INT64_FORMAT " order of \"%s\" does not count, for want of a rate of its currency",
							   INT64_FORMAT " orders of \"%s\" do not count, for want of a rate of their currency",
							   (unsigned long) bulk.without_rate, bulk.without_rate, get_rel_name(root->relid)),
				 errhint("Insert the rates into the table \"exchange_rate\" of the program, then call loyalty.reconcile().")));
	return bulk.written;
}

/*
 * The same, reading each order by its key.  As the owner.
 */
int64
record_keys(TrackedTable *root, bool rejects)
{
	BulkRead	bulk = {.root = root,.mode = RECORD_CURRENT,.rejects = rejects};

	bulk.query = with_archived(root, "v.customer, v.order_key", root->identity);
	record_query(&bulk);
	return bulk.written;
}

/*
 * Take back the orders that their customer has no row of any more, unless they
 * are archived.  Returns the number of entries.  As the owner.
 */
int64
record_missing(TrackedTable *root, bool rejects)
{
	BulkRead	bulk = {.root = root,.mode = RECORD_CURRENT,.rejects = rejects};

	bulk.query = psprintf("SELECT r.customer, r.order_key FROM %1$s.recorded_orders r"
						  " WHERE r.tracked_table = $1 AND r.counts"
						  " AND NOT EXISTS (SELECT FROM %2$s v WHERE v.order_key = r.order_key AND v.customer %3$s r.customer)"
						  " AND NOT EXISTS (SELECT FROM %1$s.archived a WHERE a.tracked_table = r.tracked_table AND a.order_key = r.order_key AND a.customer %3$s r.customer)",
						  quote_identifier(root->program),
						  quote_qualified_identifier(root->program, get_rel_name(root->identity)),
						  root->same_customer);
	record_query(&bulk);
	return bulk.written;
}

/* An error if the owner lacks a right without which the orders cannot be recorded. */
static void
refuse_without_right(TrackedTable *root)
{
	bool		lacks = program_lacks_something(root);
	TrackedTable found = *root;

	if (!lacks && pg_class_aclcheck(root->relid, root->owner, ACL_SELECT) != ACLCHECK_OK)
	{
		found.lack = LACKS_SELECT;
		found.lacking = root->relid;
	}
	if (found.lack != LACKS_SELECT && found.lack != LACKS_EXECUTE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 found.lack == LACKS_SELECT ?
			 errmsg("the owner of loyalty program \"%s\" may not read table \"%s\"",
					root->program, get_rel_name(found.lacking)) :
			 errmsg("the owner of loyalty program \"%s\" may not call function %s",
					root->program, format_procedure_qualified(found.lacking)),
			 errhint("%s", program_missing_grant(&found))));
}

/*
 * The table of the orders with this number, as the owner of the program, whose rights the
 * expressions have; or an error if the current user does not have these, or the
 * owner cannot read all orders.  The caller leaves the scope.
 */
TrackedTable *
record_open(const char *program, int32 tracked_table, OwnerScope *scope)
{
	Oid			schema = get_namespace_oid(program, false);
	Oid			relid = program_tracked_relation(schema, tracked_table);
	TrackedTable *root = program_tracked_table(relid, program, tracked_table);

	nested_refuse_call("record_table");
	if (root == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no tracked table %d", program, tracked_table)));
	if (!has_privs_of_role(GetUserId(), root->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of loyalty program \"%s\"", program)));
	refuse_without_right(root);
	if (check_enable_rls(relid, root->owner, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row security hides orders of table \"%s\" from the owner of loyalty program \"%s\"",
						get_rel_name(relid), program),
				 errhint("Give the program to the owner of the table, or to a role with BYPASSRLS.")));
	owner_enter(scope, root->owner, true, root->time_zone);
	trust_check_descendants(root->relid);
	return root;
}

PG_FUNCTION_INFO_V1(loyalty_record_table);

/*
 * record_table(program name, tracked_table int, gone bool) returns bigint
 *
 * Records how all orders of a tracked table stand, or, with gone, takes back
 * those that have no row any more; returns the number of entries.
 */
Datum
loyalty_record_table(PG_FUNCTION_ARGS)
{
	OwnerScope	scope;
	TrackedTable *root = record_open(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_INT32(1), &scope);
	int64		written;

	PushActiveSnapshot(GetLatestSnapshot());
	if (PG_GETARG_BOOL(2))
		written = record_missing(root, false);
	else if (program_more_than_row(root))
		written = record_view(root);
	else
		written = record_all(root);
	PopActiveSnapshot();
	owner_leave(&scope);
	PG_RETURN_INT64(written);
}
