/*
 * compat.h: differences between the supported PostgreSQL versions (13 to 18).
 *
 * Version tests stand here, but for those in trust.c and expression.c, where a
 * version has a catalog column or a kind of column that others lack.
 */
#ifndef LOYALTY_COMPAT_H
#define LOYALTY_COMPAT_H

#include "postgres.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/numeric.h"
#include "utils/rel.h"

/* Values of variable length have a header file of their own from 16 on. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Built-in functions were named after their C functions before 14. */
#if PG_VERSION_NUM >= 140000
#define LOYALTY_INT4_TO_NUMERIC F_NUMERIC_INT4
#define LOYALTY_INT8_TO_NUMERIC F_NUMERIC_INT8
#define LOYALTY_INT4_TO_INT8 F_INT8_INT4
#define LOYALTY_TIMESTAMPTZ_AGE F_AGE_TIMESTAMPTZ_TIMESTAMPTZ
#define LOYALTY_TIMESTAMPTZ_IN_ZONE F_TIMEZONE_TEXT_TIMESTAMPTZ
#define LOYALTY_TIMESTAMP_IN_ZONE F_TIMEZONE_TEXT_TIMESTAMP
#else
#define LOYALTY_INT4_TO_NUMERIC F_INT4_NUMERIC
#define LOYALTY_INT8_TO_NUMERIC F_INT8_NUMERIC
#define LOYALTY_INT4_TO_INT8 F_INT48
#define LOYALTY_TIMESTAMPTZ_AGE F_TIMESTAMPTZ_AGE
#define LOYALTY_TIMESTAMPTZ_IN_ZONE F_TIMESTAMPTZ_ZONE
#define LOYALTY_TIMESTAMP_IN_ZONE F_TIMESTAMP_ZONE
#endif

/* The oldest transaction that a snapshot of this database, which rel is of, does not see. */
#if PG_VERSION_NUM >= 140000
#define loyalty_oldest_snapshot(rel) GetOldestNonRemovableTransactionId(rel)
#else
#define loyalty_oldest_snapshot(rel) GetOldestXmin(rel, PROCARRAY_FLAGS_VACUUM)
#endif

/* Not all array types have names before 14. */
#ifndef NUMERICARRAYOID
#define NUMERICARRAYOID 1231
#endif

/* Indexes other than btree can have comparisons from 18 on. */
#if PG_VERSION_NUM >= 180000
#define loyalty_comparison_meanings(opno) get_op_index_interpretation(opno)
#else
#define loyalty_comparison_meanings(opno) get_op_btree_interpretation(opno)
#endif

/* One function looks at the rights on all kinds of objects from 16 on. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_proc.h"
#define loyalty_may_execute(funcid, role) \
	(object_aclcheck(ProcedureRelationId, (funcid), (role), ACL_EXECUTE) == ACLCHECK_OK)
#else
#define loyalty_may_execute(funcid, role) \
	(pg_proc_aclcheck((funcid), (role), ACL_EXECUTE) == ACLCHECK_OK)
#endif

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

/* Input functions can tell of an error without raising it from 16 on. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define loyalty_ereturn(context, value, ...) ereturn((context), (value), __VA_ARGS__)
#else
#define loyalty_ereturn(context, value, ...) ereport(ERROR, __VA_ARGS__)
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

/* Version 14 added the planner's state. */
#if PG_VERSION_NUM >= 140000
#define loyalty_pull_varnos(node) pull_varnos(NULL, (node))
#else
#define loyalty_pull_varnos(node) pull_varnos(node)
#endif

/* Version 16 can do without attributes that are missing. */
#if PG_VERSION_NUM >= 160000
#define loyalty_attribute_map(in, out) build_attrmap_by_name((in), (out), false)
#else
#define loyalty_attribute_map(in, out) build_attrmap_by_name((in), (out))
#endif

