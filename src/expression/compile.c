/*
 * compile.c: expressions of the configuration, compiled and evaluated.
 *
 * An expression is taken out of the query of a view (see definition.c) and planned
 * by GetCachedExpression(), which notices when a function or type that it uses is
 * replaced: whoever keeps an expression asks expression_is_valid() before each use.
 */
#include "postgres.h"

#include "access/attmap.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#if PG_VERSION_NUM >= 180000
#include "rewrite/rewriteHandler.h"
#endif
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "expression.h"
#include "trust.h"

/* Is an operator a comparison of built-in types, as btree and hash know them? */
static bool
is_comparison(Oid opno)
{
	List	   *meanings;

	if (opno >= FirstNormalObjectId)
		return false;
	meanings = loyalty_comparison_meanings(opno);
	list_free_deep(meanings);
	return meanings != NIL;
}

/*
 * May an expression raise an error?  Comparisons, logic, constants and casts that
 * widen an integer do not; of anything else, nothing is known.
 */
static bool
may_raise_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_List:
		case T_Var:
		case T_Const:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
			break;
		case T_CoerceViaIO:
			switch (exprType((Node *) ((CoerceViaIO *) node)->arg))
			{
				case INT2OID:
				case INT4OID:
				case INT8OID:
				case NUMERICOID:
				case UUIDOID:
					break;
				default:
					return true;
			}
			if (((CoerceViaIO *) node)->resulttype != TEXTOID)
				return true;
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (!is_comparison(((OpExpr *) node)->opno))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			if (!is_comparison(((ScalarArrayOpExpr *) node)->opno))
				return true;
			break;
		case T_FuncExpr:
			switch (((FuncExpr *) node)->funcid)
			{
				case LOYALTY_INT4_TO_NUMERIC:
				case LOYALTY_INT8_TO_NUMERIC:
				case LOYALTY_INT4_TO_INT8:
					break;
				default:
					return true;
			}
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, may_raise_walker, context);
}

/* How often functions of the database changed, as far as this session was told. */
static uint64 function_changes = 0;

/* Domains (hash values of their types) that compiled expressions convert to. */
static List *domains = NIL;

static void
function_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	function_changes++;
}

static void
type_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	if (hashvalue == 0 || list_member_int(domains, (int) hashvalue))
		function_changes++;
}

/* Note the domains that an expression converts to. */
static bool
domain_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		Oid			type = ((CoerceToDomain *) node)->resulttype;

		/* a domain may be one of a domain, whose checks it has as well */
		while (OidIsValid(type))
		{
			HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));

			if (!HeapTupleIsValid(tuple))
				break;
			domains = list_append_unique_int(domains, (int) GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(type)));
			type = ((Form_pg_type) GETSTRUCT(tuple))->typbasetype;
			ReleaseSysCache(tuple);
		}
		MemoryContextSwitchTo(old);
	}
	return expression_tree_walker(node, domain_walker, context);
}

/*
 * A number that changes whenever a function was replaced, or a domain in use got other
 * checks.  What a function gives that has constant arguments, or none, is computed once,
 * by whatever functions it calls in turn: nothing else tells that one of these was
 * replaced.  And a compiled expression keeps the checks that a domain had.
 */
uint64
expression_function_changes(void)
{
	static bool is_registered = false;

	if (!is_registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, function_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, type_changed, (Datum) 0);
	}
	is_registered = true;
	return function_changes;
}

/* The numbers by which an expression knows what it is over. */
typedef struct Rows
{
	Index		row;
	Index		facts;
} Rows;

/* Is there something that is no value of these rows? */
static bool
strange_walker(Node *node, void *context)
{
	const Rows *rows = (const Rows *) context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			return ((Var *) node)->varlevelsup != 0 ||
				(((Var *) node)->varno != rows->row && ((Var *) node)->varno != rows->facts);
		case T_Query:
		case T_SubLink:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_Param:
		case T_CurrentOfExpr:
			return true;
		default:
			return expression_tree_walker(node, strange_walker, context);
	}
}

/*
 * Can an expression be computed from one row and its facts?  Somebody may have written
 * a view by hand that says something else.
 */
bool
expression_is_over(Node *expr, Index row, Index facts)
{
	Rows		rows = {row, facts};

	return !strange_walker(expr, &rows) && !expression_returns_set(expr);
}

/*
 * Compile an expression in the current memory context, to be evaluated over rows of
 * a relation in the scan slot and facts in the inner slot.  row and facts are the
 * numbers by which the expression knows the two, 0 for none; the relation may be a
 * partition or child of "root", the table that the expression was written for.
 */
Expression
expression_compile(Node *expr, Index row, Relation rel, Relation root, Index facts)
{
	Expression	result = {0};
	MemoryContext context = CurrentMemoryContext;

	expr = copyObject(expr);
	if (rel != NULL && rel != root)
	{
		bool		whole_row;
		AttrMap    *map = loyalty_attribute_map(RelationGetDescr(rel), RelationGetDescr(root));

		expr = map_variable_attnos(expr, row, 0, map, rel->rd_rel->reltype, &whole_row);
		free_attrmap(map);
	}
#if PG_VERSION_NUM >= 180000
	/* Rows don't hold what virtual columns are. */
	if (rel != NULL)
		expr = expand_generated_columns_in_expr(expr, rel, row);
#endif
	trust_check(expr);
	result.user_functions = trust_runs_user_code(expr);
	result.needs_settings = trust_depends_on_settings(expr);
	(void) domain_walker(expr, NULL);
	result.function_changes = expression_function_changes();
	if (facts != 0)
		ChangeVarNodes(expr, facts, INNER_VAR, 0);
	result.cached = GetCachedExpression(expr);
	MemoryContextSwitchTo(context);
	result.may_raise = may_raise_walker(result.cached->expr, NULL);
	result.state = ExecInitExpr((Expr *) result.cached->expr, NULL);
	return result;
}

/*
 * Does a compiled expression still mean what it says?
 */
bool
expression_is_valid(const Expression *expression)
{
	return expression->cached == NULL ||
		(expression->cached->is_valid &&
		 (!expression->user_functions || expression->function_changes == function_changes));
}

/*
 * Let go of a compiled expression.
 */
void
expression_free(Expression *expression)
{
	if (expression->cached != NULL)
		FreeCachedExpression(expression->cached);
	expression->cached = NULL;
}

/*
 * An error if an expression is evaluated to evaluate itself, which would never end: as
 * the condition of a tier is by a function that reads who has which tier.
 */
void
expression_refuse_recursion(const Expression *expression)
{
	if (expression->in_use)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_RECURSION),
				 errmsg("an expression of a loyalty program must not be evaluated to evaluate itself"),
				 errdetail("A function that it calls reads what depends on it."),
				 errhint("The condition of a tier must not depend on who has which tier.")));
}

/*
 * Evaluate over the rows in the ExprContext; the result lives until its next
 * reset.
 */
Datum
expression_evaluate(Expression *expression, ExprContext *econtext, bool *isnull)
{
	Datum		result;

	if (!expression->user_functions)
		return ExecEvalExprSwitchContext(expression->state, econtext, isnull);
	expression_refuse_recursion(expression);
	expression->in_use = true;
	PG_TRY();
	{
		result = ExecEvalExprSwitchContext(expression->state, econtext, isnull);
	}
	PG_FINALLY();
	{
		expression->in_use = false;
	}
	PG_END_TRY();
	return result;
}
