/*
 * poster.c: posting the entries of some customers.
 *
 * The accounts of the customers are locked, in key order, and then their journal and
 * ledger entries are read with one snapshot that is taken after the locks: so two
 * sessions that post never take the same entry, the entries of an order are seen as they
 * were at one moment, and a session that posts never waits for one that records, nor the
 * other way round, because recording locks no row.  In a transaction that has one
 * snapshot for all its statements, it is that one: if anybody changed an account since,
 * to lock it fails.
 *
 * The entries of a customer are folded in the order they were recorded (see
 * accrual.c), written to the ledger, deleted from the journal, and added to the
 * account, all in one transaction, as the program's owner.  Journal and ledger
 * are accessed directly (see store/), since they refuse every change by SQL.
 *
 * Entries of a customer who was merged into another one are those of that one, and are posted
 * to that account, together with those of all others that were merged into it.
 *
 * Posting is never stuck.  Entries that the fold leaves out stay in the journal.
 * Customers whose posting fails are rolled back and done again with a closer look at what
 * is posted already, and if that still fails in halves, until the customer is found
 * whose entries fail.  The table "set_aside" of the program tells which customers
 * have entries that could not be posted, and why.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "accrual.h"
#include "compat.h"
#include "fold.h"
#include "journal.h"
#include "layout.h"
#include "number.h"
#include "poster.h"
#include "program.h"
#include "protect.h"

#define LEDGER_BATCH 500

/* So many accounts are made at once that it matters how the table is read. */
#define NEW_ACCOUNTS 500

/* Customers of a batch that could not be posted are told so often. */
#define WARNINGS 10

/*
 * So many entries of one customer are posted in one transaction; while they are looked
 * for, twice as many are in memory.
 */
#define CUSTOMER_BATCH 50000

/* A journal entry of the batch. */
typedef struct JournalEntry
{
	RecordedEntry recorded;		/* but for what the tuple has behind its times */
	ItemPointerData tid;
	MinimalTuple tuple;
} JournalEntry;

/* Each entry that is kept is the first field of its JournalEntry. */
#define journal_entry(entry) ((JournalEntry *) (entry))

/* The first entry of a customer that could not be posted, and why. */
typedef struct SetAside
{
	int32		tracked_table;
	text	   *order_key;		/* NULL: it is none in particular */
	int32		revision;
	int			sqlstate;
	const char *message;		/* NULL: there is nothing to tell */
} SetAside;

/* A locked account. */
typedef struct Account
{
	Datum		customer;
	int64		entries;
	Datum		spend;
	int64		orders;
	Datum		points_earned;
	Bounds		bounds;			/* of its orders */
	Datum		points;
	Datum		lots;			/* or (Datum) 0: there are none */
	Datum		purchases;		/* its histories as they are posted, or (Datum) 0 */
	Datum		events;
	Datum		histories;		/* what is to be added to its histories, as a row of
								 * theirs; or (Datum) 0: nothing */
	bool		is_merged;		/* into another one, which has the entries now */
	CustomerKeys keys;			/* whose entries are those of the account */

	/* to be added */
	int64		posted;
	TimestampTz last_recorded_at;
	SetAside	set_aside;
} Account;

/* One attempt to post some customers of a batch. */
typedef struct Poster
{
	Posting    *batch;
	Datum	   *customers;
	int			count;
	bool		closely;		/* look up what is posted of each order */
	int64		posted;			/* the result */

	EntryTable	journal;
	EntryTable	ledger;
	Snapshot	snapshot;		/* taken after the locks */
	MemoryContext context;		/* of the attempt */
	MemoryContext customer;		/* reset with each customer */

	Account    *accounts;
	int			current;		/* of these customers, the one whose entries are read */
	RecordedEntry **entries;	/* of one customer */
	int			entry_count;
	int			entry_size;
	int			entry_limit;	/* so many are kept of one customer before they are cut */
	RecordedEntry *cut;			/* of that customer, entries from this one on are left
								 * for the next batch; or NULL */
	List	   *terms;			/* versions of the terms that were posted under */
	TupleDesc	histories;		/* of what is added to those of an account */
	ItemPointerData *removed;	/* places of entries to delete from the journal */
	int			removed_count;

	TupleTableSlot *out[LEDGER_BATCH];
	MemoryContext out_context;	/* reset when they are written */
	int			out_count;
} Poster;

/*
 * How customers compare in the order of their keys.
 */
int
posting_compare_customers(Posting *batch, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&batch->compare, batch->collation, a, b));
}

static void
run_query(const char *query, int count, Oid *types, Datum *values, const char *nulls,
		  int expected)
{
	int			result = SPI_execute_with_args(query, count, types, values, nulls,
											   false, 0);

	if (result != expected)
		elog(ERROR, "unexpected result %s of posting query",
			 SPI_result_code_string(result));
}

/*
 * A copy of a customer key in the current memory context.
 */
Datum
posting_copy_customer(Posting *batch, Datum customer)
{
	return batch->key_length == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(customer)) :
		datumCopy(customer, batch->key_by_value, batch->key_length);
}

/*
 * An SQL array of customers.
 */
