/*
 * configured.h: what a program's configuration says of a tracked table.
 */
#ifndef LOYALTY_CONFIGURED_H
#define LOYALTY_CONFIGURED_H

#include "owner.h"
#include "program.h"

extern void configured_begin(TrackedTable *table, OwnerScope *scope);
extern void configured_end(OwnerScope *scope);
extern void configured_query(TrackedTable *table, const char *query, int32 argument);
extern char *configured_text(int row, int column);
extern char *configured_copy(MemoryContext context, int row, int column);
extern Oid	configured_oid(int row, int column);
extern int32 configured_number(int row, int column);
extern bool configured_settings(TrackedTable *table);
extern List *configured_rules(TrackedTable *table, int32 terms);
extern Oid	program_tracked_relation(Oid schema, int32 tracked_table);

#endif							/* LOYALTY_CONFIGURED_H */
