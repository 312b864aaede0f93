/*
 * definition.c: what a view of a program says.
 *
 * What each row of a tracked table means is a view of the program, written by
 * install/views.sql from expressions that parse.c has checked.  PostgreSQL keeps it
 * right: names are followed, and what it uses cannot be dropped.  The trigger on the
 * table takes expressions out of the view's query here and compiles them, and who
 * writes the view anew, because refunds join it or one expression changes, takes the
 * others out as text.
 *
 * A view has its parts under names: the row of the table ("tracked"), what the table
 * says whether or not an order counts ("said"), what it says if the order counts
 * ("worth"), the facts that rules see ("purchase"), and the columns of the customer's row
 * that they use ("member"), which reads the table of the customers ("person") unless the order
 * keeps what was there.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "nodes/value.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "compat.h"
#include "definition.h"
#include "owner.h"
#include "trust.h"

/*
 * The query of a view, copied to the current memory context.
 */
Definition
definition_open(Oid view)
{
	Definition	definition = {.view = view};
	Relation	rel = try_relation_open(view, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("a view of a loyalty program was removed meanwhile"),
				 errdetail("Its OID was %u.", view),
				 errhint("Repeat the statement.")));
	if (rel->rd_rel->relkind != RELKIND_VIEW)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a view", RelationGetRelationName(rel))));
	definition.query = copyObject(get_view_query(rel));
	relation_close(rel, NoLock);
	return definition;
}

/*
 * The number by which the query of a view knows one of the things that it reads from;
 * 0 if there is none of that name.
 */
Index
definition_row(const Definition *definition, const char *alias)
{
	ListCell   *lc;
	Index		number = 0;

	foreach(lc, definition->query->rtable)
	{
		RangeTblEntry *rte = (RangeTblEntry *) lfirst(lc);

		number++;
		if (rte->alias != NULL && strcmp(rte->alias->aliasname, alias) == 0)
			return number;
	}
	return 0;
}

static RangeTblEntry *
find_entry(const Definition *definition, const char *alias)
{
	Index		number = definition_row(definition, alias);

	return number == 0 ? NULL : (RangeTblEntry *) list_nth(definition->query->rtable, number - 1);
}

/*
 * The relation that a view reads under a name, or InvalidOid.
 */
Oid
definition_relation(const Definition *definition, const char *alias)
{
	RangeTblEntry *rte = find_entry(definition, alias);

	return rte != NULL && rte->rtekind == RTE_RELATION ? rte->relid : InvalidOid;
}

/*
 * The expression of a column of the view, or of the part of it that is named, over
 * what the view reads from, and behind that what the part reads from.  NULL if there is
 * no such column.
 */
Node *
definition_expression(const Definition *definition, const char *inside, const char *column)
{
	Query	   *query = definition->query;
	AttrNumber	number = inside == NULL ? get_attnum(definition->view, column) : 0;
	ListCell   *lc;

	if (inside != NULL)
	{
		RangeTblEntry *rte = find_entry(definition, inside);

		if (rte == NULL || rte->rtekind != RTE_SUBQUERY)
			return NULL;
		query = rte->subquery;
	}
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = (TargetEntry *) lfirst(lc);
		Node	   *expr;

		/* columns of the view itself may have been renamed */
		if (inside == NULL ? entry->resno != number || entry->resjunk :
			entry->resname == NULL || strcmp(entry->resname, column) != 0)
			continue;
		expr = copyObject((Node *) entry->expr);
		if (inside != NULL)
		{
			OffsetVarNodes(expr, list_length(definition->query->rtable), 0);
			IncrementVarSublevelsUp(expr, -1, 1);
		}
		return expr;
	}
	return NULL;
}

/* What stands for the columns of a part of a view that reads nothing itself. */
typedef struct PartColumns
{
	Index		part;
	List	   *columns;		/* of TargetEntry * */
} PartColumns;

/*
 * What a part of a view computes from the facts, one for each column, in a copy; NIL if it reads something.  The part
 * "member" reads the table of the customers only to follow what its columns are called: see member_column().
 */
