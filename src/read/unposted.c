/*
 * unposted.c: what posting will make of each entry of the journal.
 *
 * An entry is folded together with all other entries of its customer that are not posted.
 * A query asks for one entry after the other, so what was found out of a customer is
 * remembered as long as the query runs, within limits.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "fold.h"
#include "number.h"
#include "program.h"
#include "snapshot.h"
#include "terms.h"

/* When so much is remembered, it is forgotten. */
#define MEMORY_LIMIT (64 * 1024 * 1024)

/* The bytes that name an entry. */
typedef struct EntryName
{
	char	   *bytes;
	int			length;
} EntryName;

/* What posting will make of an entry. */
typedef struct FoldedEntry
{
	EntryName	name;
	Datum		accrual;		/* a row of the type; (Datum) 0: it does not count */
	uint32		hash;
	char		status;
} FoldedEntry;

#define SH_PREFIX folded
#define SH_ELEMENT_TYPE FoldedEntry
#define SH_KEY_TYPE EntryName
#define SH_KEY name
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key).bytes, (key).length)
#define SH_EQUAL(tb, a, b) ((a).length == (b).length && memcmp((a).bytes, (b).bytes, (a).length) == 0)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What a query knows of entries. */
typedef struct Unposted
{
	MemoryContext parent;
	MemoryContext context;		/* of all that is remembered */
	struct folded_hash *entries;
	SnapshotName snapshot;
	Oid			program;
	Oid			compared;		/* of which program this is the comparison of customers */
	ScanKeyData equals;
	TupleDesc	desc;			/* of the result */
	TupleDesc	returned;		/* of what is in its last field */
} Unposted;

