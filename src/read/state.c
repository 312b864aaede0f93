/*
 * state.c: what the entries of a customer that are not posted make of the account.
 *
 * A query may ask for one member or for all of them.  An entry is found by the index of
 * the journal, and most customers have none.  So when a query has asked for so many
 * customers that to read the whole journal would have cost no more, it is read, and
 * what is known of it then, a Bloom filter of its customers, spares most of the others
 * the look.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/bloomfilter.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "fold.h"
#include "number.h"
#include "program.h"
#include "snapshot.h"
#include "terms.h"

/* To read a page costs as much as so many looks by the index. */
#define LOOKS_PER_PAGE 3

/* A page has at most so many entries, whose keys and numbers are the shortest. */
#define ENTRIES_PER_PAGE 60

/* What a query knows of the journal of a program. */
typedef struct KnownJournal
{
	Oid			program;
	Oid			customer_type;
	SnapshotName snapshot;
	int64		looks;			/* how many are left before it is read */
	bool		is_read;
	bloom_filter *customers;	/* those with entries; NULL: there is none */
	FmgrInfo	hash;			/* of customers; without function: there is none */
	Oid			collation;
	MemoryContext context;		/* of the filter */
	TupleDesc	desc;			/* of the result */
} KnownJournal;

/* What this call of the function knows. */
static KnownJournal *
get_journal(FunctionCallInfo fcinfo)
{
	KnownJournal *journal = (KnownJournal *) fcinfo->flinfo->fn_extra;
	MemoryContext old;
	TupleDesc	desc;

	if (journal != NULL)
		return journal;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	journal = palloc0(sizeof(KnownJournal));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "what reads an account must return a composite type");
	journal->desc = BlessTupleDesc(CreateTupleDescCopy(desc));
	journal->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "loyalty journal", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = journal;
	return journal;
}

/* Begin anew, for another program or snapshot: how many customers may be looked for. */
static void
begin_journal(KnownJournal *journal, Oid program, Oid customer_type)
{
	Relation	heap = table_open(program_relation(get_rel_namespace(program), "journal"), AccessShareLock);

	journal->looks = (int64) RelationGetNumberOfBlocks(heap) * LOOKS_PER_PAGE;
	table_close(heap, NoLock);
	journal->program = program;
	journal->customer_type = customer_type;
	journal->is_read = false;
	journal->customers = NULL;
	journal->hash.fn_oid = InvalidOid;
	MemoryContextReset(journal->context);
}

/* Find the function that hashes customers as the key of the journal compares them. */
static void
find_hash(KnownJournal *journal, Relation key)
{
	Oid			type = key->rd_opcintype[0];
	Oid			op = get_opfamily_member(key->rd_opfamily[0], type, type, BTEqualStrategyNumber);
	RegProcedure left;
	RegProcedure right;

	if (!OidIsValid(op) || !get_op_hash_functions(op, &left, &right))
		return;
	fmgr_info_cxt(left, &journal->hash, journal->context);
	journal->collation = key->rd_indcollation[0];
}

static uint32
hash_customer(KnownJournal *journal, Datum customer)
{
	return DatumGetUInt32(FunctionCall1Coll(&journal->hash, journal->collation, customer));
}