static List *
part_columns(RangeTblEntry *rte)
{
	List	   *columns;
	ListCell   *lc;
	bool		is_member = rte->alias != NULL && strcmp(rte->alias->aliasname, "member") == 0;

	if (rte->subquery->hasSubLinks || rte->subquery->setOperations != NULL ||
		(rte->subquery->jointree->fromlist != NIL && !is_member))
		return NIL;
	columns = copyObject(rte->subquery->targetList);
	IncrementVarSublevelsUp((Node *) columns, -1, 1);
	if (is_member)
		foreach(lc, columns)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (IsA(entry->expr, CaseExpr) && list_length(((CaseExpr *) entry->expr)->args) == 1)
			entry->expr = linitial_node(CaseWhen, ((CaseExpr *) entry->expr)->args)->result;
	}
	return columns;
}

static Node *
part_mutator(Node *node, void *context)
{
	PartColumns *part = (PartColumns *) context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == part->part && ((Var *) node)->varlevelsup == 0 &&
		((Var *) node)->varattno > 0 && ((Var *) node)->varattno <= list_length(part->columns))
		return copyObject((Node *) list_nth_node(TargetEntry, part->columns, ((Var *) node)->varattno - 1)->expr);
	return expression_tree_mutator(node, part_mutator, context);
}

/*
 * An expression in which columns of parts of the view that read nothing themselves, but are
 * computed from parts before them, are what they are computed from: so that it is over the
 * part "base" alone, if that is the first.
 */
Node *
definition_flatten(const Definition *definition, Node *expr, Index base)
{
	for (int number = list_length(definition->query->rtable); number > 0; number--)
	{
		RangeTblEntry *rte = (RangeTblEntry *) list_nth(definition->query->rtable, number - 1);
		PartColumns part = {.part = number};

		if (number == base || rte->rtekind != RTE_SUBQUERY)
			continue;
		part.columns = part_columns(rte);
		expr = part_mutator(expr, &part);
	}
	return expr;
}

/*
 * Has a view a column of this name and type?
 */
bool
definition_has_column(const Definition *definition, const char *column, Oid type)
{
	Node	   *expr = definition_expression(definition, NULL, column);

	return expr != NULL && exprType(expr) == type;
}

/*
 * Has a view a column that is just a column of the row of its table?
 */
bool
definition_has_row_column(const Definition *definition, const char *column, AttrNumber number)
{
	Node	   *expr = definition_expression(definition, NULL, column);

	return expr != NULL && IsA(expr, Var) && ((Var *) expr)->varlevelsup == 0 &&
		((Var *) expr)->varno == definition_row(definition, "tracked") &&
		((Var *) expr)->varattno == number;
}

/*
 * Has a view one row for each row of the relation that it reads under a name, and reads
 * nothing else?
 */
static bool
is_plain(const Definition *definition, const char *alias)
{
	Query	   *query = definition->query;
	FromExpr   *from = query->jointree;
	Index		number = definition_row(definition, alias);

	return list_length(from->fromlist) == 1 && from->quals == NULL &&
		IsA(linitial(from->fromlist), RangeTblRef) && number != 0 &&
		((RangeTblRef *) linitial(from->fromlist))->rtindex == number &&
		find_entry(definition, alias)->tablesample == NULL &&
		!query->hasAggs && !query->hasWindowFuncs && !query->hasTargetSRFs &&
		query->groupClause == NIL && query->groupingSets == NIL && query->havingQual == NULL &&
		query->distinctClause == NIL && query->limitOffset == NULL && query->limitCount == NULL &&
		query->setOperations == NULL && query->rowMarks == NIL;
}

/*
 * The column that a view just shows, of the relation that it reads under a name, if it
 * has one row for each row of that; else NULL.
 */
Var *
definition_plain_column(const Definition *definition, const char *alias, const char *column)
{
	Var		   *var = (Var *) definition_expression(definition, NULL, column);

	if (!is_plain(definition, alias) || var == NULL || !IsA(var, Var) || var->varlevelsup != 0 ||
		var->varno != definition_row(definition, alias) || var->varattno <= 0)
		return NULL;
	return var;
}

