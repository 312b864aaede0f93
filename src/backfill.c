/*
 * backfill.c: recording the orders that a tracked table has already.
 *
 * Reads the table, or each of its partitions, and puts every order through the
 * same recorder as the trigger does: sorted by customer, within work_mem and
 * then on disk.  An order that is recorded already is written only if it stands
 * otherwise.  The caller has locked the table against writers, and its snapshot
 * is of this moment, so nothing that the triggers did not see is missed.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "owner.h"
#include "program.h"
#include "recorder.h"

/* Progress is told so often. */
#define PROGRESS_ROWS 1000000

/* Put the orders of one relation that has rows. */
static int64
put_relation(Recorder *recorder, TrackedTable *table, int64 seen)
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
			recorder_put(recorder, &order, slot);
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

PG_FUNCTION_INFO_V1(loyalty_record_table);

/*
 * record_table(program name, source int) returns bigint
 *
 * Records how all orders of a tracked table stand; returns the number of
 * entries.  For the owner of the program, whose rights the expressions have.
 */
Datum
loyalty_record_table(PG_FUNCTION_ARGS)
{
	const char *program = NameStr(*PG_GETARG_NAME(0));
	int32		source = PG_GETARG_INT32(1);
	Oid			schema = get_namespace_oid(program, false);
	Oid			relid = program_source_relation(schema, source);
	TrackedTable *root = program_tracked_table(relid, program, source);
	Recorder   *recorder;
	List	   *relations;
	ListCell   *lc;
	int64		seen = 0;
	int64		written;
	AclResult	acl;
	OwnerScope	scope;

	if (root == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no source %d", program, source)));
	if (!has_privs_of_role(GetUserId(), root->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of loyalty program \"%s\"", program)));

	acl = pg_class_aclcheck(relid, root->owner, ACL_SELECT);
	if (acl != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of loyalty program \"%s\" may not read table \"%s\"",
						program, get_rel_name(relid)),
				 errhint("Grant SELECT on the table to the role \"%s\".",
						 GetUserNameFromId(root->owner, false))));
	if (check_enable_rls(relid, root->owner, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row security hides orders of table \"%s\" from the owner of loyalty program \"%s\"",
						get_rel_name(relid), program),
				 errhint("Give the program to the owner of the table, or to a role with BYPASSRLS.")));
	relations = find_all_inheritors(relid, AccessShareLock, NULL);
	owner_enter(&scope, root->owner, true, root->time_zone);
	PushActiveSnapshot(GetLatestSnapshot());
	recorder = recorder_begin(root, RECORD_NEW, -1);
	foreach(lc, relations)
	{
		TrackedTable *table;

		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_RELATION)
			continue;
		table = program_tracked_table(lfirst_oid(lc), program, source);
		if (table != NULL && !table->stranger)
			seen = put_relation(recorder, table, seen);
	}
	written = recorder_finish(recorder);
	PopActiveSnapshot();
	owner_leave(&scope);
	PG_RETURN_INT64(written);
}
