/*
 * joined.c: since when customers are customers.
 *
 * What tenure an order was made at is decided when it is recorded first: the entry
 * has the joining date of its customer, as the program's view "customer" tells it
 * by then, and later revisions of the order keep it.  It is only read for terms
 * that have a tier which uses the tenure.
 *
 * The view is read by the key of the customers, with a plan that is kept, and with
 * the snapshots of snapshot.c: nobody waits for that, and nobody fails for it.  The
 * rows that are read are independent of each other.  An expression that raises an
 * error for a customer concerns that customer alone, whose joining date is not known
 * then, with a line in the server's log: orders are recorded in any case.
 *
 * Where the view only shows two columns of a table, these are looked up by the index
 * on the key (probe.c), which takes a fraction of the time.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "rewrite/rewriteHandler.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "definition.h"
#include "joined.h"
#include "owner.h"
#include "protect.h"
#include "snapshot.h"
#include "trust.h"
#include "watch.h"

/* Customers that are looked up, for protect(). */
typedef struct JoinedLookUp
{
	TrackedTable *table;
	const Datum *customers;		/* different ones */
	int			count;
	Moment	   *joined;			/* the result */
	int			next;			/* whose row is most likely found next */
} JoinedLookUp;

/*
 * Are two customers the same one?  Equal keys can be of other bytes.
 */
bool
equals_customer(TrackedTable *table, Datum a, Datum b)
{
	ScanKey		key = &table->entry_keys[ENTRY_CUSTOMER];

	return DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation, a, b));
}

/* Where to look for customers without a query, if the view allows it. */
static void
prepare_probe(TrackedTable *table, Oid view)
{
	Definition	definition = definition_open(view);
	ScanKey		key = &table->entry_keys[ENTRY_CUSTOMER];
	Var		   *customer = definition_plain_column(&definition, "person", "customer");
	Var		   *joined = definition_plain_column(&definition, "person", "joined_at");

	memset(&table->joined_probe, 0, sizeof(Probe));
	if (customer == NULL || customer->vartype != table->customer_type ||
		joined == NULL || joined->vartype != TIMESTAMPTZOID)
		return;
	table->joined_column = joined->varattno;
	probe_init(&table->joined_probe, definition_relation(&definition, "person"), customer->varattno,
			   customer->vartype, key->sk_func.fn_oid, key->sk_collation);
}

/*
 * Whoever owns the customer table must not make the owner of the program run code,
 * and the snapshot depends on the code that is run.  Looked at again whenever
 * something was invalidated.
 */
static void
check_view(TrackedTable *table)
{
	uint64		now = watch_begin();
	Oid			schema;
	Relation	view;
	ListCell   *lc;

	if (table->joined != NULL && table->joined_checked == now)
		return;
	schema = get_namespace_oid(table->program, false);
	trust_check_customers(schema);
	view = relation_open(program_relation(schema, "customer"), AccessShareLock);
	if (view->rd_rel->relkind != RELKIND_VIEW)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"customer\" of loyalty program \"%s\" is not a view",
						table->program)));
	table->joined_user_code = false;
	foreach(lc, get_view_query(view)->targetList)
		table->joined_user_code |= trust_runs_user_code((Node *) ((TargetEntry *) lfirst(lc))->expr);
	prepare_probe(table, RelationGetRelid(view));
	relation_close(view, NoLock);
	table->joined_checked = now;
}

static SPIPlanPtr
prepare_joined(TrackedTable *table)
{
	Oid			types[1] = {get_array_type(table->customer_type)};
	StringInfoData query;
	SPIPlanPtr	plan;

	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT c.customer, c.joined_at::pg_catalog.timestamptz FROM %s.customer c WHERE c.customer %s ANY ($1)",
					 quote_identifier(table->program), table->same_customer);
	plan = SPI_prepare_cursor(query.data, 1, types, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare_joined the look-up of customers: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	pfree(query.data);
	return plan;
}