/* What an aggregate adds up. */
static Node *
without_aggregate(Node *expr)
{
	return expr != NULL && IsA(expr, Aggref) && list_length(((Aggref *) expr)->args) == 1 ?
		(Node *) ((TargetEntry *) linitial(((Aggref *) expr)->args))->expr : expr;
}

/*
 * The expression within CASE WHEN ... THEN expression END, by which a view only
 * evaluates it for an order that counts.
 */
Node *
definition_guarded(Node *expr)
{
	if (expr == NULL || !IsA(expr, CaseExpr) || list_length(((CaseExpr *) expr)->args) != 1)
		return expr;
	return (Node *) ((CaseWhen *) linitial(((CaseExpr *) expr)->args))->result;
}

/* What a view reads from, and behind that what the part of it that is named reads from. */
static List *
sources(const Definition *definition, const char *inside)
{
	RangeTblEntry *rte = inside == NULL ? NULL : find_entry(definition, inside);
	List	   *result = list_copy(definition->query->rtable);

	return rte == NULL || rte->rtekind != RTE_SUBQUERY ? result :
		list_concat(result, rte->subquery->rtable);
}

/* The names of these. */
static List *
aliases(List *sources)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, sources)
		result = lappend(result, pstrdup(((RangeTblEntry *) lfirst(lc))->eref->aliasname));
	return result;
}

/* What stands for the columns of the part "member", which are columns of the table of the customers. */
typedef struct MemberColumns
{
	Index		member;			/* the number of the part */
	List	   *columns;		/* what it says: CASE WHEN it is kept THEN ... ELSE
								 * column END */
	Index		person;			/* the number of the table among what is read */
} MemberColumns;

/* The column of the customers' table that such a column is, if nothing is kept; in a copy of the part. */
static Var *
member_column(TargetEntry *entry)
{
	Node	   *otherwise = IsA(entry->expr, CaseExpr) ? (Node *) ((CaseExpr *) entry->expr)->defresult : NULL;

	if (otherwise == NULL || !IsA(otherwise, Var))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a view of a loyalty program says something else of customers than the program wrote")));
	return (Var *) otherwise;
}

static Node *
member_mutator(Node *node, void *context)
{
	MemberColumns *columns = (MemberColumns *) context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == columns->member && ((Var *) node)->varlevelsup == 0 &&
		((Var *) node)->varattno > 0)
	{
		Var		   *column = member_column(list_nth(columns->columns, ((Var *) node)->varattno - 1));

		return (Node *) makeVar(columns->person, column->varattno, column->vartype, column->vartypmod,
								column->varcollid, 0);
	}
	return expression_tree_mutator(node, member_mutator, context);
}

/*
 * An expression in which columns of the customer's row are those of their table, as they are called
 * now.  That is added to what the expression is over, and is called "member".
 */
static Node *
through_member(const Definition *definition, Node *expr, List **sources)
{
	RangeTblEntry *rte = find_entry(definition, "member");
	MemberColumns columns = {.member = definition_row(definition, "member")};
	ListCell   *lc;

	if (rte == NULL || rte->rtekind != RTE_SUBQUERY)
		return expr;
	columns.columns = rte->subquery->targetList;
	foreach(lc, rte->subquery->rtable)
	{
		RangeTblEntry *person = (RangeTblEntry *) lfirst(lc);

		if (person->rtekind != RTE_RELATION || strcmp(person->eref->aliasname, "person") != 0)
			continue;
		person = copyObject(person);
		person->alias = makeAlias("member", NIL);
		person->eref->aliasname = pstrdup("member");
		*sources = lappend(*sources, person);
		columns.person = list_length(*sources);
		return member_mutator(expr, &columns);
	}
	return expr;
}

