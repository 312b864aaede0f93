/*
 * compat.h: differences between the supported PostgreSQL versions (13 to 18).
 *
 * Every version test of the project stands here.
 */
#ifndef LOYALTY_COMPAT_H
#define LOYALTY_COMPAT_H

#include "postgres.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/numeric.h"

/* raw_parser() takes a mode from 14 on. */
#if PG_VERSION_NUM >= 140000
#define loyalty_raw_parser(text) raw_parser((text), RAW_PARSE_DEFAULT)
#else
#define loyalty_raw_parser(text) raw_parser(text)
#endif

/* numeric knows infinities from 14 on. */
#if PG_VERSION_NUM >= 140000
#define loyalty_numeric_is_finite(n) \
	(!numeric_is_nan(n) && !numeric_is_inf(n))
#else
#define loyalty_numeric_is_finite(n) (!numeric_is_nan(n))
#endif

/* index_insert() has a hint about unchanged keys from 14 on. */
#if PG_VERSION_NUM >= 140000
#define loyalty_index_insert(ind, values, isnull, tid, heap, check, info) \
	index_insert((ind), (values), (isnull), (tid), (heap), (check), false, (info))
#else
#define loyalty_index_insert(ind, values, isnull, tid, heap, check, info) \
	index_insert((ind), (values), (isnull), (tid), (heap), (check), (info))
#endif

/* index_beginscan() takes instrumentation from 18 on. */
#if PG_VERSION_NUM >= 180000
#define loyalty_index_beginscan(heap, ind, snapshot, nkeys) \
	index_beginscan((heap), (ind), (snapshot), NULL, (nkeys), 0)
#else
#define loyalty_index_beginscan(heap, ind, snapshot, nkeys) \
	index_beginscan((heap), (ind), (snapshot), (nkeys), 0)
#endif

/* tuplesort_begin_heap() takes options from 15 on, before that random access. */
#if PG_VERSION_NUM >= 150000
#define loyalty_tuplesort_begin_heap(desc, n, atts, ops, colls, nulls, mem) \
	tuplesort_begin_heap((desc), (n), (atts), (ops), (colls), (nulls), (mem), NULL, TUPLESORT_NONE)
#else
#define loyalty_tuplesort_begin_heap(desc, n, atts, ops, colls, nulls, mem) \
	tuplesort_begin_heap((desc), (n), (atts), (ops), (colls), (nulls), (mem), NULL, false)
#endif

/* The local transaction id moved in 17. */
#if PG_VERSION_NUM >= 170000
#define loyalty_local_transaction() (MyProc->vxid.lxid)
#else
#define loyalty_local_transaction() (MyProc->lxid)
#endif

#endif							/* LOYALTY_COMPAT_H */