Datum
posting_customer_array(Posting *batch, Datum *customers, int count)
{
	return PointerGetDatum(construct_array(customers, count, batch->key_type,
										   batch->key_length, batch->key_by_value,
										   batch->key_align));
}

/* Fill an account from a row of the query of lock_accounts(). */
static void
read_account(Posting *batch, Account *account, HeapTuple row, TupleDesc desc)
{
	Datum		column[13];
	bool		isnull[13];

	for (int c = 0; c < lengthof(column); c++)
	{
		column[c] = SPI_getbinval(row, desc, c + 1, &isnull[c]);
		if (c < 6 && isnull[c])
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("an account of the loyalty program has a null"),
					 errhint("Columns of the table \"account\" of the program must be NOT NULL.")));
	}
	account->entries = DatumGetInt64(column[1]);
	account->spend = PointerGetDatum(PG_DETOAST_DATUM_COPY(column[2]));
	account->orders = DatumGetInt64(column[3]);
	account->points_earned = PointerGetDatum(PG_DETOAST_DATUM_COPY(column[4]));
	account->points = PointerGetDatum(PG_DETOAST_DATUM_COPY(column[5]));
	account->bounds.any = !isnull[6] && !isnull[7];
	account->bounds.first = isnull[6] ? 0 : DatumGetTimestampTz(column[6]);
	account->bounds.last = isnull[7] ? 0 : DatumGetTimestampTz(column[7]);
	account->lots = isnull[8] ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(column[8]));
	account->is_merged = !isnull[9];
	/* long ones stay where they are until a condition asks for them */
	account->purchases = isnull[11] ? (Datum) 0 : datumCopy(column[11], false, -1);
	account->events = isnull[12] ? (Datum) 0 : datumCopy(column[12], false, -1);
	account->keys = fold_keys(account->customer,
							  isnull[10] ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(column[10])),
							  batch->key_type);
}

/*
 * Create the accounts that are missing, lock all in key order, and read them.
 */
