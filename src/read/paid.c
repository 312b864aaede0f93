/*
 * paid.c: which orders were paid with points, for the fold.
 *
 * Points come back of an order when it is refunded under terms that say so (see
 * account/payment.c).  Only if such an entry is to be added, the calls of the customer are read,
 * in the ledger, where all of them are.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "fold.h"
#include "layout.h"
#include "number.h"
#include "program.h"

/*
 * May points come back by some of these entries?  Of an account of several keys, the first entry
 * of an order may be one that goes on for another key.
 */
static bool
may_return(RecordedEntry **entries, int count, EntryTable *ledger, const CustomerKeys *keys)
{
	Oid			program = InvalidOid;

	for (int i = 0; i < count; i++)
	{
		if (entries[i]->revision == 1 && keys->count == 1)
			continue;
		if (!OidIsValid(program))
			program = program_relation(RelationGetNamespace(ledger->heap), "program");
		if (terms_find(program, entries[i]->terms)->returns_paid != RETURNS_NEVER)
			return true;
	}
	return false;
}

static EntryScan
scan_calls(EntryTable *ledger, Snapshot snapshot, Datum customer)
{
	ledger->keys[ENTRY_CUSTOMER].sk_argument = customer;
	ledger->keys[ENTRY_TRACKED_TABLE].sk_argument = Int32GetDatum(NO_TRACKED_TABLE);
	return entry_scan_begin(ledger, snapshot, ledger->keys, ENTRY_TRACKED_TABLE + 1);
}

/* Is a column of an entry this text? */
static bool
is_text(TupleTableSlot *slot, int column, const text *wanted)
{
	text	   *value;

	if (slot->tts_isnull[column])
		return false;
	value = DatumGetTextPP(slot->tts_values[column]);
	return VARSIZE_ANY_EXHDR(value) == VARSIZE_ANY_EXHDR(wanted) &&
		memcmp(VARDATA_ANY(value), VARDATA_ANY(wanted), VARSIZE_ANY_EXHDR(wanted)) == 0;
}

static bool
is_kind(TupleTableSlot *slot, const char *kind)
{
	return !slot->tts_isnull[LEDGER_KIND] && strcmp(TextDatumGetCString(slot->tts_values[LEDGER_KIND]), kind) == 0;
}

/* Does a later revision of an order come, under any key of the account? */
static bool
expects_order(Accrual *accrual, const CustomerKeys *keys, int32 tracked_table, const text *order_key)
{
	for (int i = 0; i < keys->count; i++)
		if (accrual_expects(accrual, i, tracked_table, order_key))
			return true;
	return false;
}

/*
 * The calls for one of the keys of the account that paid for orders of which later revisions come, of each its
 * reference alone.  Who paid and who ordered were the same key, but the order may have another one since.
 */
static List *
find_payments(Accrual *accrual, EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys, int which,
			  List *payments)
{
	EntryScan	scan = scan_calls(ledger, snapshot, keys->keys[which]);

	while (entry_scan_next(&scan))
	{
		Datum	   *values = scan.slot->tts_values;
		bool	   *nulls = scan.slot->tts_isnull;
		Payment    *payment;

		slot_getsomeattrs(scan.slot, LEDGER_COLUMNS);
		if (nulls[LEDGER_PAYS_FOR] || nulls[LEDGER_PAYS_TABLE] ||
			!(is_kind(scan.slot, REDEMPTION) || is_kind(scan.slot, CAPTURE)) ||
			!expects_order(accrual, keys, DatumGetInt32(values[LEDGER_PAYS_TABLE]), DatumGetTextPP(values[LEDGER_PAYS_FOR])))
			continue;
		payment = palloc0(sizeof(Payment));
		payment->recorded_for = which;
		payment->tracked_table = DatumGetInt32(values[LEDGER_PAYS_TABLE]);
		payment->order_key = DatumGetTextPCopy(values[LEDGER_PAYS_FOR]);
		payment->reference = DatumGetTextPCopy(values[ENTRY_ORDER_KEY]);
		payment->net = payment->paid = payment->returned = number_zero();
		payment->left = lots_make();
		payments = lappend(payments, payment);
	}
	entry_scan_end(&scan);
	return payments;
}