static Definition
definition_argument(FunctionCallInfo fcinfo)
{
	Oid			view = PG_GETARG_OID(0);

	if (get_rel_relkind(view) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", view)));
	trust_check_read(view);
	return definition_open(view);
}

/*
 * An array of texts.
 */
Datum
definition_names(List *texts)
{
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	ListCell   *lc;

	foreach(lc, texts)
		state = accumArrayResult(state, CStringGetTextDatum(strVal(lfirst(lc))),
								 false, TEXTOID, CurrentMemoryContext);
	return makeArrayResult(state, CurrentMemoryContext);
}

/* The names of what an expression uses, and of the columns of these as they are called now. */
static void
used(Node *expr, List *sources, List **names, List **columns)
{
	List	   *vars = pull_var_clause(expr, PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
									   PVC_RECURSE_PLACEHOLDERS);
	ListCell   *lc;

	*names = *columns = NIL;
	foreach(lc, vars)
	{
		Var		   *var = (Var *) lfirst(lc);
		RangeTblEntry *source = (RangeTblEntry *) list_nth(sources, var->varno - 1);
		char	   *alias = source->eref->aliasname;

		*names = list_append_unique(*names, makeString(pstrdup(alias)));
		if (var->varattno > 0)
			*columns = list_append_unique(*columns,
										  makeString(psprintf("%s.%s", alias, get_rte_attribute_name(source, var->varattno))));
	}
}

/* The expression as text, with every name of a function qualified, and those of columns, too, if that is asked for. */
static char *
deparse_over(Node *expr, List *sources, List *names, bool qualified)
{
	PlannedStmt *fake = makeNode(PlannedStmt);
	int			nest = settings_begin(NULL);
	char	   *text;

	fake->rtable = sources;
	text = deparse_expression(expr, deparse_context_for_plan_tree(fake, names), qualified, false);

	settings_end(nest);
	return text;
}

/*
 * An expression of a view, or a part of one, as text for people: names are qualified where functions
 * need it, and columns only where the customer's row is among what it is over.
 */
char *
definition_text(const Definition *definition, Node *expr)
{
	List	   *from = sources(definition, NULL);
	Index		member = definition_row(definition, "member");
	bool		asks_row = member != 0 && bms_is_member(member, loyalty_pull_varnos(expr));

	expr = through_member(definition, copyObject(expr), &from);
	return deparse_over(expr, from, aliases(from), asks_row);
}

PG_FUNCTION_INFO_V1(loyalty_view_expression);

/*
 * view_expression(view regclass, inside text, column text, guarded boolean, flat boolean,
 *                 OUT expression text, OUT uses text[], OUT type regtype,
 *                 OUT collation oid, OUT columns text[])
 *
 * The expression of a column of a view, or of what the named part of it adds up; the
 * names of what it uses, its type, its collation, and the columns that it uses, as
 * "name.column".  Nulls if there is no such column.  With guarded, what stands within CASE WHEN ... THEN ... END;
 * flat: what it is computed from over the facts alone.
 */
Datum
loyalty_view_expression(PG_FUNCTION_ARGS)
{
	char	   *inside = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Definition	definition;
	TupleDesc	desc;
	Datum		values[5] = {0};
	bool		nulls[5] = {true, true, true, true, true};
	Node	   *expr = NULL;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "view_expression must return a composite type");
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(2))
	{
		definition = definition_argument(fcinfo);
		expr = without_aggregate(definition_expression(&definition, inside,
													   text_to_cstring(PG_GETARG_TEXT_PP(2))));
	}
	if (!PG_ARGISNULL(3) && PG_GETARG_BOOL(3))
		expr = definition_guarded(expr);
	if (expr != NULL && !PG_ARGISNULL(4) && PG_GETARG_BOOL(4))
		expr = definition_flatten(&definition, expr, definition_row(&definition, "facts"));
	if (expr != NULL)
	{
		List	   *from = sources(&definition, inside);
		List	   *names;
		List	   *columns;

		expr = through_member(&definition, expr, &from);
		used(expr, from, &names, &columns);
		values[0] = CStringGetTextDatum(deparse_over(expr, from, aliases(from), true));
		values[1] = definition_names(names);
		values[4] = definition_names(columns);
		values[2] = ObjectIdGetDatum(exprType(expr));
		values[3] = ObjectIdGetDatum(exprCollation(expr));
		memset(nulls, false, sizeof(nulls));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(loyalty_award_parts);

/*
 * award_parts(view regclass, inside text, column text, alias text,
 *             OUT points text, OUT applies_when text)
 *
 * The two parts of CASE WHEN applies_when THEN points END, which an award is, where the
 * row of the table is called by the alias.  Nulls if the column is none, or is nothing.
 */
Datum
loyalty_award_parts(PG_FUNCTION_ARGS)
{
	char	   *inside = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Node	   *expr = NULL;
	Definition	definition;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "award_parts must return a composite type");
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(2) && !PG_ARGISNULL(3))
	{
		definition = definition_argument(fcinfo);
		expr = without_aggregate(definition_expression(&definition, inside,
													   text_to_cstring(PG_GETARG_TEXT_PP(2))));
		if (inside == NULL)
			expr = definition_guarded(expr);
	}
	if (expr != NULL && IsA(expr, CaseExpr) && list_length(((CaseExpr *) expr)->args) == 1)
	{
		CaseWhen   *when = (CaseWhen *) linitial(((CaseExpr *) expr)->args);
		List	   *from = sources(&definition, inside);
		Node	   *points = through_member(&definition, (Node *) when->result, &from);
		Node	   *applies_when = through_member(&definition, (Node *) when->expr, &from);
		List	   *names = aliases(from);
		Index		row = definition_row(&definition, "tracked");

		if (row != 0)
			lfirst(list_nth_cell(names, row - 1)) = text_to_cstring(PG_GETARG_TEXT_PP(3));
		values[0] = CStringGetTextDatum(deparse_over(points, from, names, true));
		values[1] = CStringGetTextDatum(deparse_over(applies_when, from, names, true));
		nulls[0] = nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(loyalty_member_keys);

/* The name under which orders keep a column of the customer's row: what CASE WHEN kept ? name asks for. */
static char *
member_key(TargetEntry *entry)
{
	CaseWhen   *when = IsA(entry->expr, CaseExpr) ? linitial_node(CaseWhen, ((CaseExpr *) entry->expr)->args) : NULL;
	Node	   *name = when != NULL && IsA(when->expr, OpExpr) && list_length(((OpExpr *) when->expr)->args) == 2 ?
	(Node *) lsecond(((OpExpr *) when->expr)->args) : NULL;

	if (name == NULL || !IsA(name, Const) || ((Const *) name)->consttype != TEXTOID || ((Const *) name)->constisnull)
		return entry->resname;
	return TextDatumGetCString(((Const *) name)->constvalue);
}

/*
 * member_keys(view regclass) returns text[]
 *
 * The columns of the customer's row that rules use by a view of orders, as they are called now, each
 * with the name under which orders keep it; empty if rules use none.  NULL: whoever had it locked has
 * removed it, with terms that nothing is recorded under.
 */
Datum
loyalty_member_keys(PG_FUNCTION_ARGS)
{
	Relation	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	Definition	definition;
	RangeTblEntry *rte;
	List	   *names = NIL;
	ListCell   *lc;

	if (rel == NULL)
		PG_RETURN_NULL();
	relation_close(rel, NoLock);
	definition = definition_argument(fcinfo);
	rte = find_entry(&definition, "member");
	foreach(lc, rte != NULL && rte->rtekind == RTE_SUBQUERY ? rte->subquery->targetList : NIL)
	{
		TargetEntry *entry = (TargetEntry *) lfirst(lc);
		Var		   *column = member_column(entry);
		RangeTblEntry *person = (RangeTblEntry *) list_nth(rte->subquery->rtable, column->varno - 1);

		names = lappend(names, makeString(get_rte_attribute_name(person, column->varattno)));
		names = lappend(names, makeString(member_key(entry)));
	}
	PG_RETURN_DATUM(definition_names(names));
}

PG_FUNCTION_INFO_V1(loyalty_key_columns);

/*
 * key_columns(view regclass) returns int[]
 *
 * The columns of the tracked table, by number, that the key is made of.
 */
Datum
loyalty_key_columns(PG_FUNCTION_ARGS)
{
	Definition	definition = definition_argument(fcinfo);
	Node	   *key = definition_expression(&definition, NULL, "key");
	Bitmapset  *columns = NULL;
	int			column = -1;
	ArrayBuildState *state = initArrayResult(INT4OID, CurrentMemoryContext, false);

	pull_varattnos(key, definition_row(&definition, "tracked"), &columns);
	while ((column = bms_next_member(columns, column)) >= 0)
		state = accumArrayResult(state, Int32GetDatum(column + FirstLowInvalidHeapAttributeNumber),
								 false, INT4OID, CurrentMemoryContext);
	PG_RETURN_DATUM(makeArrayResult(state, CurrentMemoryContext));
}

/* A value without the casts that keep different values different. */
static Node *
without_casts(Node *node)
{
	for (;;)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, CollateExpr))
			node = (Node *) ((CollateExpr *) node)->arg;
		else if (IsA(node, CoerceToDomain))
			node = (Node *) ((CoerceToDomain *) node)->arg;
		else if (IsA(node, CoerceViaIO) && ((CoerceViaIO *) node)->resulttype == TEXTOID)
			node = (Node *) ((CoerceViaIO *) node)->arg;
		else if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcresulttype == TEXTOID &&
				 ((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL)
			node = (Node *) linitial(((FuncExpr *) node)->args);
		else
			return node;
	}
}