/* Read the whole journal: who is in it? */
static void
read_journal(KnownJournal *journal, const PostedAccount *account)
{
	EntryTable	table;
	TableScanDesc scan;
	TupleTableSlot *slot;
	int64		pages;
	uint32		hash;

	journal->is_read = true;
	entry_table_open(&table, program_relation(get_rel_namespace(journal->program), "journal"), AccessShareLock, NULL);
	fold_check_customer(&table, false, account->customer_type);
	find_hash(journal, table.index);
	pages = RelationGetNumberOfBlocks(table.heap);
	slot = table_slot_create(table.heap, NULL);
	scan = table_beginscan(table.heap, GetActiveSnapshot(), 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		/* that customers have entries is known, and not which of them */
		if (!OidIsValid(journal->hash.fn_oid))
		{
			journal->is_read = false;
			journal->looks = PG_INT64_MAX;
			break;
		}
		if (journal->customers == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(journal->context);

			journal->customers = bloom_create(pages * ENTRIES_PER_PAGE, work_mem, 0);
			MemoryContextSwitchTo(old);
		}
		hash = hash_customer(journal, slot_getattr(slot, ENTRY_CUSTOMER + 1, &isnull));
		bloom_add_element(journal->customers, (unsigned char *) &hash, sizeof(hash));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	entry_table_close(&table);
}

/* May a customer have entries in the journal? */
static bool
may_have_entries(KnownJournal *journal, Oid program, const PostedAccount *account)
{
	uint32		hash;

	if (!snapshot_is_active(&journal->snapshot) || journal->program != program ||
		journal->customer_type != account->customer_type)
		begin_journal(journal, program, account->customer_type);
	if (!journal->is_read && --journal->looks < 0)
		read_journal(journal, account);
	if (!journal->is_read)
		return true;
	if (journal->customers == NULL)
		return false;
	for (int i = 0; i < account->keys.count; i++)
	{
		hash = hash_customer(journal, account->keys.keys[i]);
		if (!bloom_lacks_element(journal->customers, (unsigned char *) &hash, sizeof(hash)))
			return true;
	}
	return false;
}

/*
 * The account after the entries that were added, as a row of the type "account_state"; with its
 * histories if somebody asks for them.
 */
static Datum
state_row(const Accrual *accrual, TupleDesc desc)
{
	const Facts *facts = &accrual->facts;
	Datum		values[9] = {0};
	bool		nulls[9] = {false};
	Lots	   *lots = accrual_lots(accrual);

	Assert(desc->natts == lengthof(values));
	values[0] = accrual->points;
	values[1] = facts->spend;
	values[2] = Int64GetDatum(facts->orders);
	values[3] = facts->points_earned;
	values[4] = TimestampTzGetDatum(facts->first_order_at);
	values[5] = TimestampTzGetDatum(facts->last_order_at);
	nulls[4] = nulls[5] = !facts->has_orders;
	values[6] = LotsGetDatum(lots);
	nulls[6] = lots == NULL;
	nulls[7] = nulls[8] = accrual->known == NULL;
	if (accrual->known != NULL)
	{
		values[7] = histories_purchases(accrual->known);
		values[8] = histories_events(accrual->known, get_element_type(TupleDescAttr(desc, 8)->atttypid));
	}
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* The entries of a customer, folded, as a row of what is asked for, or (Datum) 0: it is empty. */
static Datum
fold_state(const Terms *terms, const PostedAccount *account, RecordedEntry **entries, int count, bool histories, TupleDesc desc)
{
	Oid			program = terms->program;
	Accrual    *accrual = fold_begin_read(get_rel_namespace(program), account, histories ? NULL : terms, entries, count);

	if (histories)
		accrual->histories = histories_begin(CurrentMemoryContext);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) accrual_add(accrual, terms_find(program, entries[i]->terms), entries[i]);
	}
	return histories ? histories_row(accrual->histories, desc) : state_row(accrual, desc);
}

/*
 * The result of the functions below, whose arguments are the same: the state of an account, or
 * what its histories are changed by.
 */
static Datum
fold_account(FunctionCallInfo fcinfo, bool histories)
{
	KnownJournal *journal = get_journal(fcinfo);
	Oid			program;
	PostedAccount account;
	RecordedEntry **entries;
	MemoryContext work;
	MemoryContext old;
	int			count;
	Datum		result = (Datum) 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	program = PG_GETARG_OID(0);
	terms_check_reader(terms_find(program, PG_GETARG_INT32(1)), PG_ARGISNULL(10) ? NULL : PG_GETARG_UUID_P(10));
	fold_read_account(fcinfo, 2, 3, 11, &account);
	if (!may_have_entries(journal, program, &account))
		PG_RETURN_NULL();

	/*
	 * customers may have many entries, and a query many customers before its memory is
	 * freed
	 */
	work = AllocSetContextCreate(CurrentMemoryContext, "loyalty state", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(work);
	entries = fold_read_entries(get_rel_namespace(program), &account, &count);
	if (count > 0)
		result = fold_state(terms_find(program, PG_GETARG_INT32(1)), &account, entries, count, histories, journal->desc);
	MemoryContextSwitchTo(old);
	if (result != (Datum) 0)
		result = datumCopy(result, false, -1);
	MemoryContextDelete(work);
	if (result == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

PG_FUNCTION_INFO_V1(loyalty_state_of);

/*
 * state_of(program regclass, terms int, customer anyelement,
 *          spend numeric, orders bigint, points_earned numeric,
 *          first_order_at timestamptz, last_order_at timestamptz, points numeric,
 *          lots loyalty.lots, reader uuid, merged anyarray,
 *          purchases loyalty.history, events event_history[]) returns account_state
 *
 * The points, the sums and the lots of the account after the entries of a customer in the
 * journal; null without entries.  program is the table "program" of a
 * program, and terms are those whose conditions are asked about it: if they ask for histories, the
 * result has them.  The arguments from spend to lots, and the last two, are the
 * account as it is posted, and null without one; merged: who was merged into the customer.
 * reader: see terms_check_reader().
 */
Datum
loyalty_state_of(PG_FUNCTION_ARGS)
{
	return fold_account(fcinfo, false);
}

PG_FUNCTION_INFO_V1(loyalty_histories_of);

/*
 * histories_of, with the arguments of state_of, returns account_histories
 *
 * What is to be added to the histories of the account for what the entries of a customer in the journal
 * change; null if they change nothing.
 */
Datum
loyalty_histories_of(PG_FUNCTION_ARGS)
{
	return fold_account(fcinfo, true);
}
