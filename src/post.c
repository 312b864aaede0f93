/*
 * post.c: moving entries from the journal to the ledger.
 *
 * A batch takes whole customers, in key order.  It locks their accounts, in key
 * order, and only then reads their journal entries, so that two sessions that
 * post never take the same entry, and a session that posts never waits for one
 * that records, nor the other way round: recording locks no row.
 *
 * The entries of a customer are folded in the order they were recorded (see
 * accrual.c), written to the ledger, deleted from the journal, and added to the
 * account, all in one transaction, as the program's owner.  Journal and ledger
 * are accessed directly, as in journal.c, since they refuse every change by SQL.
 * Who has been granted DELETE on the journal may post, and nothing else by it.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "accrual.h"
#include "compat.h"
#include "journal.h"
#include "layout.h"
#include "order.h"
#include "owner.h"
#include "program.h"

#define LEDGER_BATCH 500

/* A journal entry of the batch. */
typedef struct JournalEntry
{
	ItemPointerData tid;
	MinimalTuple tuple;
	int32		source;
	text	   *order_key;
	int32		revision;
	TimestampTz at;
	TimestampTz recorded_at;
} JournalEntry;

/* A locked account. */
typedef struct Account
{
	Datum		customer;
	int64		entries;
	Datum		spend;
	int64		orders;
	Datum		points_earned;
	bool		has_orders;
	TimestampTz first_order_at;
	TimestampTz last_order_at;
	bool		has_joined;
	TimestampTz joined_at;

	/* to be added */
	int64		posted;
	Datum		points;
} Account;

typedef struct Poster
{
	const char *program;		/* quoted */
	Oid			program_relid;
	Oid			owner;
	EntryTable	journal;
	EntryTable	ledger;
	IndexInfo  *ledger_index_info;
	Oid			key_type;
	int16		key_length;
	bool		key_by_value;
	char		key_align;
	FmgrInfo	compare;
	Oid			collation;
	char	   *operators[3];	/* =, >= and <= of customers as SQL */

	MemoryContext batch;		/* lives as long as the batch */
	MemoryContext customer;		/* reset with each customer */

	Account    *accounts;
	int			account_count;
	Datum	   *customers;

	JournalEntry *entries;		/* of one customer */
	int			entry_count;
	int			entry_size;
	TupleTableSlot *entry_slot;

	TupleTableSlot *out[LEDGER_BATCH];
	MemoryContext out_context;	/* reset when they are written */
	int			out_count;
} Poster;

static int
compare_customers(Poster *poster, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&poster->compare, poster->collation, a, b));
}

static void
execute(const char *query, int count, Oid *types, Datum *values, const char *nulls,
		int expected)
{
	int			result = SPI_execute_with_args(query, count, types, values, nulls,
											   false, 0);

	if (result != expected)
		elog(ERROR, "unexpected result %s of posting query",
			 SPI_result_code_string(result));
}

/*
 * The next customers that have entries, about as many as have "limit" entries.
 * Read from the index in its order, whatever the planner would think.
 */
static void
find_customers(Poster *poster, Datum after, bool from_start, int limit)
{
	EntryTable *journal = &poster->journal;
	IndexScanDesc scan;
	ScanKeyData key;
	int			size = 64;
	int			seen = 0;
	int			count = 0;
	Datum	   *customers = MemoryContextAlloc(poster->batch, size * sizeof(Datum));

	if (!from_start)
	{
		Oid			type = journal->index->rd_opcintype[0];
		Oid			greater = get_opfamily_member(journal->index->rd_opfamily[0],
												  type, type, BTGreaterStrategyNumber);

		ScanKeyEntryInitialize(&key, 0, 1, BTGreaterStrategyNumber, InvalidOid,
							   journal->index->rd_indcollation[0],
							   get_opcode(greater), after);
	}
	scan = loyalty_index_beginscan(journal->heap, journal->index, SnapshotSelf,
								   from_start ? 0 : 1);
	index_rescan(scan, &key, from_start ? 0 : 1, NULL, 0);
	while (seen < limit &&
		   index_getnext_slot(scan, ForwardScanDirection, poster->entry_slot))
	{
		bool		isnull;
		Datum		customer = slot_getattr(poster->entry_slot, ENTRY_CUSTOMER + 1, &isnull);
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		seen++;
		if (count > 0 && compare_customers(poster, customers[count - 1], customer) == 0)
			continue;
		if (count == size)
		{
			size *= 2;
			customers = repalloc(customers, size * sizeof(Datum));
		}
		old = MemoryContextSwitchTo(poster->batch);
		customers[count++] = poster->key_length == -1 ?
			PointerGetDatum(PG_DETOAST_DATUM_COPY(customer)) :
			datumCopy(customer, poster->key_by_value, poster->key_length);
		MemoryContextSwitchTo(old);
	}
	ExecClearTuple(poster->entry_slot);
	index_endscan(scan);
	poster->customers = customers;
	poster->account_count = count;
}

