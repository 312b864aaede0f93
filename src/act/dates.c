/*
 * dates.c: giving the points of rules by date.
 *
 * What is due to some customers is asked at once, with no lock (install/dates.sql).  Under the
 * lock of an account each day is decided by a row of the table "date_grant", if none of the
 * keys of the account has one of this period, so two who maintain at once, or one who comes
 * again after a crash, give nothing twice.  The points are a call of the kind "grant", whose
 * reference is made of the rule and the period, and whose moment is the begin of the day: they
 * become available and expire as points that were given then, whenever somebody maintains.
 *
 * An entry that has the reference already is this grant: the row was lost.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "call.h"
#include "compat.h"
#include "dates.h"
#include "nested.h"
#include "number.h"
#include "program.h"
#include "result.h"
#include "version.h"

/* Columns of _loyalty.due_today(), from 1. */
enum
{
	DUE_CUSTOMER = 1, DUE_RULE, DUE_PERIOD, DUE_AT, DUE_POINTS, DUE_REASON, DUE_WALLET, DUE_TIMES, DUE_IS_FOR_SOME
};

/* So many conditions of rules that are for some members are decided before accounts are let go of. */
#define MOST_CONDITIONS 20

/* See kept_execute() for the placeholders. */
static const char decide_date[] =
"INSERT INTO %1$s.date_grant (customer, rule, period, day, time_zone, points, times, reference)"
" SELECT k.customer AS %2$s, $3, $4, ($5 AT TIME ZONE p.time_zone)::pg_catalog.date, p.time_zone, $6, $7::pg_catalog.int4, $8"
" FROM %1$s.program p CROSS JOIN pg_catalog.unnest($2) k (customer)"
" WHERE k.customer %3$s %4$s AND NOT EXISTS (SELECT FROM %1$s.date_grant g"
" WHERE g.customer %3$s ANY ($2) AND g.rule OPERATOR(pg_catalog.=) $3 AND g.period OPERATOR(pg_catalog.=) $4)"
" AND ($7 IS NULL OR $7 OPERATOR(pg_catalog.>) (SELECT pg_catalog.count(*) FROM %1$s.date_grant g"
" WHERE g.customer %3$s ANY ($2) AND g.rule OPERATOR(pg_catalog.=) $3 AND g.points OPERATOR(pg_catalog.>) 0))";

/*
 * Has a program rules by date, and the view that says who its customers are?  Without the
 * view nothing is given, which is told if that is asked for.  SPI is connected.
 */
bool
dates_any(Posting *batch, bool tell)
{
	bool		isnull;
	bool		any;
	bool		lost;

	if (SPI_execute(psprintf("SELECT EXISTS (SELECT FROM %s.date_rule), pg_catalog.to_regclass(%s) IS NULL", batch->program,
							 quote_literal_cstr(psprintf("%s.customer", batch->program))), false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for rules by date");
	any = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	lost = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	SPI_freetuptable(SPI_tuptable);
	if (any && lost && tell)
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("rules by date give nothing: loyalty program \"%s\" lacks the view \"customer\"", batch->name),
				 errhint("SELECT * FROM loyalty.verify(%s) tells what to do.", quote_literal_cstr(batch->name))));
	return any && !lost;
}

/*
 * The next customers of the customer table behind a key, or from the start.
 */
