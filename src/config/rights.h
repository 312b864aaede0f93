/*
 * rights.h: what the owner of a program may not read or call of what recording needs.
 */
#ifndef LOYALTY_RIGHTS_H
#define LOYALTY_RIGHTS_H

#include "definition.h"
#include "program.h"

extern void rights_load(TrackedTable *table, const Definition *definition);
extern void rights_load_people(TrackedTable *table);
extern bool rights_hide_rows(TrackedTable *table);
extern char *program_missing_grant(const TrackedTable *table);
extern bool program_lacks_something(TrackedTable *table);

#endif							/* LOYALTY_RIGHTS_H */