/*
 * Create the accounts that are missing, lock all in key order, and read them.
 */
static void
lock_accounts(Poster *poster)
{
	Oid			array_type = get_array_type(poster->key_type);
	Oid			types[3] = {array_type, poster->key_type, poster->key_type};
	Datum		values[3];
	StringInfoData query;

	values[0] = PointerGetDatum(construct_array(poster->customers, poster->account_count,
												poster->key_type, poster->key_length,
												poster->key_by_value, poster->key_align));
	values[1] = poster->customers[0];
	values[2] = poster->customers[poster->account_count - 1];
	initStringInfo(&query);
	appendStringInfo(&query,
					 "INSERT INTO %s.account (customer) SELECT c FROM pg_catalog.unnest($1) c"
					 " ORDER BY c ON CONFLICT DO NOTHING", poster->program);
	execute(query.data, 1, types, values, NULL, SPI_OK_INSERT);

	/* The range lets the planner see that a small part of the tables is needed. */
	resetStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT a.customer, a.entries, a.spend, a.orders, a.points_earned,"
					 " a.first_order_at, a.last_order_at, c.joined_at"
					 " FROM %1$s.account a LEFT JOIN %1$s.customer c ON c.customer %2$s a.customer"
					 " AND c.customer %3$s $2 AND c.customer %4$s $3"
					 " WHERE a.customer %2$s ANY ($1) AND a.customer %3$s $2 AND a.customer %4$s $3"
					 " ORDER BY a.customer FOR NO KEY UPDATE OF a",
					 poster->program, poster->operators[0], poster->operators[1],
					 poster->operators[2]);
	execute(query.data, 3, types, values, NULL, SPI_OK_SELECT);
	if (SPI_processed != poster->account_count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the accounts of the loyalty program %s are not one per customer",
						poster->program),
				 errdetail("There are %lu for %d customers.", (unsigned long) SPI_processed,
						   poster->account_count),
				 errhint("The key of the customer table must be unique.")));

	poster->accounts = MemoryContextAllocZero(poster->batch,
											  poster->account_count * sizeof(Account));
	for (int i = 0; i < poster->account_count; i++)
	{
		Account    *account = &poster->accounts[i];
		Datum		column[8];
		bool		isnull[8];
		MemoryContext old = MemoryContextSwitchTo(poster->batch);

		for (int c = 0; c < 8; c++)
			column[c] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
									  c + 1, &isnull[c]);
		account->customer = poster->customers[i];
		account->entries = DatumGetInt64(column[1]);
		account->spend = PointerGetDatum(PG_DETOAST_DATUM_COPY(column[2]));
		account->orders = DatumGetInt64(column[3]);
		account->points_earned = PointerGetDatum(PG_DETOAST_DATUM_COPY(column[4]));
		account->has_orders = !isnull[5] && !isnull[6];
		account->first_order_at = isnull[5] ? 0 : DatumGetTimestampTz(column[5]);
		account->last_order_at = isnull[6] ? 0 : DatumGetTimestampTz(column[6]);
		account->has_joined = !isnull[7];
		account->joined_at = isnull[7] ? 0 : DatumGetTimestampTz(column[7]);
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	pfree(query.data);
}

