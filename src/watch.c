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

/* More than these count as all. */
#define MAX_SEEN 64

static Oid	seen[MAX_SEEN];
static int	seen_count = 0;
static bool seen_all = false;

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || seen_count == MAX_SEEN)
		seen_all = true;
	else
		seen[seen_count++] = relid;
}

/*
 * Register the callback; once in each backend.
 */
void
watch_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/*
 * Forget what was seen: from here on, all is noted.
 */
void
watch_begin(void)
{
	seen_count = 0;
	seen_all = false;
}

/*
 * Was a relation invalidated since watch_begin()?
 */
bool
watch_saw(Oid relid)
{
	if (seen_all)
		return true;
	for (int i = 0; i < seen_count; i++)
		if (seen[i] == relid)
			return true;
	return false;
}