/* The built-in concatenation to text, of whatever. */
static bool
is_concatenation(Node *node)
{
	return IsA(node, OpExpr) && ((OpExpr *) node)->opno < FirstNormalObjectId &&
		((OpExpr *) node)->opresulttype == TEXTOID &&
		strcmp(get_opname(((OpExpr *) node)->opno), "||") == 0;
}

/*
 * Do the parts of a concatenation tell from each other?  Whole numbers do, with
 * something that is no part of a number between them.
 */
static bool
parts_tell(Node *node, bool *after_number)
{
	node = without_casts(node);
	if (is_concatenation(node))
		return parts_tell(linitial(((OpExpr *) node)->args), after_number) &&
			parts_tell(lsecond(((OpExpr *) node)->args), after_number);
	if (IsA(node, Const) && ((Const *) node)->consttype == TEXTOID && !((Const *) node)->constisnull)
	{
		char	   *between = TextDatumGetCString(((Const *) node)->constvalue);

		*after_number = *after_number && strspn(between, "-0123456789") == strlen(between);
		return true;
	}
	if (!IsA(node, Var) || *after_number)
		return false;
	*after_number = true;
	return exprType(node) == INT2OID || exprType(node) == INT4OID || exprType(node) == INT8OID;
}

/* Is there a unique index over just this expression? */
static bool
has_unique_index(Relation rel, Node *expr)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;
	bool		found = false;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		List	   *expressions = RelationGetIndexExpressions(index);

		found |= index->rd_index->indisunique && index->rd_index->indisvalid &&
			index->rd_index->indnkeyatts == 1 && list_length(expressions) == 1 &&
			RelationGetIndexPredicate(index) == NIL &&
			equal(without_casts(linitial(expressions)), without_casts(expr));
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}

