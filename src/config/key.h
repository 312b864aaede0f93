/*
 * key.h: whether an order key can be in two rows.
 */
#ifndef LOYALTY_KEY_H
#define LOYALTY_KEY_H

#include "nodes/nodes.h"

extern bool key_is_unique(Oid relid, Node *key);

#endif							/* LOYALTY_KEY_H */