/* Add an entry of the call, or one that reverses it. */
static void
add_to_payment(Payment *payment, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	Datum		points = values[LEDGER_POINTS_CHANGE];

	if (is_text(slot, ENTRY_ORDER_KEY, payment->reference))
	{
		payment->revision = DatumGetInt32(values[ENTRY_REVISION]);
		payment->recorded_at = DatumGetTimestampTz(values[ENTRY_RECORDED_AT]);
		payment->net = DirectFunctionCall2(numeric_add, payment->net, points);
		if (DatumGetInt32(values[ENTRY_TERMS]) != 0)
			payment->terms = DatumGetInt32(values[ENTRY_TERMS]);
	}
	else if (!is_text(slot, LEDGER_REVERSES, payment->reference))
		return;
	if (is_kind(slot, RETURNED))
		payment->returned = DirectFunctionCall2(numeric_add, payment->returned, points);
	else
		payment->paid = DirectFunctionCall2(numeric_sub, payment->paid, points);
	lots_add(payment->left, purse_change(points, slot->tts_isnull[LEDGER_LOTS] ? (Datum) 0 : values[LEDGER_LOTS]));
	lots_settle(payment->left);
}

/* Add all calls for one of the keys of the account to what they paid for. */
static void
add_calls(Accrual *accrual, EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys, int which)
{
	EntryScan	scan = scan_calls(ledger, snapshot, keys->keys[which]);
	ListCell   *lc;

	while (entry_scan_next(&scan))
	{
		slot_getsomeattrs(scan.slot, LEDGER_COLUMNS);
		foreach(lc, accrual->payments)
			if (((Payment *) lfirst(lc))->recorded_for == which)
			add_to_payment((Payment *) lfirst(lc), scan.slot);
	}
	entry_scan_end(&scan);
}

/* The highest amount that an order had, of its entries in the ledger for one of the keys of the account. */
static void
know_most(Accrual *accrual, const Payment *payment, EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys, int which)
{
	EntryScan	scan;

	ledger->keys[ENTRY_CUSTOMER].sk_argument = keys->keys[which];
	ledger->keys[ENTRY_TRACKED_TABLE].sk_argument = Int32GetDatum(payment->tracked_table);
	ledger->keys[ENTRY_ORDER_KEY].sk_argument = PointerGetDatum(payment->order_key);
	scan = entry_scan_begin(ledger, snapshot, ledger->keys, ENTRY_ORDER_KEY + 1);
	while (entry_scan_next(&scan))
	{
		slot_getsomeattrs(scan.slot, ENTRY_AMOUNT + 1);
		for (int i = 0; i < keys->count; i++)
			accrual_known_most(accrual, i, payment, scan.slot->tts_values[ENTRY_AMOUNT]);
	}
	entry_scan_end(&scan);
}

/*
 * Where customers were merged, their orders may be given the key of the survivor: such an order was not
 * returned.
 */
static void
find_moved(const Payment *payment, RecordedEntry **entries, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (entries[i]->counts || !payment_is_for(payment, entries[i]->tracked_table, entries[i]->order_key))
			continue;
		for (int j = 0; j < count; j++)
			if (entries[j]->recorded_for != entries[i]->recorded_for && entries[j]->counts &&
				entries[j]->recorded_at == entries[i]->recorded_at && payment_is_for(payment, entries[j]->tracked_table, entries[j]->order_key))
				entries[i]->is_rerated = true;
	}
}

/* Which entries of the order under one key only let it begin anew under other terms (see record/rerate.c)? */
static void
find_rerated(const Payment *payment, RecordedEntry **entries, int count, int which)
{
	RecordedEntry *before = NULL;

	for (int i = 0; i < count; i++)
	{
		RecordedEntry *entry = entries[i];

		if (entry->recorded_for != which || !payment_is_for(payment, entry->tracked_table, entry->order_key))
			continue;
		if (before != NULL && before->revision + 1 == entry->revision && before->terms != entry->terms &&
			entry->came_from == NULL && before->recorded_at + 1 == entry->recorded_at)
			before->is_rerated = true;
		before = entry;
	}
}

/*
 * Tell the fold of a customer, which knows how orders are posted of which later revisions
 * come, what was paid for these with points, if some of it may come back.
 */
void
fold_know_payments(Accrual *accrual, RecordedEntry **entries, int count, EntryTable *ledger,
				   Snapshot snapshot, const CustomerKeys *keys)
{
	MemoryContext old;
	ListCell   *lc;

	if (!may_return(entries, count, ledger, keys))
		return;
	old = MemoryContextSwitchTo(accrual->context);
	for (int i = 0; i < keys->count; i++)
		accrual->payments = find_payments(accrual, ledger, snapshot, keys, i, accrual->payments);
	for (int i = 0; i < keys->count && accrual->payments != NIL; i++)
		add_calls(accrual, ledger, snapshot, keys, i);
	foreach(lc, accrual->payments)
	{
		Payment    *payment = (Payment *) lfirst(lc);

		for (int i = 0; i < keys->count; i++)
			know_most(accrual, payment, ledger, snapshot, keys, i);
		for (int i = 0; i < keys->count; i++)
			find_rerated(payment, entries, count, i);
		find_moved(payment, entries, count);
	}
	MemoryContextSwitchTo(old);
}