/* In the order of recording, which is the order of posting. */
static int
compare_entries(const void *a, const void *b)
{
	const JournalEntry *x = (const JournalEntry *) a;
	const JournalEntry *y = (const JournalEntry *) b;
	int			cmp;

	if (x->recorded_at != y->recorded_at)
		return x->recorded_at < y->recorded_at ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	cmp = memcmp(VARDATA_ANY(x->order_key), VARDATA_ANY(y->order_key),
				 Min(VARSIZE_ANY_EXHDR(x->order_key), VARSIZE_ANY_EXHDR(y->order_key)));
	if (cmp == 0)
		cmp = (int) VARSIZE_ANY_EXHDR(x->order_key) - (int) VARSIZE_ANY_EXHDR(y->order_key);
	if (cmp == 0)
		cmp = x->revision < y->revision ? -1 : x->revision > y->revision;
	return cmp;
}

/* Keep the entry in the slot; the account's memory is that of the customer. */
static void
keep_entry(Poster *poster)
{
	TupleTableSlot *slot = poster->entry_slot;
	JournalEntry *entry;
	MemoryContext old;

	if (poster->entry_count == poster->entry_size)
	{
		poster->entry_size = Max(64, poster->entry_size * 2);
		poster->entries = poster->entries == NULL ?
			MemoryContextAlloc(poster->batch, poster->entry_size * sizeof(JournalEntry)) :
			repalloc_huge(poster->entries, poster->entry_size * sizeof(JournalEntry));
	}
	entry = &poster->entries[poster->entry_count++];
	old = MemoryContextSwitchTo(poster->customer);
	slot_getsomeattrs(slot, ENTRY_COLUMNS);
	entry->tid = slot->tts_tid;
	entry->tuple = ExecCopySlotMinimalTuple(slot);
	entry->source = DatumGetInt32(slot->tts_values[ENTRY_SOURCE]);
	entry->order_key = DatumGetTextPCopy(slot->tts_values[ENTRY_ORDER_KEY]);
	entry->revision = DatumGetInt32(slot->tts_values[ENTRY_REVISION]);
	entry->at = DatumGetTimestampTz(slot->tts_values[ENTRY_AT]);
	entry->recorded_at = DatumGetTimestampTz(slot->tts_values[ENTRY_RECORDED_AT]);
	MemoryContextSwitchTo(old);
}

/* Write what waits to be written to the ledger. */
static void
flush_ledger(Poster *poster)
{
	CommandId	cid = GetCurrentCommandId(true);
	MemoryContext old;

	if (poster->out_count == 0)
		return;
	if (poster->ledger_index_info == NULL)
	{
		old = MemoryContextSwitchTo(poster->batch);
		poster->ledger_index_info = BuildIndexInfo(poster->ledger.index);
		MemoryContextSwitchTo(old);
	}
	old = MemoryContextSwitchTo(poster->out_context);
	table_multi_insert(poster->ledger.heap, poster->out, poster->out_count, cid, 0, NULL);
	for (int i = 0; i < poster->out_count; i++)
	{
		TupleTableSlot *slot = poster->out[i];

		slot_getsomeattrs(slot, ENTRY_KEYS);
		(void) loyalty_index_insert(poster->ledger.index, slot->tts_values,
									slot->tts_isnull, &slot->tts_tid,
									poster->ledger.heap, UNIQUE_CHECK_YES,
									poster->ledger_index_info);
		ExecClearTuple(slot);
	}
	poster->out_count = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(poster->out_context);
	CHECK_FOR_INTERRUPTS();
}