static void
lock_accounts(Poster *poster)
{
	Posting    *batch = poster->batch;
	Oid			array_type = get_array_type(batch->key_type);
	Oid			types[3] = {array_type, batch->key_type, batch->key_type};
	Datum		values[3];
	StringInfoData query;

	values[0] = posting_customer_array(batch, poster->customers, poster->count);
	values[1] = poster->customers[0];
	values[2] = poster->customers[poster->count - 1];
	initStringInfo(&query);
	appendStringInfo(&query,
					 "INSERT INTO %s.account (customer) SELECT c FROM pg_catalog.unnest($1) c"
					 " ORDER BY c ON CONFLICT DO NOTHING", batch->program);
	run_query(query.data, 1, types, values, NULL, SPI_OK_INSERT);

	/*
	 * plans that were made when there were few are made anew, as in tell_growth() of
	 * writer.c
	 */
	if (SPI_processed >= NEW_ACCOUNTS)
		CacheInvalidateRelcacheByRelid(get_relname_relid("account", get_rel_namespace(batch->program_relid)));

	/* The range lets the planner see that a small part of the tables is needed. */
	resetStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT a.customer, a.entries::pg_catalog.int8, a.spend::pg_catalog.numeric,"
					 " a.orders::pg_catalog.int8, a.points_earned::pg_catalog.numeric, a.points::pg_catalog.numeric,"
					 " a.first_order_at::pg_catalog.timestamptz, a.last_order_at::pg_catalog.timestamptz, a.lots::loyalty.lots, a.merged_into, a.merged, a.purchases, a.events"
					 " FROM %1$s.account a"
					 " WHERE a.customer %2$s ANY ($1) AND a.customer %3$s $2 AND a.customer %4$s $3"
					 " ORDER BY a.customer FOR NO KEY UPDATE OF a",
					 batch->program, batch->operators[0], batch->operators[1],
					 batch->operators[2]);
	run_query(query.data, 3, types, values, NULL, SPI_OK_SELECT);
	if (SPI_processed != poster->count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the accounts of the loyalty program \"%s\" are not one per customer",
						batch->name),
				 errdetail("There are %lu for %d customers.", (unsigned long) SPI_processed,
						   poster->count),
				 errhint("The customer must be the primary key of the table \"account\".")));

	poster->accounts = MemoryContextAllocZero(poster->context,
											  poster->count * sizeof(Account));
	for (int i = 0; i < poster->count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(poster->context);

		poster->accounts[i].customer = poster->customers[i];
		read_account(batch, &poster->accounts[i], SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	pfree(query.data);
}

static void
free_entry(RecordedEntry *entry)
{
	pfree(journal_entry(entry)->tuple);
	pfree(entry->order_key);
	if (entry->came_from != NULL)
		pfree(entry->came_from);
	pfree(entry);
}

/* Did orders of the customer whose entries are read get other keys, by any of these entries? */
static bool
has_rekeyed(Poster *poster)
{
	const Account *account = &poster->accounts[poster->current];
	bool		found = false;

	for (int i = 0; i < account->keys.count && !found; i++)
	{
		ScanKeyData key;
		EntryScan	scan;

		entry_customer_key(&poster->journal, BTEqualStrategyNumber, account->keys.keys[i], &key);
		scan = entry_scan_begin(&poster->journal, poster->snapshot, &key, 1);
		while (!found && entry_scan_next(&scan))
			found = !slot_attisnull(scan.slot, ENTRY_CAME_FROM + 1);
		entry_scan_end(&scan);
	}
	return found;
}

/*
 * How many of more entries than are posted at once are kept: the two halves of a change of a key
 * (see rekeying.c), which are recorded at one moment, are not torn apart.  So it is cut between entries of
 * several moments.  Where so many are of one, it is cut between orders of other times; or behind all of
 * them, if there are such changes.
 */
static int
cut_place(Poster *poster)
{
	RecordedEntry **entries = poster->entries;
	int			place = CUSTOMER_BATCH;

	while (place > 0 && entries[place - 1]->recorded_at == entries[place]->recorded_at)
		place--;
	if (place > 0)
		return place;
	place = CUSTOMER_BATCH;
	if (has_rekeyed(poster))
	{
		while (place < poster->entry_count && entries[place - 1]->recorded_at == entries[place]->recorded_at)
			place++;
		return place;
	}
	while (place > 0 && entries[place - 1]->at == entries[place]->at)
		place--;
	return place > 0 ? place : CUSTOMER_BATCH;
}

/*
 * Of more entries than are posted at once, keep those that are added first.  The others
 * come with the next batch.
 */
static void
cut_entries(Poster *poster)
{
	Posting    *batch = poster->batch;
	int			customer = (int) (poster->customers - batch->customers) + poster->current;
	int			place;

	fold_sort(poster->entries, poster->entry_count);
	place = cut_place(poster);
	if (place == poster->entry_count)
	{
		poster->entry_limit = 2 * poster->entry_count;
		return;
	}
	poster->cut = poster->entries[place];
	for (int i = place + 1; i < poster->entry_count; i++)
		free_entry(poster->entries[i]);
	poster->entry_count = place;
	batch->cut = Min(batch->cut, customer);
}

/*
 * Keep the entry in the slot, which was recorded for one of the keys of the account; its
 * memory is that of the customer.
 */
static void
keep_entry(Poster *poster, TupleTableSlot *slot, int recorded_for)
{
	JournalEntry *entry;
	RecordedEntry *recorded;
	MemoryContext old;

	if (poster->entry_count == 0)
		poster->entry_limit = 2 * CUSTOMER_BATCH;
	if (poster->entry_count == poster->entry_limit)
		cut_entries(poster);
	if (poster->entry_count == poster->entry_size)
	{
		poster->entry_size = Max(64, poster->entry_size * 2);
		poster->entries = poster->entries == NULL ?
			MemoryContextAlloc(poster->context, poster->entry_size * sizeof(RecordedEntry *)) :
			repalloc_huge(poster->entries, poster->entry_size * sizeof(RecordedEntry *));
	}
	old = MemoryContextSwitchTo(poster->customer);
	entry = palloc(sizeof(JournalEntry));
	recorded = &entry->recorded;
	entry->tid = slot->tts_tid;
	entry->tuple = ExecCopySlotMinimalTuple(slot);
	recorded->recorded_for = recorded_for;
	fold_read_place(slot, recorded);
	MemoryContextSwitchTo(old);
	if (poster->cut == NULL || recorded_entry_compare(recorded, poster->cut) < 0)
		poster->entries[poster->entry_count++] = recorded;
	else
		free_entry(recorded);
}

/* Write what waits to be written to the ledger. */
static void
flush_ledger(Poster *poster)
{
	MemoryContext old;

	if (poster->out_count == 0)
		return;
	old = MemoryContextSwitchTo(poster->out_context);
	entry_table_insert(&poster->ledger, poster->out, poster->out_count, NULL);
	for (int i = 0; i < poster->out_count; i++)
		ExecClearTuple(poster->out[i]);
	poster->out_count = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(poster->out_context);
	CHECK_FOR_INTERRUPTS();
}

/* A slot for the next entry that goes to the ledger. */
static TupleTableSlot *
next_out(Poster *poster)
{
	TupleTableSlot *slot = poster->out[poster->out_count];
	MemoryContext old;

	if (slot == NULL)
	{
		old = MemoryContextSwitchTo(poster->context);
		slot = poster->out[poster->out_count] =
			MakeSingleTupleTableSlot(RelationGetDescr(poster->ledger.heap), &TTSOpsHeapTuple);
		MemoryContextSwitchTo(old);
	}
	ExecClearTuple(slot);
	return slot;
}

/* It is filled: a copy of its own, as what it is made of goes with the customer. */
static void
keep_out(Poster *poster, TupleTableSlot *slot)
{
	MemoryContext old;

	ExecStoreVirtualTuple(slot);
	old = MemoryContextSwitchTo(poster->out_context);
	ExecMaterializeSlot(slot);
	MemoryContextSwitchTo(old);
	if (++poster->out_count == LEDGER_BATCH)
		flush_ledger(poster);
}

/* Put an entry, with what it makes of the account, on the way to the ledger. */
static void
put_ledger(Poster *poster, TupleTableSlot *from, const Account *account, const RecordedEntry *entry, Accrual *accrual)
{
	TupleTableSlot *slot = next_out(poster);

	memcpy(slot->tts_values, from->tts_values, ENTRY_COLUMNS * sizeof(Datum));
	memset(slot->tts_isnull, false, LEDGER_COLUMNS * sizeof(bool));
	memcpy(slot->tts_isnull, from->tts_isnull, ENTRY_COLUMNS * sizeof(bool));
	/* what calls have, and columns that users added */
	for (int i = LEDGER_KIND; i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_isnull[i] = true;
	slot->tts_values[LEDGER_ENTRY] = Int64GetDatum(account->entries + accrual->number);
	slot->tts_isnull[ENTRY_TIER] = accrual->tier == NULL;
	slot->tts_values[ENTRY_TIER] = accrual->tier == NULL ? (Datum) 0 :
		CStringGetTextDatum(accrual->tier);
	slot->tts_isnull[ENTRY_MULTIPLIER] = false;
	slot->tts_values[ENTRY_MULTIPLIER] = accrual->multiplier;
	slot->tts_isnull[ENTRY_HELD_RULES] = accrual->held_rules == (Datum) 0;
	slot->tts_values[ENTRY_HELD_RULES] = accrual->held_rules;
	slot->tts_values[LEDGER_ORDER_POINTS] = accrual->order_points;
	slot->tts_values[LEDGER_ORDERS_CHANGE] = Int32GetDatum(accrual->orders_change);
	slot->tts_values[LEDGER_AMOUNT_CHANGE] = accrual->amount_change;
	slot->tts_values[LEDGER_POINTS_CHANGE] = accrual->points_change;
	slot->tts_values[LEDGER_LOTS] = LotsGetDatum(accrual->lots);
	slot->tts_isnull[LEDGER_LOTS] = accrual->lots == NULL;
	slot->tts_values[LEDGER_ACCOUNT] = account->customer;
	slot->tts_isnull[LEDGER_ACCOUNT] = entry->recorded_for == 0;
	slot->tts_values[LEDGER_FORGIVEN] = accrual->forgiven;
	slot->tts_isnull[LEDGER_FORGIVEN] = accrual->forgiven == (Datum) 0;
	slot->tts_values[LEDGER_ROOMS] = accrual->rooms;
	slot->tts_isnull[LEDGER_ROOMS] = accrual->rooms == (Datum) 0;
	slot->tts_values[LEDGER_APART] = accrual->apart;
	slot->tts_isnull[LEDGER_APART] = accrual->apart == (Datum) 0;
	keep_out(poster, slot);
}

/* The same of what comes back by an entry: an entry of the call that spent it. */
static void
put_returned(Poster *poster, TupleTableSlot *from, const Account *account, const Returned *returned)
{
	TupleTableSlot *slot = next_out(poster);
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	memset(nulls, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	memset(nulls, false, LEDGER_KIND * sizeof(bool));
	values[ENTRY_CUSTOMER] = account->keys.keys[returned->payment->recorded_for];
	values[ENTRY_TRACKED_TABLE] = Int32GetDatum(NO_TRACKED_TABLE);
	values[ENTRY_ORDER_KEY] = PointerGetDatum(returned->payment->reference);
	values[ENTRY_REVISION] = Int32GetDatum(returned->revision);
	values[ENTRY_AT] = values[ENTRY_RECORDED_AT] = TimestampTzGetDatum(returned->at);
	values[ENTRY_TERMS] = Int32GetDatum(0);
	values[ENTRY_COUNTS] = values[ENTRY_MOVED] = BoolGetDatum(false);
	values[ENTRY_AMOUNT] = values[ENTRY_AWARDS] = values[LEDGER_AMOUNT_CHANGE] = number_zero();
	values[ENTRY_CURRENCY] = text_empty();
	values[ENTRY_RATE] = values[ENTRY_MULTIPLIER] = number_one();
	nulls[ENTRY_JOINED_AT] = nulls[ENTRY_TIER] = nulls[ENTRY_AVAILABLE_AT] = nulls[ENTRY_PARTS] = nulls[ENTRY_HELD_RULES] = true;
	nulls[ENTRY_CAME_FROM] = nulls[ENTRY_CAME_REVISION] = nulls[ENTRY_CAME_OVER] = nulls[ENTRY_ALLOTTED] = nulls[ENTRY_EVENT] = nulls[ENTRY_MEMBER] = true;
	values[LEDGER_ENTRY] = Int64GetDatum(account->entries + returned->number);
	values[LEDGER_ORDER_POINTS] = returned->net;
	values[LEDGER_POINTS_CHANGE] = returned->points;
	values[LEDGER_ORDERS_CHANGE] = Int32GetDatum(0);
	values[LEDGER_KIND] = CStringGetTextDatum(RETURNED);
	values[LEDGER_LOTS] = LotsGetDatum(returned->lots);
	values[LEDGER_PAYS_FOR] = from->tts_values[ENTRY_ORDER_KEY];
	values[LEDGER_PAYS_TABLE] = from->tts_values[ENTRY_TRACKED_TABLE];
	nulls[LEDGER_KIND] = nulls[LEDGER_PAYS_FOR] = nulls[LEDGER_PAYS_TABLE] = false;
	nulls[LEDGER_LOTS] = returned->lots == NULL;
	values[LEDGER_ACCOUNT] = account->customer;
	nulls[LEDGER_ACCOUNT] = returned->payment->recorded_for == 0;
	keep_out(poster, slot);
}

/* Note the first entry of a customer that cannot be posted. */
static void
set_aside(Poster *poster, Account *account, const RecordedEntry *entry, Verdict verdict)
{
	SetAside   *note = &account->set_aside;
	MemoryContext old;

	if (note->message != NULL)
		return;
	old = MemoryContextSwitchTo(poster->context);
	note->tracked_table = entry->tracked_table;
	note->order_key = DatumGetTextPCopy(PointerGetDatum(entry->order_key));
	note->revision = entry->revision;
	note->sqlstate = verdict == VERDICT_FAILS ? ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE :
		ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	note->message = verdict == VERDICT_FAILS ? "the sum of amounts or points in the account would have more than 26 digits" :
		"an earlier entry of its order is not posted";
	MemoryContextSwitchTo(old);
}

/* Remember a version of the terms that an entry is posted under. */
static void
note_terms(Poster *poster, int32 terms)
{
	MemoryContext old;

	if (list_member_int(poster->terms, terms))
		return;
	old = MemoryContextSwitchTo(poster->context);
	poster->terms = lappend_int(poster->terms, terms);
	MemoryContextSwitchTo(old);
}

/* Fold one entry, and put it where it belongs. */
static void
post_entry(Poster *poster, Account *account, Accrual *accrual, RecordedEntry *entry,
		   TupleTableSlot *slot)
{
	Terms	   *terms;
	Verdict		verdict;
	Datum		points = accrual->points;
	Datum		lots = (Datum) 0;
	ListCell   *lc;

	CHECK_FOR_INTERRUPTS();
	ExecStoreMinimalTuple(journal_entry(entry)->tuple, slot, false);
	fold_read_entry(slot, entry);
	terms = terms_find(poster->batch->program_relid, entry->terms);
	if (poster->batch->tell != NULL)
	{
		points = PointerGetDatum(PG_DETOAST_DATUM_COPY(points));
		lots = LotsGetDatum(accrual_lots(accrual));
	}
	verdict = accrual_add(accrual, terms, entry);
	if (verdict == VERDICT_WAITS || verdict == VERDICT_FAILS)
	{
		set_aside(poster, account, entry, verdict);
		return;
	}
	if (verdict == VERDICT_COUNTS)
	{
		note_terms(poster, entry->terms);
		account->last_recorded_at = Max(account->last_recorded_at, entry->recorded_at);
		foreach(lc, accrual->returned)
		{
			const Returned *returned = (const Returned *) lfirst(lc);

			account->last_recorded_at = Max(account->last_recorded_at, returned->at);
			put_returned(poster, slot, account, returned);
		}
		put_ledger(poster, slot, account, entry, accrual);
		if (poster->batch->tell != NULL)
			poster->batch->tell(poster->batch->tell_arg, entry, points, lots, accrual->is_short);
	}
	poster->removed[poster->removed_count++] = journal_entry(entry)->tid;
}

/* Fold the entries of a customer that were kept. */
static void
post_customer(Poster *poster, Account *account)
{
	MemoryContext old = MemoryContextSwitchTo(poster->customer);
	Accrual    *accrual = accrual_begin(poster->customer);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(poster->journal.heap),
													&TTSOpsMinimalTuple);

	if (poster->entry_count > CUSTOMER_BATCH)
		cut_entries(poster);
	else
		fold_sort(poster->entries, poster->entry_count);
	accrual_set_account(accrual, account->spend, account->orders, account->points_earned,
						&account->bounds);
	accrual_set_points(accrual, account->points, account->lots);
	accrual->histories = histories_begin(poster->customer);
	fold_know_histories(accrual, poster->batch->program_relid, NULL, poster->entries, poster->entry_count,
						account->purchases, account->events);
	if (fold_needs_posted(accrual, poster->batch->program_relid, poster->entries, poster->entry_count) || poster->closely)
		fold_know_posted(accrual, poster->entries, poster->entry_count, poster->closely,
						 &poster->ledger, poster->snapshot, &account->keys);
	account->last_recorded_at = DT_NOBEGIN;
	poster->removed = palloc(poster->entry_count * sizeof(ItemPointerData));
	poster->removed_count = 0;

	for (int i = 0; i < poster->entry_count; i++)
		post_entry(poster, account, accrual, poster->entries[i], slot);
	ExecDropSingleTupleTableSlot(slot);
	if (poster->removed_count > 0)
		entry_table_delete(&poster->journal, poster->removed, poster->removed_count);

	MemoryContextSwitchTo(poster->context);
	account->posted = accrual->number;
	account->spend = PointerGetDatum(PG_DETOAST_DATUM_COPY(accrual->facts.spend));
	account->orders = accrual->facts.orders;
	account->points_earned = PointerGetDatum(PG_DETOAST_DATUM_COPY(accrual->facts.points_earned));
	account->points = PointerGetDatum(PG_DETOAST_DATUM_COPY(accrual->points));
	if (accrual->has_lots)
		account->lots = LotsGetDatum(accrual_lots(accrual));
	account->histories = histories_row(accrual->histories, poster->histories);
	account->bounds.any = accrual->facts.has_orders;
	account->bounds.first = accrual->facts.first_order_at;
	account->bounds.last = accrual->facts.last_order_at;
	MemoryContextSwitchTo(old);

	poster->entry_count = 0;
	poster->cut = NULL;
	MemoryContextReset(poster->customer);
}

/*
 * Are the entries of a customer all those of the account?  One who was merged into another
 * since it was looked for has none any more, and those of one into whom others were merged are in
 * several places.
 */
static bool
is_alone(const Account *account)
{
	return account->keys.count == 1 && !account->is_merged;
}

/* Post the entries of a customer into whom others were merged, with theirs. */
static void
post_merged(Poster *poster, int current)
{
	Account    *account = &poster->accounts[current];

	poster->current = current;
	for (int i = 0; i < account->keys.count; i++)
	{
		EntryScan	scan;

		poster->journal.keys[ENTRY_CUSTOMER].sk_argument = account->keys.keys[i];
		scan = entry_scan_begin(&poster->journal, poster->snapshot, poster->journal.keys, 1);
		while (entry_scan_next(&scan))
			keep_entry(poster, scan.slot, i);
		entry_scan_end(&scan);
	}
	if (poster->entry_count > 0)
		post_customer(poster, account);
}

/* Read the entries of all locked customers, in key order, and post them. */
static void
post_entries(Poster *poster)
{
	ScanKeyData keys[2];
	EntryScan	scan;

	entry_customer_key(&poster->journal, BTGreaterEqualStrategyNumber, poster->customers[0], &keys[0]);
	entry_customer_key(&poster->journal, BTLessEqualStrategyNumber,
					   poster->customers[poster->count - 1], &keys[1]);
	scan = entry_scan_begin(&poster->journal, poster->snapshot, keys, 2);
	while (entry_scan_next(&scan))
	{
		bool		isnull;
		Datum		customer = slot_getattr(scan.slot, ENTRY_CUSTOMER + 1, &isnull);
		int			cmp;

		while ((cmp = posting_compare_customers(poster->batch, poster->customers[poster->current], customer)) < 0)
		{
			if (poster->entry_count > 0)
				post_customer(poster, &poster->accounts[poster->current]);
			poster->current++;
		}
		/* A customer that came between after the look is left for later. */
		if (cmp == 0 && is_alone(&poster->accounts[poster->current]))
			keep_entry(poster, scan.slot, 0);
	}
	if (poster->entry_count > 0)
		post_customer(poster, &poster->accounts[poster->current]);
	entry_scan_end(&scan);
	for (int i = 0; i < poster->count; i++)
		if (poster->accounts[i].keys.count > 1 && !poster->accounts[i].is_merged)
			post_merged(poster, i);
	flush_ledger(poster);
}

/* A column of values as an SQL array of n. */
static Datum
column_array(Oid element, Datum *values, bool *nulls, int n)
{
	int			dims[1] = {n};
	int			lower[1] = {1};
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(element, &length, &by_value, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lower, element, length,
											  by_value, align));
}

/* Add what was posted to the accounts; returns the number of entries. */
static int64
update_accounts(Poster *poster)
{
	enum
	{
		CUSTOMERS, POSTED, SPEND, ORDERS, EARNED, POINTS, RECORDED, FIRST, LAST, LOTS, HISTORIES, ARRAYS,
		FROM_CUSTOMER = ARRAYS, TO_CUSTOMER, ARGUMENTS
	};
	Posting    *batch = poster->batch;
	Oid			elements[ARRAYS] = {batch->key_type, INT8OID, NUMERICOID, INT8OID,
	NUMERICOID, NUMERICOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, layout_lots_type(), layout_histories_type()};
	Oid			types[ARGUMENTS];
	Datum	   *columns[ARRAYS];
	bool	   *no_orders = palloc0(poster->count * sizeof(bool));
	bool	   *no_lots = palloc0(poster->count * sizeof(bool));
	bool	   *no_histories = palloc0(poster->count * sizeof(bool));
	Datum		values[ARGUMENTS];
	int			count = 0;
	int64		posted = 0;
	StringInfoData query;

	for (int c = 0; c < ARRAYS; c++)
		columns[c] = palloc(poster->count * sizeof(Datum));
	for (int i = 0; i < poster->count; i++)
	{
		Account    *account = &poster->accounts[i];

		if (account->posted == 0)
			continue;
		posted += account->posted;
		no_orders[count] = !account->bounds.any;
		no_lots[count] = account->lots == (Datum) 0;
		no_histories[count] = account->histories == (Datum) 0;
		columns[CUSTOMERS][count] = account->customer;
		columns[POSTED][count] = Int64GetDatum(account->posted);
		columns[SPEND][count] = account->spend;
		columns[ORDERS][count] = Int64GetDatum(account->orders);
		columns[EARNED][count] = account->points_earned;
		columns[POINTS][count] = account->points;
		columns[RECORDED][count] = TimestampTzGetDatum(account->last_recorded_at);
		columns[FIRST][count] = TimestampTzGetDatum(account->bounds.first);
		columns[LAST][count] = TimestampTzGetDatum(account->bounds.last);
		columns[LOTS][count] = account->lots;
		columns[HISTORIES][count] = account->histories;
		count++;
	}
	if (count == 0)
		return 0;
	for (int c = 0; c < ARRAYS; c++)
	{
		types[c] = get_array_type(elements[c]);
		values[c] = column_array(elements[c], columns[c],
								 c == HISTORIES ? no_histories : c == LOTS ? no_lots : c >= FIRST ? no_orders : NULL, count);
	}
	types[FROM_CUSTOMER] = types[TO_CUSTOMER] = batch->key_type;
	values[FROM_CUSTOMER] = poster->customers[0];
	values[TO_CUSTOMER] = poster->customers[poster->count - 1];
	initStringInfo(&query);
	appendStringInfo(&query,
					 "UPDATE %1$s.account a SET version = a.version + 1, entries = a.entries + t.posted,"
					 " spend = t.spend, orders = t.orders, points_earned = t.earned,"
					 " points = t.points, lots = t.lots, first_order_at = t.first, last_order_at = t.last,"
					 " purchases = _loyalty.add_histories(a.purchases, t.purchases), events = _loyalty.add_event_histories(a.events, t.events),"
					 " last_recorded_at = greatest(a.last_recorded_at, t.recorded)"
					 " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
					 " pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6),"
					 " pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10), pg_catalog.unnest($11))"
					 " AS t (customer, posted, spend, orders, earned, points, recorded, first, last, lots, purchases, events)"
					 " WHERE a.customer %2$s t.customer AND a.customer %3$s $12 AND a.customer %4$s $13",
					 batch->program, batch->operators[0], batch->operators[1],
					 batch->operators[2]);
	run_query(query.data, ARGUMENTS, types, values, NULL, SPI_OK_UPDATE);
	return posted;
}

/* Tell in the table "set_aside" that entries of a customer could not be posted. */
static void
tell_set_aside(Posting *batch, Datum customer, const SetAside *note)
{
	Oid			types[6] = {batch->key_type, INT4OID, TEXTOID, INT4OID, TEXTOID, TEXTOID};
	Datum		values[6];
	char		nulls[7] = "      ";
	StringInfoData query;

	values[0] = customer;
	values[1] = Int32GetDatum(note->tracked_table);
	values[2] = PointerGetDatum(note->order_key);
	values[3] = Int32GetDatum(note->revision);
	values[4] = CStringGetTextDatum(unpack_sql_state(note->sqlstate));
	values[5] = CStringGetTextDatum(note->message);
	if (note->order_key == NULL)
		nulls[1] = nulls[2] = nulls[3] = 'n';
	initStringInfo(&query);
	appendStringInfo(&query,
					 "INSERT INTO %s.set_aside AS s (customer, tracked_table, order_key, revision, sqlstate, error)"
					 " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (customer) DO UPDATE"
					 " SET tracked_table = excluded.tracked_table, order_key = excluded.order_key,"
					 " revision = excluded.revision, sqlstate = excluded.sqlstate, error = excluded.error",
					 batch->program);
	run_query(query.data, 6, types, values, nulls, SPI_OK_INSERT);
}

/* Bring the table "set_aside" up to what became of these customers. */
static void
update_set_aside(Poster *poster)
{
	Posting    *batch = poster->batch;
	Oid			types[1] = {get_array_type(batch->key_type)};
	Datum		values[1];
	Datum	   *good = palloc(poster->count * sizeof(Datum));
	int			count = 0;
	StringInfoData query;

	for (int i = 0; i < poster->count; i++)
	{
		if (poster->accounts[i].set_aside.message == NULL)
			good[count++] = poster->customers[i];
		else
			tell_set_aside(batch, poster->customers[i], &poster->accounts[i].set_aside);
	}
	initStringInfo(&query);
	appendStringInfo(&query, "DELETE FROM %s.set_aside s WHERE s.customer %s ANY ($1)",
					 batch->program, batch->operators[0]);
	values[0] = posting_customer_array(batch, good, count);
	run_query(query.data, 1, types, values, NULL, SPI_OK_DELETE);
}

/*
 * What is read under the locks of accounts.
 */
Snapshot
posting_snapshot(void)
{
	return IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot();
}

/*
 * One attempt, for protect(): lock the accounts, then read and post.
 */
static void
post_customers(void *arg)
{
	Poster	   *poster = (Poster *) arg;
	MemoryContext old = CurrentMemoryContext;

	poster->context = AllocSetContextCreate(CurrentMemoryContext, "loyalty posting",
											ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(poster->context);
	poster->customer = AllocSetContextCreate(poster->context, "loyalty posted customer",
											 ALLOCSET_DEFAULT_SIZES);
	poster->out_context = AllocSetContextCreate(poster->context, "loyalty posted entries",
												ALLOCSET_DEFAULT_SIZES);
	poster->histories = lookup_rowtype_tupdesc_copy(layout_histories_type(), -1);
	entry_table_open(&poster->journal, poster->batch->journal, RowExclusiveLock, NULL);
	entry_table_open(&poster->ledger, poster->batch->ledger, RowExclusiveLock, NULL);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	lock_accounts(poster);
	MemoryContextSwitchTo(poster->context);
	poster->snapshot = RegisterSnapshot(posting_snapshot());
	post_entries(poster);
	UnregisterSnapshot(poster->snapshot);
	poster->posted = update_accounts(poster);
	terms_note_posted(get_rel_namespace(poster->batch->program_relid), poster->terms);
	update_set_aside(poster);
	SPI_finish();
	for (int i = 0; i < LEDGER_BATCH && poster->out[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(poster->out[i]);
	entry_table_close(&poster->journal);
	entry_table_close(&poster->ledger);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(poster->context);
}

/*
 * A customer key as text.
 */
text *
posting_key_to_text(Posting *batch, Datum key)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(batch->key_type, &output, &is_varlena);
	return cstring_to_text(OidOutputFunctionCall(output, key));
}

/*
 * A customer key from text.
 */
Datum
posting_key_from_text(Posting *batch, text *key)
{
	Oid			input;
	Oid			io_param;

	getTypeInputInfo(batch->key_type, &input, &io_param);
	return OidInputFunctionCall(input, text_to_cstring(key), io_param, -1);
}

/* Set all entries of one customer aside. */
static void
set_customer_aside(Posting *batch, Datum customer, ErrorData *error)
{
	SetAside	note = {.sqlstate = error->sqlerrcode,.message = error->message};

	/*
	 * Somebody who is told of some of them looks at the table for all.  Where a
	 * statement takes points back, who wrote that may know of no customer.
	 */
	if (batch->failed++ < WARNINGS)
		ereport(batch->tell == NULL ? WARNING : LOG_SERVER_ONLY,
				(errcode(error->sqlerrcode),
				 errmsg("the entries of the customer %s of loyalty program \"%s\" cannot be posted: %s",
						text_to_cstring(posting_key_to_text(batch, customer)), batch->name,
						error->message),
				 errhint("The table \"set_aside\" of the program names all such customers.")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tell_set_aside(batch, customer, &note);
	SPI_finish();
}

/*
 * Post customers.  If that fails, post them again with a closer look,
 * and if that fails, too, in halves.  Locks are taken in key order all the same:
 * those of a part that failed are released, and the next part has greater keys.
 */
static int64
post_part(Posting *batch, Datum *customers, int count, bool closely)
{
	Poster		poster = {.batch = batch,.customers = customers,.count = count,.closely = closely};
	ErrorData  *error = protect(post_customers, &poster);
	int64		posted;

	if (error == NULL)
		return poster.posted;
	if (poster.context != NULL)
		MemoryContextDelete(poster.context);
	if (!closely)
		posted = post_part(batch, customers, count, true);
	else if (count > 1)
		posted = post_part(batch, customers, count / 2, true) +
			post_part(batch, customers + count / 2, count - count / 2, true);
	else
	{
		set_customer_aside(batch, customers[0], error);
		posted = 0;
	}
	FreeErrorData(error);
	return posted;
}

/*
 * Post the entries of customers of a batch, which are in key order; returns how many.
 */
int64
posting_run(Posting *batch, Datum *customers, int count)
{
	return post_part(batch, customers, count, false);
}

/*
 * Check the journal and the ledger, and read what is needed of their layout.
 */
void
posting_begin(Posting *batch, const char *program, Oid schema)
{
	static const StrategyNumber strategies[] = {BTEqualStrategyNumber,
	BTGreaterEqualStrategyNumber, BTLessEqualStrategyNumber};
	EntryTable	journal;
	EntryTable	ledger;
	TypeCacheEntry *type;

	batch->name = program;
	batch->program = quote_identifier(program);
	batch->program_relid = program_relation(schema, "program");
	batch->journal = program_relation(schema, "journal");
	batch->ledger = program_relation(schema, "ledger");
	entry_table_open(&journal, batch->journal, RowExclusiveLock, NULL);
	layout_check_entries(journal.heap, false, RowExclusiveLock);
	entry_table_open(&ledger, batch->ledger, RowExclusiveLock, NULL);
	layout_check_entries(ledger.heap, true, RowExclusiveLock);

	batch->key_type = TupleDescAttr(RelationGetDescr(journal.heap), 0)->atttypid;
	if (TupleDescAttr(RelationGetDescr(ledger.heap), 0)->atttypid != batch->key_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("journal and ledger of loyalty program \"%s\" have customers of different types",
						batch->name)));
	get_typlenbyvalalign(batch->key_type, &batch->key_length, &batch->key_by_value,
						 &batch->key_align);
	type = lookup_type_cache(journal.index->rd_opcintype[0], TYPECACHE_CMP_PROC);
	fmgr_info(type->cmp_proc, &batch->compare);
	batch->collation = journal.index->rd_indcollation[0];
	for (int i = 0; i < lengthof(batch->operators); i++)
		batch->operators[i] = program_key_operator(journal.index, strategies[i]);
	entry_table_close(&ledger);
	entry_table_close(&journal);
}