PG_FUNCTION_INFO_V1(loyalty_key_tells);

/*
 * key_tells(view regclass) returns boolean
 *
 * Do rows that differ in the columns of the key differ in the key, or does a unique
 * index see to it?
 */
Datum
loyalty_key_tells(PG_FUNCTION_ARGS)
{
	Definition	definition = definition_argument(fcinfo);
	Node	   *key = definition_expression(&definition, NULL, "key");
	Relation	rel = relation_open(definition_relation(&definition, "tracked"), AccessShareLock);
	bool		after_number = false;
	bool		tells;

	ChangeVarNodes(key, definition_row(&definition, "tracked"), 1, 0);
	tells = IsA(without_casts(key), Var) ||
		(is_concatenation(without_casts(key)) && parts_tell(key, &after_number)) ||
		has_unique_index(rel, key);
	relation_close(rel, NoLock);
	PG_RETURN_BOOL(tells);
}

/* What is looked for in all that a query on a view reads and evaluates. */
typedef enum LookFor
{
	CODE_OF_OTHERS,				/* an error */
	USER_CODE,					/* anything that is not built in */
	LACKING_RIGHTS				/* what the current user may not read, or call */
} LookFor;

typedef struct Look
{
	Oid			view;
	LookFor		what;
	Oid			relation;		/* the answer: of a relation, */
	Oid			function;		/* or of a function */
} Look;