/* Put an entry, with what it makes of the account, on the way to the ledger. */
static void
put_ledger(Poster *poster, TupleTableSlot *from, int64 number, Accrual *accrual)
{
	TupleTableSlot *slot = poster->out[poster->out_count];
	MemoryContext old;

	if (slot == NULL)
	{
		old = MemoryContextSwitchTo(poster->batch);
		slot = poster->out[poster->out_count] =
			MakeSingleTupleTableSlot(RelationGetDescr(poster->ledger.heap), &TTSOpsHeapTuple);
		MemoryContextSwitchTo(old);
	}
	ExecClearTuple(slot);
	memcpy(slot->tts_values, from->tts_values, ENTRY_COLUMNS * sizeof(Datum));
	memset(slot->tts_isnull, false, LEDGER_COLUMNS * sizeof(bool));
	for (int i = LEDGER_COLUMNS; i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_isnull[i] = true;		/* columns that users added */
	slot->tts_values[LEDGER_ENTRY] = Int64GetDatum(number);
	slot->tts_isnull[LEDGER_TIER] = accrual->tier == NULL;
	slot->tts_values[LEDGER_TIER] = accrual->tier == NULL ? (Datum) 0 :
		CStringGetTextDatum(accrual->tier);
	slot->tts_values[LEDGER_MULTIPLIER] = accrual->multiplier;
	slot->tts_values[LEDGER_POINTS] = accrual->points;
	slot->tts_values[LEDGER_ORDERS_CHANGE] = Int32GetDatum(accrual->orders_change);
	slot->tts_values[LEDGER_AMOUNT_CHANGE] = accrual->amount_change;
	slot->tts_values[LEDGER_POINTS_CHANGE] = accrual->points_change;
	slot->tts_isnull[LEDGER_JOINED_AT] = !accrual->has_joined;
	slot->tts_values[LEDGER_JOINED_AT] = TimestampTzGetDatum(accrual->joined_at);
	ExecStoreVirtualTuple(slot);

	/* A copy of its own: what it is made of goes with the customer. */
	old = MemoryContextSwitchTo(poster->out_context);
	ExecMaterializeSlot(slot);
	MemoryContextSwitchTo(old);
	if (++poster->out_count == LEDGER_BATCH)
		flush_ledger(poster);
}

/* How the posted orders of a customer stand. */
static void
read_posted_orders(Poster *poster, Accrual *accrual, Datum customer)
{
	EntryTable *ledger = &poster->ledger;
	TupleTableSlot *slot;
	IndexScanDesc scan;

	accrual_remember_orders(accrual);
	slot = table_slot_create(ledger->heap, NULL);
	scan = loyalty_index_beginscan(ledger->heap, ledger->index, SnapshotSelf, 1);
	ledger->keys[0].sk_argument = customer;
	index_rescan(scan, ledger->keys, 1, NULL, 0);

	/* In key order, so the newest revision of an order comes last. */
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getsomeattrs(slot, LEDGER_COLUMNS);
		accrual_known_order(accrual,
							DatumGetInt32(slot->tts_values[ENTRY_SOURCE]),
							slot->tts_values[ENTRY_ORDER_KEY],
							DatumGetBool(slot->tts_values[ENTRY_COUNTED]),
							DatumGetTimestampTz(slot->tts_values[ENTRY_AT]),
							slot->tts_values[ENTRY_AMOUNT],
							slot->tts_values[LEDGER_POINTS],
							slot->tts_values[LEDGER_MULTIPLIER],
							slot->tts_isnull[LEDGER_TIER] ? NULL :
							TextDatumGetCString(slot->tts_values[LEDGER_TIER]));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* Take an entry out of the journal. */
static void
remove_entry(Poster *poster, ItemPointer tid)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_delete(poster->journal.heap, tid, GetCurrentCommandId(true),
								SnapshotSelf, InvalidSnapshot, true, &failure, false);
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not post an entry that another session has taken from the journal"),
				 errhint("Call loyalty.post() again.")));
}

