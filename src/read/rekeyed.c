/*
 * rekeyed.c: which entries are of orders that get another key, for the fold.
 *
 * The entry by which an order begins under another key says which one it had, and what its newest
 * entry was there.  The next one there, which the same statement recorded, is the other half of
 * the change, if it is of the same account: the customer is the same, or was merged into this one.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "compat.h"
#include "fold.h"

/* The entries that may be such a half, by their keys. */
typedef struct Halves
{
	RecordedEntry **entry;
	int			count;
} Halves;

/* By table, key and revision. */
static int
compare_to(const RecordedEntry *entry, int32 tracked_table, const text *order_key, int32 revision)
{
	int			a = VARSIZE_ANY_EXHDR(entry->order_key);
	int			b = VARSIZE_ANY_EXHDR(order_key);
	int			cmp;

	if (entry->tracked_table != tracked_table)
		return entry->tracked_table < tracked_table ? -1 : 1;
	cmp = memcmp(VARDATA_ANY(entry->order_key), VARDATA_ANY(order_key), Min(a, b));
	if (cmp == 0)
		cmp = a - b;
	if (cmp == 0)
		cmp = entry->revision < revision ? -1 : entry->revision > revision;
	return cmp;
}

static int
compare_halves(const void *a, const void *b)
{
	const RecordedEntry *x = *(RecordedEntry *const *) a;
	const RecordedEntry *y = *(RecordedEntry *const *) b;
	int			cmp = compare_to(x, y->tracked_table, y->order_key, y->revision);

	return cmp != 0 ? cmp : x->recorded_for - y->recorded_for;
}

static Halves
find_halves(RecordedEntry **entries, int count)
{
	Halves		halves = {.entry = palloc(count * sizeof(RecordedEntry *))};

	for (int i = 0; i < count; i++)
		if (entries[i]->revision > 1)
			halves.entry[halves.count++] = entries[i];
	qsort(halves.entry, halves.count, sizeof(RecordedEntry *), compare_halves);
	return halves;
}

/* May these two be one change? */
static bool
is_half(const RecordedEntry *half, const RecordedEntry *entry)
{
	return (half->recorded_for != entry->recorded_for) == entry->came_over &&
		half->recorded_at == entry->recorded_at &&
		(entry->came_over || compare_to(half, entry->tracked_table, entry->order_key, half->revision) != 0);
}

/* The other half of an entry, or NULL. */
static RecordedEntry *
find_half(const Halves *halves, const RecordedEntry *entry)
{
	int			from = 0;
	int			to = halves->count;

	while (from < to)
	{
		int			middle = from + (to - from) / 2;

		if (compare_to(halves->entry[middle], entry->tracked_table, entry->came_from, entry->came_revision + 1) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	for (; from < halves->count; from++)
	{
		RecordedEntry *half = halves->entry[from];

		if (compare_to(half, entry->tracked_table, entry->came_from, entry->came_revision + 1) != 0)
			break;
		if (is_half(half, entry))
			return half;
	}
	return NULL;
}

/*
 * Tell entries, which are in order, of which change of key they are a half.
 */
void
fold_find_rekeyed(Accrual *accrual, RecordedEntry **entries, int count)
{
	Halves		halves = {0};

	for (int i = 0; i < count; i++)
	{
		RecordedEntry *entry = entries[i];
		RecordedEntry *half;

		if (entry->came_from == NULL)
			continue;
		if (halves.entry == NULL)
			halves = find_halves(entries, count);
		half = find_half(&halves, entry);
		if (half == NULL || half->left != NULL)
			continue;
		entry->came = half->left = MemoryContextAllocZero(accrual->context, sizeof(Rekeying));
		entry->came->recorded_for = half->recorded_for;
		entry->came->order_key = half->order_key;
	}
	if (halves.entry != NULL)
		pfree(halves.entry);
}
