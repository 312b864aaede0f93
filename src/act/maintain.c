/*
 * maintain.c: what time has done, in the ledger.
 *
 * The views show at any moment what is available then, whether anybody wrote it or not.
 * maintain() writes it: points that have expired are taken off, each with an entry that is
 * dated when they did; points that waited and are available wait no more; holds that have
 * timed out are released.  So accounts stay short, and reports that read entries have what
 * expired when.  It is done under the lock of the account, after what waits was posted, by
 * rules that ask nothing but the lots and the time: whoever runs it daily, monthly or once
 * at the end gets the same accounts.
 *
 * Before that, it gives what rules by date give on days that have come (dates.c), since such
 * points may have expired by now.  So each batch is of customers from the customer table, too,
 * where there are such rules, and of the accounts between them.
 *
 * Such an entry is of no order and no call: its tracked table is -1, and its key the moment.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "authorize.h"
#include "compat.h"
#include "dates.h"
#include "layout.h"
#include "nested.h"
#include "number.h"
#include "post.h"
#include "program.h"
#include "protect.h"
#include "version.h"

/* A moment as the key of an entry, by the function that the views use. */
static text *
moment_key(TimestampTz at)
{
	Oid			types[1] = {TIMESTAMPTZOID};
	Datum		values[1] = {TimestampTzGetDatum(at)};
	text	   *key;
	bool		isnull;

	if (SPI_execute_with_args("SELECT _loyalty.moment_key($1)", 1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not write a moment");
	key = DatumGetTextPCopy(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return key;
}

/* Write what time did at a moment, which the purse has already. */
static void
write_passing(Authorization *auth, const char *kind, TimestampTz at, Datum points)
{
	Call		call = {.tracked_table = TIME_TABLE,.kind = kind,.at = at,.points = points,.revision = 1,.net = points};
	Call		before;

	call.reference = moment_key(at);
	/* points may have come since, which had expired then already */
	if (authorize_find_newest(auth, TIME_TABLE, call.reference, &before))
	{
		call.revision = before.revision + 1;
		call.net = DirectFunctionCall2(numeric_add, before.net, points);
	}
	authorize_write_at(auth, &call);
}

/* A customer for whom time passes, or who is given what is due by date, for protect(). */
typedef struct Passing
{
	Oid			program;
	Datum		customer;
	Oid			type;
	const DueDates *dates;		/* or NULL */
	int			row;			/* of these */
} Passing;

/*
 * Give what a row of "dates" says, if there is one, unless the customer was merged into another
 * one meanwhile; and write what time has done.
 */
static void
pass_time(void *arg)
{
	Passing    *passing = (Passing *) arg;
	Authorization auth;
	TimestampTz moment;

	authorize_open(&auth, passing->program, passing->customer, passing->type);
	if (passing->dates != NULL && !authorize_passes_on(&auth))
		dates_grant(&auth, passing->dates, passing->row);
	while (purse_next_expiry(auth.purse, auth.at, &moment))
		write_passing(&auth, EXPIRY, moment, purse_expire(auth.purse, moment));
	if (purse_vest(auth.purse, auth.at, &moment))
		write_passing(&auth, VESTING, moment, number_zero());
	authorize_end(&auth);
}

/*
 * The next accounts behind a key, or from the start, and up to another one, or to the end, for
 * which there is something to write; with those that have entries to be posted, if these are
 * not posted already.
 */
static void
find_due(Posting *batch, text *after, const Datum *last, int limit, bool unposted)
{
	EntryTable	journal;
	StringInfoData query;
	Oid			types[3] = {INT4OID, batch->key_type, batch->key_type};
	Datum		values[3] = {Int32GetDatum(limit), (Datum) 0, last == NULL ? (Datum) 0 : *last};
	char		nulls[] = {' ', after == NULL ? 'n' : ' ', last == NULL ? 'n' : ' ', '\0'};

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT a.customer FROM (SELECT a.customer FROM %1$s.account a WHERE a.next_release <= pg_catalog.now()"
					 " OR (a.lots IS NOT NULL AND _loyalty.is_due(a.lots, pg_catalog.now()))%2$s%3$s) a WHERE true",
					 batch->program, unposted ? " UNION SELECT coalesce(m.survivor, j.customer) FROM " : "",
					 unposted ? psprintf("%1$s.journal j LEFT JOIN %1$s.merged m ON m.customer %2$s j.customer", batch->program, batch->operators[0]) : "");
	entry_table_open(&journal, batch->journal, RowExclusiveLock, NULL);
	if (after != NULL)
	{
		values[1] = posting_key_from_text(batch, after);
		appendStringInfo(&query, " AND a.customer %s $2", program_key_operator(journal.index, BTGreaterStrategyNumber));
	}
	if (last != NULL)
		appendStringInfo(&query, " AND a.customer %s $3", program_key_operator(journal.index, BTLessEqualStrategyNumber));
	entry_table_close(&journal);
	appendStringInfoString(&query, " ORDER BY a.customer LIMIT $1");
	if (SPI_execute_with_args(query.data, lengthof(types), types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for customers of a loyalty program");
	batch->count = SPI_processed;
	batch->customers = palloc(Max(batch->count, 1) * sizeof(Datum));
	for (int i = 0; i < batch->count; i++)
	{
		bool		isnull;

		batch->customers[i] = posting_copy_customer(batch, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
}

/* Write what time has done to the points of a customer; false, with a warning, if that fails. */
static bool
pass_time_of(Posting *batch, Datum customer)
{
	Passing		passing = {.program = batch->program_relid,.customer = customer,.type = batch->key_type};
	ErrorData  *error = protect(pass_time, &passing);

	if (error == NULL)
		return true;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("what time did to the points of the customer %s of loyalty program \"%s\" cannot be written: %s",
					text_to_cstring(posting_key_to_text(batch, customer)), batch->name, error->message)));
	FreeErrorData(error);
	return false;
}

/*
 * Give a customer what is due by date: so many rows from a place on.  What fails is told, and
 * stops no other; false if all did.
 */
static bool
give_dates_of(Posting *batch, Datum customer, const DueDates *dates, int first, int count)
{
	Passing		passing = {.program = batch->program_relid,.customer = customer,.type = batch->key_type,.dates = dates};
	bool		done = false;

	for (int i = first; i < first + count; i++)
	{
		ErrorData  *error;

		passing.row = dates->rows[i];
		error = protect(pass_time, &passing);
		if (error == NULL)
		{
			done = true;
			continue;
		}
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("the date rule \"%s\" gives nothing to the customer %s: %s", dates_rule_of(dates, passing.row),
						text_to_cstring(posting_key_to_text(batch, customer)), error->message)));
		FreeErrorData(error);
	}
	return done;
}

/*
 * The next customer of a batch, in the order of keys: of the accounts, from a place on, or of
 * what is due by date.
 */
static bool
next_customer(Posting *batch, int *account, const DueDates *dates, Datum *customer)
{
	bool		is_account = *account < batch->count;
	bool		is_dated = dates->next < dates->row_count;
	int			order = 0;

	if (!is_account && !is_dated)
		return false;
	if (is_account && is_dated)
		order = posting_compare_customers(batch, batch->customers[*account], dates->customers[dates->rows[dates->next]]);
	else
		order = is_account ? -1 : 1;
	*customer = order <= 0 ? batch->customers[*account] : dates->customers[dates->rows[dates->next]];
	if (order <= 0)
		(*account)++;
	return true;
}

/* The customers of a batch, and what is due to them by date, which are looked for, for protect(). */
typedef struct DatesSearch
{
	Posting    *batch;
	text	   *after;
	int			limit;
	bool		tell;
	bool		unposted;
	Datum	   *last;
	bool		more;
	DueDates	dates;
} DatesSearch;

/* The accounts, too, are those up to the last one of these customers, or up to the limit. */
static void
find_due_accounts(DatesSearch *search)
{
	search->more = search->dates.more;
	if (search->more)
		*search->last = search->dates.keys[search->dates.count - 1];
	find_due(search->batch, search->after, search->more ? search->last : NULL, search->limit, search->unposted);
	if (search->batch->count == search->limit)
	{
		*search->last = search->batch->customers[search->limit - 1];
		search->more = true;
	}
}

static void
search_dates(void *arg)
{
	DatesSearch *search = (DatesSearch *) arg;

	dates_look(search->batch, search->after, search->limit, &search->dates);
	find_due_accounts(search);
	dates_find(search->batch, search->more ? search->last : NULL, search->tell, &search->dates);
	search->more = dates_cut(search->batch, &search->dates, search->last) || search->more;
}

/*
 * Look for the customers of a batch.  If the owner cannot read the customer table any more, as when a right
 * was revoked, nothing is given by date, which is told; all else goes on.
 */
static void
search_customers(DatesSearch *search)
{
	ErrorData  *error = NULL;

	if (dates_any(search->batch, search->tell))
	{
		error = protect(search_dates, search);
		if (error == NULL)
			return;
		memset(&search->dates, 0, sizeof(search->dates));
	}
	if (error != NULL && search->tell)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("rules by date give nothing: the customers of loyalty program \"%s\" cannot be looked for", search->batch->name),
				 errdetail("%s.", error->message),
				 errhint("The owner of the program must be allowed to read the whole customer table, with GRANT SELECT, and where row security is for that role, with BYPASSRLS; what was due meanwhile is given then.")));
	find_due_accounts(search);
}

/*
 * Maintain the next customers behind a key, or from the start; returns how many, and in "last"
 * the one to go on behind, if there may be more.
 */
static int64
maintain_customers(Posting *batch, text *after, int limit, bool unposted, Datum *last, bool *more)
{
	DatesSearch search = {.batch = batch,.after = after,.limit = limit,.tell = after == NULL,.unposted = unposted,.last = last};
	int64		done = 0;
	int			account = 0;
	Datum		customer;

	search_customers(&search);
	*more = search.more;
	for (int accounts = 0; next_customer(batch, &account, &search.dates, &customer); accounts = account)
	{
		int			first;
		int			count = dates_take(batch, &search.dates, customer, &first);
		bool		is_done = give_dates_of(batch, customer, &search.dates, first, count);

		CHECK_FOR_INTERRUPTS();
		/* one of the accounts has something that time did by itself */
		if (account > accounts)
			is_done = pass_time_of(batch, customer);
		done += is_done ? 1 : 0;
	}
	return done;
}

PG_FUNCTION_INFO_V1(loyalty_maintain_batch);

/*
 * maintain_batch(program name, after text, batch int, unposted bool, OUT last text, OUT done bigint,
 * OUT more bool)
 *
 * Writes what time has done to the points of the next customers behind the key "after", or
 * from the start if that is null, gives them what is due by date, and with "unposted" posts all
 * their entries, too.  If there may be more, last is the key to go on with.
 */
Datum
loyalty_maintain_batch(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Posting		batch = {0};
	OwnerScope	scope;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {true, false, false};
	const char *program;
	Oid			schema;
	int64		done;
	Datum		last = (Datum) 0;
	bool		more;

	nested_refuse_call("maintain_batch");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("program and unposted must be given, and batch must be at least 1")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "maintain_batch must return a composite type");
	program = NameStr(*PG_GETARG_NAME(0));
	schema = post_require(program);
	writer_require_writable();
	owner_enter(&scope, layout_check_owner(schema), true, NULL);
	version_require(schema);
	posting_begin(&batch, program, schema);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	done = maintain_customers(&batch, PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1), PG_GETARG_INT32(2), PG_GETARG_BOOL(3), &last, &more);
	MemoryContextSwitchTo(context);
	if (more)
	{
		nulls[0] = false;
		values[0] = PointerGetDatum(posting_key_to_text(&batch, last));
	}
	SPI_finish();
	owner_leave(&scope);
	values[1] = Int64GetDatum(done);
	values[2] = BoolGetDatum(more);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(loyalty_maintain);

/*
 * maintain(program name, batch int): procedure.
 *
 * Posts all entries, and then gives all customers what is due by date, and writes what time has
 * done to their points, about "batch" of them at once.  Commits as post() does.  Where it cannot commit, it goes
 * through the customers once and does both for each, since it keeps their accounts locked:
 * in the order of their keys, as all do who lock more than one.
 */
Datum
loyalty_maintain(PG_FUNCTION_ARGS)
{
	bool		atomic;
	Datum		program = post_begin_procedure(fcinfo, "maintain", &atomic);
	int64		done;

	if (!atomic)
		(void) post_all(program, PG_GETARG_INT32(1), atomic);
	done = post_batches(atomic ? "SELECT p.last, p.done, p.more FROM _loyalty.maintain_batch($1, $2, $3, true) p" :
						"SELECT p.last, p.done, p.more FROM _loyalty.maintain_batch($1, $2, $3, false) p",
						program, PG_GETARG_INT32(1), atomic);
	SPI_finish();
	ereport(NOTICE,
			(errmsg("maintained the points of " INT64_FORMAT " customers", done)));
	PG_RETURN_VOID();
}
