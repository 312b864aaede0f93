/*
 * columns.h: columns of tracked tables under the names that expressions use.
 */
#ifndef LOYALTY_COLUMNS_H
#define LOYALTY_COLUMNS_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

extern List *columns_stored_names(Oid root, Relation rel, const char *program);
extern char *columns_from_clause(Oid root, const char *program, const char *alias);

#endif							/* LOYALTY_COLUMNS_H */
