/*
 * reconcile.h: recording what no trigger saw.
 */
#ifndef LOYALTY_RECONCILE_H
#define LOYALTY_RECONCILE_H

#include "program.h"

extern int64 record_keys(TrackedTable *root);
extern int64 record_missing(TrackedTable *root);

#endif							/* LOYALTY_RECONCILE_H */