void
dates_look(Posting *batch, text *after, int limit, DueDates *dates)
{
	StringInfoData query;
	EntryTable	journal;
	Oid			types[2] = {INT4OID, batch->key_type};
	Datum		values[2] = {Int32GetDatum(limit), (Datum) 0};

	memset(dates, 0, sizeof(*dates));
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT c.customer FROM %s.customer c WHERE c.customer IS NOT NULL", batch->program);
	if (after != NULL)
	{
		values[1] = posting_key_from_text(batch, after);
		entry_table_open(&journal, batch->journal, RowExclusiveLock, NULL);
		appendStringInfo(&query, " AND c.customer %s $2", program_key_operator(journal.index, BTGreaterStrategyNumber));
		entry_table_close(&journal);
	}
	appendStringInfoString(&query, " ORDER BY c.customer LIMIT $1");
	if (SPI_execute_with_args(query.data, after == NULL ? 1 : 2, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for customers of a loyalty program");
	dates->count = SPI_processed;
	dates->keys = palloc(Max(dates->count, 1) * sizeof(Datum));
	for (int i = 0; i < dates->count; i++)
	{
		bool		isnull;

		dates->keys[i] = posting_copy_customer(batch, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	dates->more = dates->count == limit;
}

/* What the rows are sorted by. */
typedef struct Sorting
{
	Posting    *batch;
	const DueDates *dates;
} Sorting;

static int
compare_rows(const void *a, const void *b, void *arg)
{
	Sorting    *sorting = (Sorting *) arg;
	int			row_a = *(const int *) a;
	int			row_b = *(const int *) b;
	int			result = posting_compare_customers(sorting->batch, sorting->dates->customers[row_a], sorting->dates->customers[row_b]);

	/* they came in the order in which they are given */
	return result != 0 ? result : (row_a > row_b) - (row_a < row_b);
}

/*
 * What is due to these customers; last: no others than up to this one.
 */
void
dates_find(Posting *batch, const Datum *last, bool tell, DueDates *dates)
{
	Oid			types[3] = {NAMEOID, get_array_type(batch->key_type), BOOLOID};
	Datum		values[3] = {DirectFunctionCall1(namein, CStringGetDatum(batch->name)), (Datum) 0, BoolGetDatum(tell)};
	Sorting		sorting = {.batch = batch,.dates = dates};

	while (last != NULL && dates->count > 0 && posting_compare_customers(batch, dates->keys[dates->count - 1], *last) > 0)
		dates->count--;
	if (dates->count == 0)
		return;
	values[1] = posting_customer_array(batch, dates->keys, dates->count);
	if (SPI_execute_with_args("SELECT d.customer, d.rule, d.period, d.at, d.points, d.reason, d.wallet, d.times::numeric, d.is_for_some FROM _loyalty.due_today($1, $2, $3) d",
							  3, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not ask what is due by date");
	dates->due = SPI_tuptable;
	dates->row_count = SPI_processed;
	dates->customers = palloc(Max(dates->row_count, 1) * sizeof(Datum));
	dates->rows = palloc(Max(dates->row_count, 1) * sizeof(int));
	for (int i = 0; i < dates->row_count; i++)
	{
		bool		isnull;

		dates->rows[i] = i;
		dates->customers[i] = SPI_getbinval(dates->due->vals[i], dates->due->tupdesc, DUE_CUSTOMER, &isnull);
	}
	qsort_arg(dates->rows, dates->row_count, sizeof(int), compare_rows, &sorting);
}

/* A value of a row; (Datum) 0 for null, of a type that is passed by reference. */
static Datum
due_value(const DueDates *dates, int row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(dates->due->vals[row], dates->due->tupdesc, column, &isnull);

	return isnull ? (Datum) 0 : value;
}

/*
 * Are more conditions on what members had to be decided than a batch should?  That takes some
 * hundredths of a second for each, and accounts are locked until the batch ends; so the batch
 * ends with the customer of the last one that it should, and with his rows.
 */
bool
dates_cut(Posting *batch, DueDates *dates, Datum *last)
{
	int			conditions = 0;
	int			rows = 0;

	while (rows < dates->row_count && conditions < MOST_CONDITIONS)
		if (DatumGetBool(due_value(dates, dates->rows[rows++], DUE_IS_FOR_SOME)))
			conditions++;
	while (rows > 0 && rows < dates->row_count &&
		   posting_compare_customers(batch, dates->customers[dates->rows[rows - 1]], dates->customers[dates->rows[rows]]) == 0)
		rows++;
	if (rows == dates->row_count)
		return false;
	*last = posting_copy_customer(batch, dates->customers[dates->rows[rows - 1]]);
	dates->row_count = rows;
	while (batch->count > 0 && posting_compare_customers(batch, batch->customers[batch->count - 1], *last) > 0)
		batch->count--;
	return true;
}

/*
 * The rows of a customer, who comes behind those that were asked for before: how many, and
 * the place of the first one.
 */
int
dates_take(Posting *batch, DueDates *dates, Datum customer, int *first)
{
	*first = dates->next;
	while (dates->next < dates->row_count &&
		   posting_compare_customers(batch, dates->customers[dates->rows[dates->next]], customer) == 0)
		dates->next++;
	return dates->next - *first;
}

/* The name of the rule of a row. */
const char *
dates_rule_of(const DueDates *dates, int row)
{
	return SPI_getvalue(dates->due->vals[row], dates->due->tupdesc, DUE_RULE);
}

/* Does the condition of the rule hold, if it has one? */
static bool
holds(Authorization *auth, const DueDates *dates, int row, const Call *call)
{
	Oid			types[4] = {NAMEOID, auth->posting.key_type, TEXTOID, TIMESTAMPTZOID};
	Datum		values[4] = {DirectFunctionCall1(namein, CStringGetDatum(auth->posting.name)), auth->recorded_for,
	due_value(dates, row, DUE_RULE), TimestampTzGetDatum(call->at)};
	bool		isnull;
	bool		answer;

	if (!DatumGetBool(due_value(dates, row, DUE_IS_FOR_SOME)))
		return true;
	if (SPI_execute_with_args("SELECT _loyalty.date_holds($1, $2, $3, $4)", 4, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not decide what is due by date");
	answer = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return answer;
}

/* Note what is given, or 0; false if the day was decided already. */
static bool
decide(Authorization *auth, const DueDates *dates, int row, const Call *call)
{
	Oid			types[8] = {auth->posting.key_type, get_array_type(auth->posting.key_type), TEXTOID, TEXTOID, TIMESTAMPTZOID, NUMERICOID, NUMERICOID, TEXTOID};
	Datum		values[8] = {auth->recorded_for, posting_customer_array(&auth->posting, auth->keys.keys, auth->keys.count),
		due_value(dates, row, DUE_RULE), due_value(dates, row, DUE_PERIOD), TimestampTzGetDatum(call->at), call->points,
	due_value(dates, row, DUE_TIMES), PointerGetDatum(call->reference)};

	(void) kept_bring_to_type(auth->plans, &values[0], &types[0]);
	kept_execute(auth->plans, KEPT_DECIDE_DATE, decide_date, lengthof(types), types, values, SPI_OK_INSERT);
	return SPI_processed > 0;
}

/*
 * Give the points of a row to the customer whose account is locked, unless that was decided.
 */
void
dates_grant(Authorization *auth, const DueDates *dates, int row)
{
	Datum		reason = due_value(dates, row, DUE_REASON);
	Datum		wallet = due_value(dates, row, DUE_WALLET);
	Datum		named = auth->recorded_for;
	Call		call = {.kind = GRANT,.revision = 1};
	Call		found;
	bool		is_there;

	call.reference = cstring_to_text(psprintf("date:%s:%s", dates_rule_of(dates, row), TextDatumGetCString(due_value(dates, row, DUE_PERIOD))));
	call.reason = reason == (Datum) 0 ? NULL : DatumGetTextPCopy(reason);
	call.at = DatumGetTimestampTz(due_value(dates, row, DUE_AT));
	call.points = DirectFunctionCall2(numeric_round, due_value(dates, row, DUE_POINTS), Int32GetDatum(auth->points_scale));
	is_there = authorize_find_anywhere(auth, call.reference, 1, &found);
	if (is_there && strcmp(found.kind, GRANT) != 0)
		call_refuse_reference(&found, "");
	if (is_there)
	{
		call.at = found.at;
		call.points = found.points;
	}
	else if (!holds(auth, dates, row, &call))
		call.points = number_zero();
	call.net = call.points;
	if (decide(auth, dates, row, &call) && !is_there &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, call.points, number_zero())))
	{
		auth->wallet = 0;
		authorize_choose_wallet(auth, wallet == (Datum) 0 ? NULL : DatumGetTextPCopy(wallet), false);
		authorize_credit(auth, call.points, call.at);
		authorize_require_room(auth, call.points);
		authorize_write_at(auth, &call);
	}
	auth->recorded_for = named;
}

PG_FUNCTION_INFO_V1(loyalty_dates_due);

/*
 * dates_due(program regclass, keys anyarray, until date) returns table (customer anyelement,
 * rule text, day date, points numeric)
 *
 * What is to be given up to a day, or to today if that is null, as maintain() finds it: as the
 * owner of the program, whatever the settings of the session are.
 */
Datum
loyalty_dates_due(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Tuplestorestate *store = result_begin(fcinfo, &desc);
	Oid			types[3] = {NAMEOID, get_fn_expr_argtype(fcinfo->flinfo, 1), DATEOID};
	Datum		values[3];
	char		nulls[] = {' ', 'n', PG_ARGISNULL(2) ? 'n' : ' ', '\0'};
	Oid			schema;
	OwnerScope	scope;

	nested_refuse_call("dates_due");
	owner_enter(&scope, authorize_require_owner(PG_GETARG_OID(0), "dates_due"), true, NULL);
	schema = get_rel_namespace(PG_GETARG_OID(0));
	version_require(schema);
	settings_answer();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	values[0] = DirectFunctionCall1(namein, CStringGetDatum(get_namespace_name(schema)));
	values[1] = (Datum) 0;
	values[2] = PG_GETARG_DATUM(2);
	if (SPI_execute_with_args("SELECT d.customer, d.rule, d.day, d.points FROM _loyalty.due_to_all($1, $2, $3) d", 3, types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not ask what is due by date");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(store, SPI_tuptable->vals[i]);
	SPI_finish();
	owner_leave(&scope);
	return (Datum) 0;
}