static bool query_walker(Node *node, void *context);

/* The same for a relation that a view reads from. */
static bool
look_at_relation(Oid relid, Look *look)
{
	char		kind = get_rel_relkind(relid);

	if (kind == RELKIND_VIEW && relid != look->view)
	{
		Definition	inner = definition_open(relid);
		Look		inner_look = {.view = relid,.what = look->what};
		bool		found = query_walker((Node *) inner.query, &inner_look);

		look->relation = inner_look.relation;
		look->function = inner_look.function;
		return found;
	}
	if (look->what == LACKING_RIGHTS && relid != look->view && !trust_may_read(relid))
		look->relation = relid;
	if ((kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) && look->what == CODE_OF_OTHERS)
		trust_check_descendants(relid);
	return OidIsValid(look->relation);
}

/* Is a node a call of _loyalty.pinned_rate() or pinned_member(), which only look into memory? */
static bool
is_pinned(Node *node)
{
	Oid			funcid = IsA(node, FuncExpr) ? ((FuncExpr *) node)->funcid : InvalidOid;

	return OidIsValid(funcid) &&
		(strcmp(get_func_name(funcid), "pinned_rate") == 0 || strcmp(get_func_name(funcid), "pinned_member") == 0) &&
		strcmp(get_namespace_name(get_func_namespace(funcid)), "_loyalty") == 0;
}

static bool
query_walker(Node *node, void *context)
{
	Look	   *look = (Look *) context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			return query_tree_walker((Query *) node, query_walker, context,
									 QTW_EXAMINE_RTES_BEFORE);
		case T_RangeTblEntry:
			return ((RangeTblEntry *) node)->rtekind == RTE_RELATION &&
				look_at_relation(((RangeTblEntry *) node)->relid, look);
		case T_TargetEntry:
		case T_FromExpr:
		case T_JoinExpr:
		case T_RangeTblRef:
		case T_RangeTblFunction:
		case T_CommonTableExpr:
		case T_SetOperationStmt:
		case T_List:
			break;
		case T_SubLink:
			return query_walker(((SubLink *) node)->testexpr, context) ||
				query_walker(((SubLink *) node)->subselect, context);
		default:
			if (look->what == CODE_OF_OTHERS)
				trust_check_node(node);
			else if (look->what == LACKING_RIGHTS)
			{
				look->function = trust_lacks_execute(node);
				if (OidIsValid(look->function))
					return true;
			}
			else if (!is_pinned(node) && trust_is_user_code(node))
				return true;
			break;
	}
	return expression_tree_walker(node, query_walker, context);
}

/*
 * An error if a query on a view would run code of others as the current user.
 */
void
definition_check(const Definition *definition)
{
	Look		look = {.view = definition->view};

	(void) query_walker((Node *) definition->query, &look);
}

/*
 * Can a query on a view run anything that is not built in?
 */
bool
definition_runs_user_code(const Definition *definition)
{
	Look		look = {.view = definition->view,.what = USER_CODE};

	return query_walker((Node *) definition->query, &look);
}

/*
 * Does the current user lack a right that a query on a view needs: to read a table, or to
 * call a function?
 */
bool
definition_lacks_right(const Definition *definition, Oid *relation, Oid *function)
{
	Look		look = {.view = definition->view,.what = LACKING_RIGHTS};
	bool		lacks = query_walker((Node *) definition->query, &look);

	*relation = look.relation;
	*function = look.function;
	return lacks;
}

PG_FUNCTION_INFO_V1(loyalty_require_own_view);

/*
 * require_own_view(view oid) returns void
 *
 * An error if a query on a view would run code of others as the current user.
 */
Datum
loyalty_require_own_view(PG_FUNCTION_ARGS)
{
	Definition	definition;

	if (PG_ARGISNULL(0) || get_rel_relkind(PG_GETARG_OID(0)) != RELKIND_VIEW)
		PG_RETURN_VOID();
	definition = definition_argument(fcinfo);
	definition_check(&definition);
	PG_RETURN_VOID();
}