/* Fold the entries of a customer that were kept. */
static void
post_customer(Poster *poster, Account *account)
{
	MemoryContext old = MemoryContextSwitchTo(poster->customer);
	Accrual    *accrual = accrual_begin(poster->customer);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(poster->journal.heap),
													&TTSOpsMinimalTuple);
	bool		repeated = false;
	Datum		points = order_zero();

	qsort(poster->entries, poster->entry_count, sizeof(JournalEntry), compare_entries);
	for (int i = 0; i < poster->entry_count; i++)
		repeated |= poster->entries[i].revision > 1;
	if (repeated)
		read_posted_orders(poster, accrual, account->customer);
	accrual->metrics.spend = account->spend;
	accrual->metrics.orders = account->orders;
	accrual->metrics.points_earned = account->points_earned;
	accrual->metrics.has_orders = account->has_orders;
	accrual->metrics.first_order_at = account->first_order_at;
	accrual->metrics.last_order_at = account->last_order_at;
	accrual->has_joined = account->has_joined;
	accrual->joined_at = account->joined_at;

	for (int i = 0; i < poster->entry_count; i++)
	{
		JournalEntry *entry = &poster->entries[i];
		RecordedEntry recorded;
		Terms	   *terms;

		CHECK_FOR_INTERRUPTS();
		ExecStoreMinimalTuple(entry->tuple, slot, false);
		slot_getallattrs(slot);
		recorded.source = entry->source;
		recorded.order_key = PointerGetDatum(entry->order_key);
		recorded.at = entry->at;
		recorded.counted = DatumGetBool(slot->tts_values[ENTRY_COUNTED]);
		recorded.amount = slot->tts_values[ENTRY_AMOUNT];
		recorded.base = slot->tts_values[ENTRY_BASE];
		terms = terms_find(poster->program_relid, DatumGetInt32(slot->tts_values[ENTRY_TERMS]));
		accrual_add(accrual, terms, &recorded);
		points = DirectFunctionCall2(numeric_add, points, accrual->points_change);
		put_ledger(poster, slot, account->entries + i + 1, accrual);
		remove_entry(poster, &entry->tid);
	}
	ExecDropSingleTupleTableSlot(slot);

	MemoryContextSwitchTo(poster->batch);
	account->posted = poster->entry_count;
	account->spend = PointerGetDatum(PG_DETOAST_DATUM_COPY(accrual->metrics.spend));
	account->orders = accrual->metrics.orders;
	account->points_earned = PointerGetDatum(PG_DETOAST_DATUM_COPY(accrual->metrics.points_earned));
	account->points = PointerGetDatum(PG_DETOAST_DATUM_COPY(points));
	account->has_orders = accrual->metrics.has_orders;
	account->first_order_at = accrual->metrics.first_order_at;
	account->last_order_at = accrual->metrics.last_order_at;
	MemoryContextSwitchTo(old);

	poster->entry_count = 0;
	MemoryContextReset(poster->customer);
}

/* Read the entries of all locked customers, in key order, and post them. */
static void
post_entries(Poster *poster)
{
	EntryTable *journal = &poster->journal;
	Oid			type = journal->index->rd_opcintype[0];
	StrategyNumber strategies[2] = {BTGreaterEqualStrategyNumber, BTLessEqualStrategyNumber};
	ScanKeyData keys[2];
	IndexScanDesc scan;
	int			current = 0;

	for (int i = 0; i < 2; i++)
	{
		Oid			op = get_opfamily_member(journal->index->rd_opfamily[0], type, type,
											 strategies[i]);

		ScanKeyEntryInitialize(&keys[i], 0, 1, strategies[i], InvalidOid,
							   journal->index->rd_indcollation[0], get_opcode(op),
							   poster->customers[i == 0 ? 0 : poster->account_count - 1]);
	}
	scan = loyalty_index_beginscan(journal->heap, journal->index, SnapshotSelf, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, poster->entry_slot))
	{
		bool		isnull;
		Datum		customer = slot_getattr(poster->entry_slot, ENTRY_CUSTOMER + 1, &isnull);
		int			cmp;

		while ((cmp = compare_customers(poster, poster->customers[current], customer)) < 0)
		{
			if (poster->entry_count > 0)
				post_customer(poster, &poster->accounts[current]);
			current++;
		}
		/* A customer that came between after the look is left for later. */
		if (cmp == 0)
			keep_entry(poster);
	}
	if (poster->entry_count > 0)
		post_customer(poster, &poster->accounts[current]);
	ExecClearTuple(poster->entry_slot);
	index_endscan(scan);
	flush_ledger(poster);
}

