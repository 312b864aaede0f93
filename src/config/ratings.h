/*
 * ratings.h: grades of customers that decide nothing about points.
 */
#ifndef LOYALTY_RATINGS_H
#define LOYALTY_RATINGS_H

#include "access/htup.h"
#include "access/tupdesc.h"

#include "terms.h"

extern void ratings_load(Terms *terms, Condition *condition, HeapTuple row, TupleDesc desc);

#endif							/* LOYALTY_RATINGS_H */
