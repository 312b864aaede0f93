/*
 * refunding.c: entries that take points back, of which a statement may fail.
 *
 * Terms may say that a refund fails if the customer does not have the points that it takes
 * back.  Who does not know the account cannot say, so in a program of which some terms say
 * so, what a statement wrote is noted here of customers of whom an order is worth less than
 * before.  At the end of the statement the function require_refundable() locks the accounts of
 * these customers, posts what waits of them, as a call does (see act/refundable.c), and raises
 * the error.  What it wrote of other customers is forgotten: nothing of theirs is locked.
 *
 * What is noted comes in the order of customers, so what was noted of one is forgotten when the
 * next one comes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"

#include "compat.h"
#include "layout.h"
#include "number.h"
#include "refunding.h"
#include "terms.h"

struct Refunding
{
	TrackedTable *table;
	MemoryContext context;
	Oid			customer_type;
	bool		customer_by_value;
	int			count;
	int			room;
	int			first;			/* of the latest customer */
	bool		takes_back;		/* some entry of his does */
	Datum	   *customers;
	Datum	   *order_keys;
	Datum	   *revisions;
};

/*
 * Begin with none, in the current memory context.
 */
Refunding *
refunding_begin(TrackedTable *table)
{
	Refunding  *refunding = palloc0(sizeof(Refunding));

	refunding->table = table;
	refunding->context = CurrentMemoryContext;
	return refunding;
}

/* Room for one more. */
static void
grow(Refunding *refunding)
{
	if (refunding->count < refunding->room)
		return;
	refunding->room = Max(16, refunding->room * 2);
	if (refunding->customers == NULL)
	{
		refunding->customers = palloc(refunding->room * sizeof(Datum));
		refunding->order_keys = palloc(refunding->room * sizeof(Datum));
		refunding->revisions = palloc(refunding->room * sizeof(Datum));
		return;
	}
	refunding->customers = repalloc_huge(refunding->customers, refunding->room * sizeof(Datum));
	refunding->order_keys = repalloc_huge(refunding->order_keys, refunding->room * sizeof(Datum));
	refunding->revisions = repalloc_huge(refunding->revisions, refunding->room * sizeof(Datum));
}

/* Does a rule take points, of those that stack when entries are folded? */
static bool
has_negative_part(TupleTableSlot *entry)
{
	ByAward		parts = stacking_read(entry->tts_isnull[ENTRY_PARTS] ? (Datum) 0 : entry->tts_values[ENTRY_PARTS]);

	for (int i = 0; i < parts.count; i++)
		if (!parts.isnull[i] && DatumGetBool(DirectFunctionCall2(numeric_lt, parts.values[i], number_zero())))
			return true;
	return false;
}

/* Does an entry take points back under terms that refuse it?  See refunding_note(). */
static bool
takes_back(Refunding *refunding, TupleTableSlot *entry, const OrderState *before)
{
	bool		is_new = before == NULL || before->revision == 0;
	bool		folds = is_new ? has_negative_part(entry) : !entry->tts_isnull[ENTRY_PARTS] || before->parts != (Datum) 0;
	Terms	   *terms;

	/* what rules give that stack when entries are folded may be more or less by then */
	if (!folds && !DatumGetBool(DirectFunctionCall2(numeric_lt, entry->tts_values[ENTRY_AWARDS],
													is_new ? number_zero() : before->awards)))
		return false;
	terms = terms_if_possible(refunding->table->program_relid, DatumGetInt32(entry->tts_values[ENTRY_TERMS]));
	return terms != NULL && terms->shortfall == SHORTFALL_REJECT;
}

/* The latest customer is through. */
static void
end_customer(Refunding *refunding)
{
	if (!refunding->takes_back)
	{
		for (int i = refunding->first; i < refunding->count; i++)
		{
			if (!refunding->customer_by_value)
				pfree(DatumGetPointer(refunding->customers[i]));
			pfree(DatumGetPointer(refunding->order_keys[i]));
		}
		refunding->count = refunding->first;
	}
	refunding->first = refunding->count;
	refunding->takes_back = false;
}

/* Is the latest customer the one of an entry?  Equal keys can be of other bytes. */
static bool
is_latest(Refunding *refunding, TupleTableSlot *entry)
{
	ScanKey		equals = &refunding->table->entry_keys[ENTRY_CUSTOMER];

	return refunding->count > 0 &&
		DatumGetBool(FunctionCall2Coll(&equals->sk_func, equals->sk_collation,
									   refunding->customers[refunding->count - 1], entry->tts_values[ENTRY_CUSTOMER]));
}

/*
 * An entry was written.  before: how its order stood before; NULL, or revision 0, if it
 * is new.
 */
void
refunding_note(Refunding *refunding, TupleTableSlot *entry, const OrderState *before)
{
	Form_pg_attribute customer = TupleDescAttr(entry->tts_tupleDescriptor, ENTRY_CUSTOMER);
	MemoryContext old = MemoryContextSwitchTo(refunding->context);

	slot_getallattrs(entry);
	refunding->customer_type = customer->atttypid;
	refunding->customer_by_value = customer->attbyval;
	if (!is_latest(refunding, entry))
		end_customer(refunding);
	grow(refunding);
	refunding->customers[refunding->count] = datumCopy(entry->tts_values[ENTRY_CUSTOMER], customer->attbyval, customer->attlen);
	refunding->order_keys[refunding->count] = datumCopy(entry->tts_values[ENTRY_ORDER_KEY], false, -1);
	refunding->revisions[refunding->count] = entry->tts_values[ENTRY_REVISION];
	refunding->count++;
	refunding->takes_back = refunding->takes_back || takes_back(refunding, entry, before);
	MemoryContextSwitchTo(old);
}

/* As an SQL array. */
static Datum
array_of(Datum *values, int count, Oid type)
{
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(values, count, type, length, by_value, align));
}

/*
 * An error if what was noted takes points back that are not there; then all is forgotten.  The
 * function belongs to a later layer, and is called by its name, as the trigger itself is, which
 * must not fail for want of a grant.
 */
void
refunding_require(Refunding *refunding)
{
	Oid			types[5] = {REGCLASSOID, INT4OID, ANYARRAYOID, TEXTARRAYOID, INT4ARRAYOID};
	List	   *name = list_make2(makeString(pstrdup("_loyalty")), makeString(pstrdup("require_refundable")));

	end_customer(refunding);
	if (refunding->count == 0)
		return;
	/* what was written is seen */
	CommandCounterIncrement();
	OidFunctionCall5(LookupFuncName(name, lengthof(types), types, false),
					 ObjectIdGetDatum(refunding->table->program_relid),
					 Int32GetDatum(refunding->table->tracked_table),
					 array_of(refunding->customers, refunding->count, refunding->customer_type),
					 array_of(refunding->order_keys, refunding->count, TEXTOID),
					 array_of(refunding->revisions, refunding->count, INT4OID));
	refunding->count = refunding->first = 0;
}