static void
append_customer(StringInfo name, Datum customer, Oid type)
{
	int16		length;
	bool		by_value;

	get_typlenbyval(type, &length, &by_value);
	if (by_value)
		appendBinaryStringInfo(name, (char *) &customer, sizeof(Datum));
	else if (length == -1)
	{
		struct varlena *value = PG_DETOAST_DATUM_PACKED(customer);

		appendBinaryStringInfo(name, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	}
	else
		appendBinaryStringInfo(name, DatumGetPointer(customer), datumGetSize(customer, false, length));
}

/* The name of an entry, in the current memory context. */
static EntryName
name_entry(Datum customer, Oid type, int32 tracked_table, const text *order_key, int32 revision)
{
	StringInfoData name;
	int32		length = VARSIZE_ANY_EXHDR(order_key);
	EntryName	result;

	initStringInfo(&name);
	appendBinaryStringInfo(&name, (char *) &tracked_table, sizeof(int32));
	appendBinaryStringInfo(&name, (char *) &revision, sizeof(int32));
	appendBinaryStringInfo(&name, (char *) &length, sizeof(int32));
	appendBinaryStringInfo(&name, VARDATA_ANY(order_key), length);
	append_customer(&name, customer, type);
	result.bytes = name.data;
	result.length = name.len;
	return result;
}

/* How customers of the program compare. */
static void
know_comparison(Unposted *unposted)
{
	MemoryContext old;
	EntryTable	journal;

	if (unposted->compared == unposted->program)
		return;
	old = MemoryContextSwitchTo(unposted->parent);
	entry_table_open(&journal, program_relation(get_rel_namespace(unposted->program), "journal"), AccessShareLock, NULL);
	unposted->equals = journal.keys[ENTRY_CUSTOMER];
	entry_table_close(&journal);
	unposted->compared = unposted->program;
	MemoryContextSwitchTo(old);
}

/*
 * A customer as the keys of the account have him: values can be equal and of other bytes, as
 * numbers with more decimals are.
 */
static Datum
as_key(Unposted *unposted, const PostedAccount *account, Datum customer)
{
	ScanKey		equals = &unposted->equals;

	if (account->keys.count == 1)
		return customer;
	know_comparison(unposted);
	for (int i = 0; i < account->keys.count; i++)
		if (DatumGetBool(FunctionCall2Coll(&equals->sk_func, equals->sk_collation, account->keys.keys[i], customer)))
			return account->keys.keys[i];
	return customer;
}

/* What comes back by an entry as an array of the type "returned". */
static Datum
make_returned(TupleDesc desc, List *list)
{
	Datum	   *rows = palloc(list_length(list) * sizeof(Datum));
	int			count = 0;
	ListCell   *lc;

	foreach(lc, list)
	{
		Returned   *returned = (Returned *) lfirst(lc);
		Datum		values[8] = {Int64GetDatum(returned->number), PointerGetDatum(returned->payment->reference),
			Int32GetDatum(returned->revision), TimestampTzGetDatum(returned->at), returned->points, returned->net,
		LotsGetDatum(returned->lots), Int32GetDatum(returned->payment->recorded_for)};
		bool		nulls[8] = {false};

		nulls[6] = returned->lots == NULL;
		rows[count++] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	}
	return PointerGetDatum(construct_array(rows, count, desc->tdtypeid, -1, false, TYPALIGN_DOUBLE));
}

/* The latest entry as a row of the type "accrual". */
static Datum
make_accrual(TupleDesc desc, TupleDesc returned, const Accrual *accrual)
{
	const Facts *facts = &accrual->facts;
	Datum		values[18];
	bool		nulls[18] = {false};

	nulls[0] = accrual->tier == NULL;
	values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(accrual->tier);
	values[1] = accrual->multiplier;
	values[2] = accrual->order_points;
	values[3] = Int32GetDatum(accrual->orders_change);
	values[4] = accrual->amount_change;
	values[5] = accrual->points_change;
	values[6] = facts->spend;
	values[7] = Int64GetDatum(facts->orders);
	values[8] = facts->points_earned;
	values[9] = TimestampTzGetDatum(facts->first_order_at);
	values[10] = TimestampTzGetDatum(facts->last_order_at);
	nulls[9] = nulls[10] = !facts->has_orders;
	values[11] = Int64GetDatum(accrual->number);
	values[12] = LotsGetDatum(accrual->lots);
	nulls[12] = accrual->lots == NULL;
	values[13] = accrual->forgiven;
	nulls[13] = accrual->forgiven == (Datum) 0;
	values[14] = accrual->held_rules;
	nulls[14] = accrual->held_rules == (Datum) 0;
	values[15] = accrual->rooms;
	nulls[15] = accrual->rooms == (Datum) 0;
	values[16] = accrual->apart;
	nulls[16] = accrual->apart == (Datum) 0;
	nulls[17] = accrual->returned == NIL;
	values[17] = nulls[17] ? (Datum) 0 : make_returned(returned, accrual->returned);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Remember what posting will make of an entry. */
static void
remember(Unposted *unposted, EntryName name, Datum accrual)
{
	MemoryContext old = MemoryContextSwitchTo(unposted->context);
	FoldedEntry *entry;
	bool		found;

	name.bytes = memcpy(palloc(name.length), name.bytes, name.length);
	entry = folded_insert(unposted->entries, name, &found);
	entry->accrual = accrual == (Datum) 0 ? accrual : datumCopy(accrual, false, -1);
	MemoryContextSwitchTo(old);
}

/* Fold the entries of a customer, and remember all of them. */
static void
fold_customer(Unposted *unposted, const PostedAccount *account)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "loyalty unposted customer",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	MemoryContext each = AllocSetContextCreate(work, "loyalty unposted entry", ALLOCSET_SMALL_SIZES);
	Oid			schema = get_rel_namespace(unposted->program);
	int			count;
	RecordedEntry **entries = fold_read_entries(schema, account, &count);
	Accrual    *accrual;

	accrual = fold_begin_read(schema, account, NULL, entries, count);
	for (int i = 0; i < count; i++)
	{
		Terms	   *terms = terms_find(unposted->program, entries[i]->terms);
		bool		counts = accrual_add(accrual, terms, entries[i]) == VERDICT_COUNTS;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(each);
		remember(unposted,
				 name_entry(account->keys.keys[entries[i]->recorded_for], account->customer_type,
							entries[i]->tracked_table, entries[i]->order_key, entries[i]->revision),
				 counts ? make_accrual(unposted->desc, unposted->returned, accrual) : (Datum) 0);
		MemoryContextSwitchTo(work);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/* Forget all. */
static void
start_anew(Unposted *unposted)
{
	if (unposted->context != NULL)
		MemoryContextDelete(unposted->context);
	unposted->context = AllocSetContextCreate(unposted->parent, "loyalty unposted", ALLOCSET_DEFAULT_SIZES);
	unposted->entries = folded_create(unposted->context, 64, NULL);
}

/* What this call of the function knows. */
static Unposted *
get_unposted(FunctionCallInfo fcinfo)
{
	Unposted   *unposted = (Unposted *) fcinfo->flinfo->fn_extra;
	MemoryContext old;
	TupleDesc	desc;

	if (unposted != NULL)
		return unposted;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	unposted = palloc0(sizeof(Unposted));
	unposted->parent = fcinfo->flinfo->fn_mcxt;
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "accrual_of must return a composite type");
	unposted->desc = BlessTupleDesc(CreateTupleDescCopy(desc));
	unposted->returned = lookup_rowtype_tupdesc_copy(get_element_type(TupleDescAttr(desc, desc->natts - 1)->atttypid), -1);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = unposted;
	return unposted;
}

PG_FUNCTION_INFO_V1(loyalty_accrual_of);

/*
 * accrual_of(program regclass, account anyelement, customer anyelement, tracked_table int,
 *            order_key text, revision int, terms int, spend numeric, orders bigint,
 *            points_earned numeric, first_order_at timestamptz, last_order_at timestamptz,
 *            points numeric, lots loyalty.lots, reader uuid, merged anyarray) returns accrual
 *
 * What posting will make of an entry of the journal; null if it will leave it out.
 * program is the table "program" of a program.  The arguments from spend to lots
 * are the account as it is posted, and null without one; merged: who was merged into its
 * customer; customer: for whom the entry is recorded, one of them.  reader: see
 * terms_check_reader().
 */
Datum
loyalty_accrual_of(PG_FUNCTION_ARGS)
{
	Unposted   *unposted = get_unposted(fcinfo);
	PostedAccount account;
	FoldedEntry *entry;
	EntryName	name;
	Oid			program;

	for (int i = 0; i < 7; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	fold_read_account(fcinfo, 1, 7, 15, &account);
	program = PG_GETARG_OID(0);
	if (!snapshot_is_active(&unposted->snapshot) || unposted->program != program)
		start_anew(unposted);
	unposted->program = program;
	name = name_entry(as_key(unposted, &account, PG_GETARG_DATUM(2)), account.customer_type, PG_GETARG_INT32(3), PG_GETARG_TEXT_PP(4), PG_GETARG_INT32(5));
	entry = folded_lookup(unposted->entries, name);
	if (entry == NULL)
	{
		terms_check_reader(terms_find(program, PG_GETARG_INT32(6)),
						   PG_ARGISNULL(14) ? NULL : PG_GETARG_UUID_P(14));
		/* what is remembered of a customer stays until another one is asked for */
		if (MemoryContextMemAllocated(unposted->context, true) >= MEMORY_LIMIT)
			start_anew(unposted);
		fold_customer(unposted, &account);
		entry = folded_lookup(unposted->entries, name);
	}
	if (entry == NULL || entry->accrual == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(entry->accrual);
}