/* Add what was posted to the accounts. */
static int64
update_accounts(Poster *poster)
{
	enum
	{
		CUSTOMERS, POSTED, SPEND, ORDERS, EARNED, POINTS, FIRST, LAST, ARRAYS,
		FROM_CUSTOMER = ARRAYS, TO_CUSTOMER, ARGUMENTS
	};
	Oid			elements[ARRAYS] = {poster->key_type, INT8OID, NUMERICOID, INT8OID,
	NUMERICOID, NUMERICOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Oid			types[ARGUMENTS];
	Datum	   *columns[ARRAYS];
	bool	   *nulls = palloc0(poster->account_count * sizeof(bool));
	Datum		values[ARGUMENTS];
	int			count = 0;
	int			dims[1];
	int			lbs[1] = {1};
	int64		posted = 0;
	StringInfoData query;

	for (int c = 0; c < ARRAYS; c++)
		columns[c] = palloc(poster->account_count * sizeof(Datum));
	for (int i = 0; i < poster->account_count; i++)
	{
		Account    *account = &poster->accounts[i];

		if (account->posted == 0)
			continue;
		posted += account->posted;
		nulls[count] = !account->has_orders;
		columns[CUSTOMERS][count] = account->customer;
		columns[POSTED][count] = Int64GetDatum(account->posted);
		columns[SPEND][count] = account->spend;
		columns[ORDERS][count] = Int64GetDatum(account->orders);
		columns[EARNED][count] = account->points_earned;
		columns[POINTS][count] = account->points;
		columns[FIRST][count] = TimestampTzGetDatum(account->first_order_at);
		columns[LAST][count] = TimestampTzGetDatum(account->last_order_at);
		count++;
	}
	if (count == 0)
		return 0;
	dims[0] = count;
	for (int c = 0; c < ARRAYS; c++)
	{
		int16		length;
		bool		by_value;
		char		align;

		types[c] = get_array_type(elements[c]);
		get_typlenbyvalalign(elements[c], &length, &by_value, &align);
		values[c] = PointerGetDatum(construct_md_array(columns[c], c >= FIRST ? nulls : NULL, 1,
													   dims, lbs, elements[c], length, by_value, align));
	}
	types[FROM_CUSTOMER] = types[TO_CUSTOMER] = poster->key_type;
	values[FROM_CUSTOMER] = poster->customers[0];
	values[TO_CUSTOMER] = poster->customers[poster->account_count - 1];
	initStringInfo(&query);
	appendStringInfo(&query,
					 "UPDATE %1$s.account a SET version = a.version + 1, entries = a.entries + t.posted,"
					 " spend = t.spend, orders = t.orders, points_earned = t.earned,"
					 " points = a.points + t.points, first_order_at = t.first, last_order_at = t.last"
					 " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
					 " pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6),"
					 " pg_catalog.unnest($7), pg_catalog.unnest($8))"
					 " AS t (customer, posted, spend, orders, earned, points, first, last)"
					 " WHERE a.customer %2$s t.customer AND a.customer %3$s $9 AND a.customer %4$s $10",
					 poster->program, poster->operators[0], poster->operators[1],
					 poster->operators[2]);
	execute(query.data, ARGUMENTS, types, values, NULL, SPI_OK_UPDATE);
	return posted;
}

static void
poster_begin(Poster *poster, const char *program)
{
	Oid			schema = get_namespace_oid(program, false);
	Oid			journal = program_relation(schema, "journal");
	AclResult	acl = pg_class_aclcheck(journal, GetUserId(), ACL_DELETE);
	TypeCacheEntry *type;

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, "journal");
	poster->owner = layout_check_owner(schema);
	poster->program = quote_identifier(program);
	poster->program_relid = program_relation(schema, "program");
	entry_table_open(&poster->journal, journal, RowExclusiveLock, NULL);
	layout_check_entries(poster->journal.heap, false);
	entry_table_open(&poster->ledger, program_relation(schema, "ledger"), RowExclusiveLock, NULL);
	layout_check_entries(poster->ledger.heap, true);
	poster->entry_slot = table_slot_create(poster->journal.heap, NULL);

	poster->key_type = TupleDescAttr(RelationGetDescr(poster->journal.heap), 0)->atttypid;
	if (TupleDescAttr(RelationGetDescr(poster->ledger.heap), 0)->atttypid != poster->key_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("journal and ledger of loyalty program %s have customers of different types",
						poster->program)));
	get_typlenbyvalalign(poster->key_type, &poster->key_length, &poster->key_by_value,
						 &poster->key_align);
	type = lookup_type_cache(poster->journal.index->rd_opcintype[0], TYPECACHE_CMP_PROC);
	fmgr_info(type->cmp_proc, &poster->compare);
	poster->collation = poster->journal.index->rd_indcollation[0];
	for (int i = 0; i < lengthof(poster->operators); i++)
	{
		static const StrategyNumber strategies[] = {BTEqualStrategyNumber,
		BTGreaterEqualStrategyNumber, BTLessEqualStrategyNumber};
		poster->operators[i] = program_key_operator(poster->journal.index, strategies[i]);
	}

	poster->batch = CurrentMemoryContext;
	poster->customer = AllocSetContextCreate(poster->batch, "loyalty posted customer",
											 ALLOCSET_DEFAULT_SIZES);
	poster->out_context = AllocSetContextCreate(poster->batch, "loyalty posted entries",
												ALLOCSET_DEFAULT_SIZES);
}

