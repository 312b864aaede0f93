/*
 * moved.c: orders that are another customer's, or have another key, by what a tracked table
 * is said to mean now.
 *
 * When the expression of the customer or of the key is changed, orders end in the
 * journal and others begin, as if their rows had been updated.  They are the same orders:
 * what decides about them comes along (see brought.c).  While the view of what was said
 * before is there, an order is known by the place of its row, which nobody
 * changes meanwhile.  Else it is known by its key, which is what it was then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "current.h"
#include "owner.h"
#include "program.h"
#include "reconcile.h"
#include "recorder.h"

/* Whose orders were, by which key, and whose they are, by which: by the place of the row. */
static char *
query_by_row(TrackedTable *root)
{
	return psprintf("SELECT b.customer, b.order_key, v.customer, v.order_key"
					" FROM %s b JOIN %s v ON v.row_table = b.row_table AND v.row_id = b.row_id"
					" WHERE v.order_key <> b.order_key OR NOT v.customer %s b.customer ORDER BY 1",
					quote_qualified_identifier(root->program, psprintf("before_%d", root->tracked_table)),
					quote_qualified_identifier(root->program, get_rel_name(root->identity)),
					root->same_customer);
}

/* The same by the key, from what is recorded: of the one that counts, or else the newest. */
static char *
query_by_key(TrackedTable *root)
{
	return psprintf("SELECT b.customer, b.order_key, v.customer, v.order_key"
					" FROM (SELECT DISTINCT ON (r.order_key) r.customer, r.order_key FROM %s.recorded_orders r"
					" WHERE r.tracked_table = %d ORDER BY r.order_key, r.counts DESC, r.recorded_at DESC) b"
					" JOIN %s v ON v.order_key = b.order_key"
					" WHERE NOT v.customer %s b.customer ORDER BY 1",
					quote_identifier(root->program), root->tracked_table,
					quote_qualified_identifier(root->program, get_rel_name(root->identity)),
					root->same_customer);
}

/* Put the pairs of a query.  A cursor keeps memory bounded. */
static void
put_moved(Recorder *recorder, TrackedTable *root, const char *query)
{
	Portal		portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true, 0);

	for (;;)
	{
		SPI_cursor_fetch(portal, true, 10000);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			const OrderState *brought;
			Order		was;
			Order		is;

			CHECK_FOR_INTERRUPTS();
			if (!current_identify(root, i, 1, &was) || !current_identify(root, i, 3, &is))
				continue;
			brought = recorder_bring(recorder, &was, &is);
			if (brought == NULL)
				continue;
			recorder_put(recorder, &is, NULL, brought);
			/* its key may be none of the type that keys have now: it is not looked for */
			recorder_put_left(recorder, &was);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
}

PG_FUNCTION_INFO_V1(loyalty_record_moved);

/*
 * record_moved(program name, tracked_table int, by_row bool) returns bigint
 *
 * Records the orders of a tracked table that are another customer's than before, or have
 * another key; returns the number of entries.
 */
Datum
loyalty_record_moved(PG_FUNCTION_ARGS)
{
	OwnerScope	scope;
	TrackedTable *root = record_open(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_INT32(1), &scope);
	Recorder   *recorder = recorder_begin(root, RECORD_ROWS, -1);
	int64		written;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	put_moved(recorder, root, PG_GETARG_BOOL(2) ? query_by_row(root) : query_by_key(root));
	PopActiveSnapshot();
	SPI_finish();
	written = recorder_finish(recorder);
	owner_leave(&scope);
	PG_RETURN_INT64(written);
}