/* Note a row that was found.  Rows mostly come in the order of the customers. */
static void
note_joined(JoinedLookUp *lookup, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		customer = SPI_getbinval(row, desc, 1, &isnull);

	for (int n = 0; !isnull && n < lookup->count; n++)
	{
		int			i = (lookup->next + n) % lookup->count;
		Moment	   *joined = &lookup->joined[i];

		if (!equals_customer(lookup->table, lookup->customers[i], customer))
			continue;
		joined->at = DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &isnull));
		joined->is_known = !isnull;
		lookup->next = i + 1;
		return;
	}
}

/* Look up some customers. */
static void
look_up_joined(void *arg)
{
	JoinedLookUp *lookup = (JoinedLookUp *) arg;
	TrackedTable *table = lookup->table;
	int16		length;
	bool		by_value;
	char		align;
	Datum		array;
	int			nest = settings_begin(table->time_zone);

	settings_look_up();
	get_typlenbyvalalign(table->customer_type, &length, &by_value, &align);
	array = PointerGetDatum(construct_array(unconstify(Datum *, lookup->customers), lookup->count,
											table->customer_type, length, by_value, align));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	check_view(table);
	if (table->joined == NULL)
		table->joined = prepare_joined(table);
	/* A customer may be of the same statement. */
	CommandCounterIncrement();
	snapshot_push_current(table->joined_user_code);
	if (SPI_execute_plan(table->joined, &array, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look up customers");
	PopActiveSnapshot();
	for (uint64 i = 0; i < SPI_processed; i++)
		note_joined(lookup, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	SPI_finish();
	settings_end(nest);
}

/*
 * Look up customers by their index; false if that cannot be, or if it has to be checked
 * again whether it can.  Nothing of a user runs then.
 */
static bool
probe_joined(TrackedTable *table, const Datum *customers, int count, Moment *joined)
{
	ProbeScan	scan;

	if (table->joined == NULL || table->joined_checked != watch_begin() ||
		!probe_begin(&scan, &table->joined_probe))
		return false;
	if (table->joined_checked != watch_begin())
	{
		probe_end(&scan);
		return false;
	}
	for (int i = 0; i < count; i++)
	{
		bool		isnull = true;

		if (probe_find(&scan, customers[i]))
			joined[i].at = DatumGetTimestampTz(slot_getattr(scan.slot, table->joined_column, &isnull));
		joined[i].is_known = !isnull;
	}
	probe_end(&scan);
	return true;
}

/* Look up customers; if that fails, one by one. */
static void
look_up_guarded(TrackedTable *table, const Datum *customers, int count, Moment *joined)
{
	JoinedLookUp lookup = {.table = table,.customers = customers,.count = count,.joined = joined};
	ErrorData  *error;

	memset(joined, 0, count * sizeof(Moment));
	error = protect(look_up_joined, &lookup);
	if (error == NULL)
		return;
	memset(joined, 0, count * sizeof(Moment));
	if (count > 1)
	{
		for (int i = 0; i < count; i++)
			look_up_guarded(table, customers + i, 1, joined + i);
	}
	else
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(table->customer_type, &output, &is_varlena);
		ereport(LOG_SERVER_ONLY,
				(errcode(error->sqlerrcode),
				 errmsg("loyalty program \"%s\" records an order as if it was not known since when its customer is one: %s",
						table->program, error->message),
				 errdetail("The customer is %s.", OidOutputFunctionCall(output, customers[0]))));
	}
	FreeErrorData(error);
}

/*
 * Since when the customers of some orders are customers; orders of one customer
 * follow each other.  For the table that was tracked, as the owner.
 */
void
joined_read(TrackedTable *table, const Datum *customers, int count, Moment *joined)
{
	Datum	   *different = palloc(count * sizeof(Datum));
	int		   *which = palloc(count * sizeof(int));
	Moment	   *found = palloc(count * sizeof(Moment));
	int			n = 0;

	for (int i = 0; i < count; i++)
	{
		if (n == 0 || !equals_customer(table, different[n - 1], customers[i]))
			different[n++] = customers[i];
		which[i] = n - 1;
	}
	if (!probe_joined(table, different, n, found))
		look_up_guarded(table, different, n, found);
	for (int i = 0; i < count; i++)
		joined[i] = found[which[i]];
	pfree(different);
	pfree(which);
	pfree(found);
}
