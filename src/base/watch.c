/*
 * watch.c: what is invalidated while something is loaded from catalogs and
 * tables.
 *
 * A cache entry is marked invalid by a callback that looks for it in a list.
 * While the entry is being filled it is in no list, and which relations it
 * depends on is not known yet.  So the relations that are invalidated meanwhile
 * are noted, and whoever loads asks for them at the end.
 */
#include "postgres.h"

#include "utils/inval.h"

#include "watch.h"

/* Of more than these since somebody began, all count as invalidated. */
#define REMEMBERED 64

static Oid	seen[REMEMBERED];	/* a ring: the latest ones */
static uint64 seen_count = 0;	/* since the backend began */

static void
note_relation(Datum arg, Oid relid)
{
	seen[seen_count++ % REMEMBERED] = relid;
}

/*
 * Register the callback; once in each backend.
 */
void
watch_init(void)
{
	CacheRegisterRelcacheCallback(note_relation, (Datum) 0);
}

/*
 * From here on, what is invalidated is noted.  Returns what watch_saw() wants.
 */
uint64
watch_begin(void)
{
	return seen_count;
}

/*
 * Was a relation invalidated since watch_begin() returned this?
 */
bool
watch_saw(uint64 since, Oid relid)
{
	Assert(since <= seen_count);
	if (seen_count - since > REMEMBERED)
		return true;
	for (uint64 i = since; i < seen_count; i++)
	{
		Oid			other = seen[i % REMEMBERED];

		if (other == relid || !OidIsValid(other))	/* or all relations */
			return true;
	}
	return false;
}
