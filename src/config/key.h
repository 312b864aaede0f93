/*
 * key.h: how order keys are compared and looked up, and whether one can be in two rows.
 */
#ifndef LOYALTY_KEY_H
#define LOYALTY_KEY_H

#include "nodes/nodes.h"

#include "definition.h"
#include "program.h"

extern bool key_is_unique(Oid relid, Node *key);
extern void key_load(TrackedTable *table, Definition *definition);
extern void key_init_probe(Probe *probe, Oid view, const char *row);

#endif							/* LOYALTY_KEY_H */