/* The local transaction id moved in 17. */
#if PG_VERSION_NUM >= 170000
#define loyalty_local_transaction() (MyProc->vxid.lxid)
#else
#define loyalty_local_transaction() (MyProc->lxid)
#endif

/* ExecInsertIndexTuples() finds its relation in the EState before 14. */
#if PG_VERSION_NUM >= 160000
#define loyalty_insert_index_tuples(target, slot, estate, tell, conflict, arbiters) \
	ExecInsertIndexTuples((target), (slot), (estate), false, (tell), (conflict), (arbiters), false)
#elif PG_VERSION_NUM >= 140000
#define loyalty_insert_index_tuples(target, slot, estate, tell, conflict, arbiters) \
	ExecInsertIndexTuples((target), (slot), (estate), false, (tell), (conflict), (arbiters))
#else
#define loyalty_insert_index_tuples(target, slot, estate, tell, conflict, arbiters) \
	ExecInsertIndexTuples((slot), (estate), (tell), (conflict), (arbiters))
#endif

/* ExecComputeStoredGenerated() takes the result relation from 14 on. */
#if PG_VERSION_NUM >= 140000
#define loyalty_compute_generated(target, estate, slot, command) \
	ExecComputeStoredGenerated((target), (estate), (slot), (command))
#else
#define loyalty_compute_generated(target, estate, slot, command) \
	ExecComputeStoredGenerated((estate), (slot), (command))
#endif

/* ExecARDeleteTriggers() is told of moves between partitions from 15 on. */
#if PG_VERSION_NUM >= 150000
#define loyalty_after_row_delete(estate, target, tid, capture) \
	ExecARDeleteTriggers((estate), (target), (tid), NULL, (capture), false)
#else
#define loyalty_after_row_delete(estate, target, tid, capture) \
	ExecARDeleteTriggers((estate), (target), (tid), NULL, (capture))
#endif

/* An EState whose only range table entry is a relation that is written to. */
static inline void
loyalty_init_range_table(EState *estate, Relation rel, LOCKMODE lock)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
#if PG_VERSION_NUM >= 160000
	List	   *permissions = NIL;
#endif

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = lock;
#if PG_VERSION_NUM >= 160000
	addRTEPermissionInfo(&permissions, rte);
#endif
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, list_make1(rte), permissions, bms_make_singleton(1));
#elif PG_VERSION_NUM >= 160000
	ExecInitRangeTable(estate, list_make1(rte), permissions);
#else
	ExecInitRangeTable(estate, list_make1(rte));
#endif
}

/* Triggers find their relation in a list from 14 on, in an array before. */
static inline void
loyalty_set_result_relation(EState *estate, ResultRelInfo *target)
{
#if PG_VERSION_NUM >= 140000
	estate->es_opened_result_relations =
		lappend(estate->es_opened_result_relations, target);
#else
	estate->es_result_relations = target;
	estate->es_num_result_relations = 1;
	estate->es_result_relation_info = target;
#endif
}

static inline void
loyalty_close_result_relation(EState *estate, ResultRelInfo *target)
{
#if PG_VERSION_NUM >= 140000
	ExecCloseResultRelations(estate);
#else
	ExecCloseIndices(target);
	ExecCleanUpTriggerState(estate);
#endif
}

/* An empty table can become a view before 16. */
#define LOYALTY_TABLES_BECOME_VIEWS (PG_VERSION_NUM < 160000)

/* Multiranges came in 14. */
#if PG_VERSION_NUM >= 140000
#define loyalty_is_multirange(typtype) ((typtype) == TYPTYPE_MULTIRANGE)
#define loyalty_multirange_range(type) get_multirange_range(type)
#else
#define loyalty_is_multirange(typtype) false
#define loyalty_multirange_range(type) InvalidOid
#endif

/* Input functions can return an error instead of raising it from 16 on. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define ereturn(context, result, ...) ereport(ERROR, __VA_ARGS__)
#endif

#endif							/* LOYALTY_COMPAT_H */