PG_FUNCTION_INFO_V1(loyalty_post_batch);

/*
 * post_batch(program name, after text, batch int, OUT last text, OUT posted bigint)
 *
 * Posts the entries of the next customers behind the key "after", or from the
 * start if that is null.  last is the key to go on with, null at the end.
 */
Datum
loyalty_post_batch(PG_FUNCTION_ARGS)
{
	Poster		poster = {0};
	MemoryContext context;
	MemoryContext old;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {true, false};
	Oid			output;
	Oid			input;
	Oid			io_param;
	bool		is_varlena;
	Datum		after = (Datum) 0;
	int64		posted = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("program must be given, and batch must be at least 1")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("posting runs under READ COMMITTED only")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "post_batch must return a composite type");

	context = AllocSetContextCreate(CurrentMemoryContext, "loyalty posting",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	poster_begin(&poster, NameStr(*PG_GETARG_NAME(0)));
	getTypeInputInfo(poster.key_type, &input, &io_param);
	getTypeOutputInfo(poster.key_type, &output, &is_varlena);
	if (!PG_ARGISNULL(1))
		after = OidInputFunctionCall(input, text_to_cstring(PG_GETARG_TEXT_PP(1)), io_param, -1);

	find_customers(&poster, after, PG_ARGISNULL(1), PG_GETARG_INT32(2));
	if (poster.account_count > 0)
	{
		OwnerScope	scope;

		owner_enter(&scope, poster.owner, true, NULL);
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		lock_accounts(&poster);
		MemoryContextSwitchTo(context);
		post_entries(&poster);
		posted = update_accounts(&poster);
		SPI_finish();
		owner_leave(&scope);
		MemoryContextSwitchTo(old);
		nulls[0] = false;
		values[0] = CStringGetTextDatum(OidOutputFunctionCall(output,
															  poster.customers[poster.account_count - 1]));
	}
	MemoryContextSwitchTo(old);
	values[1] = Int64GetDatum(posted);
	ExecDropSingleTupleTableSlot(poster.entry_slot);
	for (int i = 0; i < LEDGER_BATCH && poster.out[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(poster.out[i]);
	entry_table_close(&poster.journal);
	entry_table_close(&poster.ledger);
	MemoryContextDelete(context);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
