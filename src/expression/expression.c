/*
 * expression.c: SQL expressions of the configuration.
 *
 * Everything that a program is told as SQL (which amount, which orders count,
 * how many points, who is in a tier) is parsed by PostgreSQL's parser when it
 * is written, stored in a canonical text in which every name is qualified, and
 * evaluated by PostgreSQL's executor.  The canonical text is written, read and
 * evaluated under fixed settings (see owner.c), so that nobody's search_path or
 * DateStyle changes its meaning, and it is valid SQL wherever "new" is the tracked row and "purchase" or
 * "metrics" are the facts: verify() and the backfill use it as it is.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#if PG_VERSION_NUM >= 180000
#include "rewrite/rewriteHandler.h"
#endif
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "columns.h"
#include "compat.h"
#include "expression.h"
#include "owner.h"
#include "trust.h"

#define PREFIX "SELECT "

/* How many columns of a row a hint lists. */
#define MAX_LISTED 40

/* What the parser callbacks need. */
typedef struct ParseContext
{
	const char *text;
	const char *what;
	Relation	facts;
	int			facts_varno;
} ParseContext;

/*
 * Errors of the parser point into "SELECT " || text, while the user wrote only
 * the text, as a value in some other statement: show them as an error in an
 * internal query at the right character.
 */
static void
parse_error_context(void *arg)
{
	ParseContext *pc = (ParseContext *) arg;
	int			position = geterrposition();

	if (position > 0)
	{
		position -= strlen(PREFIX);
		errposition(0);
		internalerrposition(Max(position, 1));
		internalerrquery(pc->text);
	}
	errcontext("loyalty expression for %s", pc->what);
}

/*
 * A plain name that is a field of the facts means that field, whatever columns
 * the tracked table has.
 */
static Node *
facts_columnref(ParseState *pstate, ColumnRef *cref)
{
	ParseContext *pc = (ParseContext *) pstate->p_ref_hook_state;
	TupleDesc	desc;

	if (pc->facts == NULL || list_length(cref->fields) != 1 ||
		!IsA(linitial(cref->fields), String))
		return NULL;
	desc = RelationGetDescr(pc->facts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped &&
			strcmp(NameStr(att->attname), strVal(linitial(cref->fields))) == 0)
		{
			Var		   *var = makeVar(pc->facts_varno, att->attnum, att->atttypid,
									  att->atttypmod, att->attcollation, 0);

			var->location = cref->location;
			return (Node *) var;
		}
	}
	return NULL;
}

/* What a hint says of a name that is not known. */
typedef struct Suggestion
{
	const char *name;			/* the name that was written */
	StringInfoData known;		/* every name that there is, by row */
	const char *nearest;		/* the one that is most alike, or NULL */
	int			distance;
} Suggestion;

/* Is this name more like the one that was written than those before? */
static void
suggest_name(Suggestion *suggestion, const char *name)
{
	int			limit = Min(suggestion->distance - 1, (int) strlen(suggestion->name) / 2);
	int			distance;

	if (limit < 1 || strlen(name) > NAMEDATALEN || strlen(suggestion->name) > NAMEDATALEN)
		return;
	distance = varstr_levenshtein_less_equal(suggestion->name, strlen(suggestion->name),
											 name, strlen(name), 1, 1, 1, limit, true);
	if (distance > limit)
		return;
	suggestion->distance = distance;
	suggestion->nearest = name;
}

/* Add the columns of one row to a hint: "new (order_id, total)". */
static void
suggest_row(Suggestion *suggestion, const char *row, List *columns)
{
	int			listed = 0;
	ListCell   *lc;

	appendStringInfo(&suggestion->known, "%s%s (", suggestion->known.len > 0 ? ", " : "",
					 quote_identifier(row));
	foreach(lc, columns)
	{
		const char *name = strVal(lfirst(lc));

		if (name[0] == '\0')		/* the column was dropped */
			continue;
		suggest_name(suggestion, name);
		if (++listed <= MAX_LISTED)
			appendStringInfo(&suggestion->known, "%s%s", listed > 1 ? ", " : "",
							 quote_identifier(name));
		else if (listed == MAX_LISTED + 1)
			appendStringInfoString(&suggestion->known, ", ...");
	}
	appendStringInfoChar(&suggestion->known, ')');
}

/*
 * A name that neither the facts nor a row has is an error that lists what there
 * is, with the name that is most like it first.
 */
static Node *
unknown_columnref(ParseState *pstate, ColumnRef *cref, Node *var)
{
	Suggestion	suggestion = {.distance = NAMEDATALEN};
	const char *row = NULL;
	bool		is_row_known = false;
	ListCell   *lc;

	if (var != NULL || list_length(cref->fields) > 2 ||
		!IsA(linitial(cref->fields), String) || !IsA(llast(cref->fields), String))
		return NULL;
	suggestion.name = strVal(llast(cref->fields));
	if (list_length(cref->fields) == 2)
		row = strVal(linitial(cref->fields));
	initStringInfo(&suggestion.known);
	foreach(lc, pstate->p_namespace)
	{
		Alias	   *names = ((ParseNamespaceItem *) lfirst(lc))->p_rte->eref;

		if (row != NULL && strcmp(row, names->aliasname) == 0)
			is_row_known = true;
	}
	foreach(lc, pstate->p_namespace)
	{
		Alias	   *names = ((ParseNamespaceItem *) lfirst(lc))->p_rte->eref;

		if (!is_row_known || strcmp(row, names->aliasname) == 0)
			suggest_row(&suggestion, names->aliasname, names->colnames);
	}
	if (row != NULL && !is_row_known)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no row \"%s\" in a loyalty expression here", row),
				 suggestion.known.len == 0 ? errhint("The expression can use constants only.") :
				 errhint("Known here: %s.", suggestion.known.data),
				 parser_errposition(pstate, cref->location)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 row == NULL ? errmsg("column \"%s\" does not exist", suggestion.name) :
			 errmsg("column %s.%s does not exist", row, suggestion.name),
			 suggestion.known.len == 0 ? errhint("The expression can use constants only.") :
			 suggestion.nearest == NULL ? errhint("Known here: %s.", suggestion.known.data) :
			 errhint("Perhaps you meant \"%s\". Known here: %s.", suggestion.nearest, suggestion.known.data),
			 parser_errposition(pstate, cref->location)));
	return NULL;				/* keep compiler quiet */
}

/* What to look for in a parsed expression. */
typedef struct Search
{
	ParseState *pstate;
	int			facts_varno;
	AttrNumber	tenure;			/* the field of the facts that is the tenure */
	bool		everywhere;		/* any division, not only one that becomes a fraction */
	OpExpr	   *division;		/* the first that was found */
} Search;

static bool
is_integer_division(Oid funcid)
{
	switch (funcid)
	{
		case F_INT2DIV:
		case F_INT4DIV:
		case F_INT8DIV:
		case F_INT24DIV:
		case F_INT28DIV:
		case F_INT42DIV:
		case F_INT48DIV:
		case F_INT82DIV:
		case F_INT84DIV:
			return true;
	}
	return false;
}

/*
 * Find a division of integers, which loses the fraction, where a fraction is
 * wanted: anywhere in an amount or in points, else where the quotient is
 * converted to a number that can have one.
 */
static bool
division_walker(Node *node, void *context)
{
	Search	   *search = (Search *) context;

	if (node == NULL)
		return false;
	if (IsA(node, OpExpr) && search->everywhere &&
		is_integer_division(((OpExpr *) node)->opfuncid))
	{
		search->division = (OpExpr *) node;
		return true;
	}
	if (IsA(node, FuncExpr) && !search->everywhere &&
		((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST &&
		(((FuncExpr *) node)->funcresulttype == NUMERICOID ||
		 ((FuncExpr *) node)->funcresulttype == FLOAT8OID))
	{
		bool		found;

		search->everywhere = true;
		found = expression_tree_walker(node, division_walker, context);
		search->everywhere = false;
		return found;
	}
	return expression_tree_walker(node, division_walker, context);
}

/* Warn of a division that loses the fraction. */
static void
warn_of_division(ParseState *pstate, Node *expr, Oid type, List *deparse_context)
{
	Search		search = {.pstate = pstate,.everywhere = type == NUMERICOID};
	char	   *dividend;
	char	   *divisor;

	if ((type != NUMERICOID && type != BOOLOID) || !division_walker(expr, &search))
		return;
	dividend = deparse_expression(linitial(search.division->args), deparse_context, true, false);
	divisor = deparse_expression(lsecond(search.division->args), deparse_context, true, false);
	ereport(WARNING,
			(errmsg("the division %s of integers loses the fraction",
					deparse_expression((Node *) search.division, deparse_context, true, false)),
			 strspn(divisor, "0123456789") == strlen(divisor) ?
			 errhint("Write %s / %s.0 to keep it.", dividend, divisor) :
			 errhint("Write %s / (%s)::numeric to keep it.", dividend, divisor),
			 parser_errposition(pstate, exprLocation((Node *) search.division))));
}

static bool
is_tenure(Node *node, Search *search)
{
	return IsA(node, Var) && ((Var *) node)->varno == search->facts_varno &&
		((Var *) node)->varattno == search->tenure;
}

/* Refuse a constant that has a time of day, or a list that has one. */
static void
refuse_seconds(Node *node, Search *search)
{
	ListCell   *lc;

	if (IsA(node, ArrayExpr))
	{
		foreach(lc, ((ArrayExpr *) node)->elements)
			refuse_seconds((Node *) lfirst(lc), search);
		return;
	}
	if (!IsA(node, Const) || ((Const *) node)->consttype != INTERVALOID ||
		((Const *) node)->constisnull ||
		DatumGetIntervalP(((Const *) node)->constvalue)->time == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("tenure counts whole years, months and days"),
			 errdetail("The constant is %s, in hours, minutes and seconds.",
					   DatumGetCString(DirectFunctionCall1(interval_out, ((Const *) node)->constvalue))),
			 errhint("Name the unit, as in tenure >= '5 years'."),
			 parser_errposition(search->pstate, exprLocation(node))));
}

/* A number without a unit is so many seconds: nobody means that of a tenure. */
static bool
tenure_walker(Node *node, void *context)
{
	Search	   *search = (Search *) context;
	List	   *args = NIL;
	bool		compares = false;
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (IsA(node, OpExpr) || IsA(node, DistinctExpr) || IsA(node, NullIfExpr))
		args = ((OpExpr *) node)->args;
	else if (IsA(node, ScalarArrayOpExpr))
		args = ((ScalarArrayOpExpr *) node)->args;
	else if (IsA(node, MinMaxExpr))
		args = ((MinMaxExpr *) node)->args;
	foreach(lc, args)
		compares |= is_tenure((Node *) lfirst(lc), search);
	if (compares)
	{
		foreach(lc, args)
			refuse_seconds((Node *) lfirst(lc), search);
	}
	return expression_tree_walker(node, tenure_walker, context);
}

static void
check_tenure(ParseState *pstate, Node *expr, Relation facts, int facts_varno)
{
	Search		search = {.pstate = pstate,.facts_varno = facts_varno};

	if (facts == NULL)
		return;
	search.tenure = get_attnum(RelationGetRelid(facts), "tenure");
	if (search.tenure != InvalidAttrNumber)
		(void) tenure_walker(expr, &search);
}

/*
 * Does a function tell the time of now?  Its value would be another when the
 * same row is looked at again.
 */
static bool
is_of_now(Oid funcid, void *context)
{
	const char *name;

	if (get_func_namespace(funcid) != PG_CATALOG_NAMESPACE)
		return false;
	name = get_func_name(funcid);
	return name != NULL &&
		(strcmp(name, "now") == 0 || strcmp(name, "transaction_timestamp") == 0 ||
		 strcmp(name, "statement_timestamp") == 0 || strcmp(name, "clock_timestamp") == 0 ||
		 strcmp(name, "timeofday") == 0 ||
		 (strcmp(name, "age") == 0 && get_func_nargs(funcid) == 1));
}

/*
 * Is this constant a word for the present time, as in date 'today'?  It would be
 * the day when the expression was written.
 */
static bool
is_word_of_now(Const *constant, const char *source)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	switch (constant->consttype)
	{
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			break;
		default:
			return false;
	}
	if (constant->location < 0 || constant->location >= strlen(source))
		return false;
	source += constant->location;
	if (*source == 'E' || *source == 'e')
		source++;
	if (*source++ != '\'')
		return false;
	source += strspn(source, " ");
	for (int i = 0; i < lengthof(words); i++)
		if (pg_strncasecmp(source, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* What to write instead of the present time, by what the expression knows. */
static const char *
hint_of_moment(ParseState *pstate)
{
	Relation	facts = ((ParseContext *) pstate->p_ref_hook_state)->facts;

	if (facts == NULL)
		return "Use times that the row has.";
	if (get_attnum(RelationGetRelid(facts), "today") != InvalidAttrNumber)
		return "Use \"at\", the moment for which the tier is asked, or \"today\", its day in the time zone of the program, as in last_order_at > at - interval '1 year'.";
	return "Use \"at\", the time of the order, or times that the order's row has.";
}

/* Refuse what depends on when, or by whom, the expression is evaluated. */
static bool
refuse_moment_walker(Node *node, void *context)
{
	ParseState *pstate = (ParseState *) context;

	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction) || check_functions_in_node(node, is_of_now, NULL) ||
		(IsA(node, Const) && is_word_of_now((Const *) node, pstate->p_sourcetext)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the present time or user is not allowed in a loyalty expression"),
				 errdetail("Nothing is recorded when time passes, and the same order must always be worth the same."),
				 errhint("%s", hint_of_moment(pstate)),
				 parser_errposition(pstate, exprLocation(node))));
	return expression_tree_walker(node, refuse_moment_walker, context);
}

/* Refuse what cannot be evaluated for one row alone. */
static bool
refuse_walker(Node *node, void *context)
{
	ParseState *pstate = (ParseState *) context;
	const char *thing = NULL;

	if (node == NULL)
		return false;
	if (IsA(node, Aggref) || IsA(node, GroupingFunc))
		thing = "aggregate functions";
	else if (IsA(node, WindowFunc))
		thing = "window functions";
	else if (IsA(node, SubLink))
		thing = "subqueries";
	else if ((IsA(node, FuncExpr) && ((FuncExpr *) node)->funcretset) ||
			 (IsA(node, OpExpr) && ((OpExpr *) node)->opretset))
		thing = "set-returning functions";
	else if (IsA(node, Param))
		thing = "parameters";
	else if (IsA(node, Var) && ((Var *) node)->varattno <= 0)
		thing = ((Var *) node)->varattno == 0 ? "whole rows" : "system columns";
	if (thing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s are not allowed in a loyalty expression", thing),
				 parser_errposition(pstate, exprLocation(node))));
	return expression_tree_walker(node, refuse_walker, context);
}

/* The one expression of the raw statement, or an error. */
static Node *
only_expression(List *raw)
{
	SelectStmt *select;
	ResTarget  *target;

	if (list_length(raw) == 1 &&
		IsA(linitial_node(RawStmt, raw)->stmt, SelectStmt))
	{
		select = (SelectStmt *) linitial_node(RawStmt, raw)->stmt;
		if (select->op == SETOP_NONE && list_length(select->targetList) == 1 &&
			select->fromClause == NIL && select->whereClause == NULL &&
			select->groupClause == NIL && select->havingClause == NULL &&
			select->windowClause == NIL && select->valuesLists == NIL &&
			select->sortClause == NIL && select->limitCount == NULL &&
			select->limitOffset == NULL && select->lockingClause == NIL &&
			select->intoClause == NULL && select->distinctClause == NIL &&
			select->withClause == NULL)
		{
			target = linitial_node(ResTarget, select->targetList);
			if (target->name == NULL && target->indirection == NIL &&
				!(IsA(target->val, ColumnRef) &&
				  IsA(llast(((ColumnRef *) target->val)->fields), A_Star)))
				return target->val;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("a loyalty expression must be one SQL expression")));
	return NULL;				/* keep compiler quiet */
}

/*
 * Add a row to what the expression may name.  Stored text is read with the
 * column names that it was written with; *stored receives the alias whose
 * columns have these names, or NULL if they are the present ones.
 */
static void
add_row(ParseState *pstate, Relation rel, Oid root, const char *name,
		const char *program, bool is_stored, Alias **stored)
{
	List	   *names = program == NULL ? NIL :
		columns_stored_names(OidIsValid(root) ? root : RelationGetRelid(rel), rel, program);
	ParseNamespaceItem *item =
		addRangeTableEntryForRelation(pstate, rel, AccessShareLock,
									  makeAlias(name, is_stored ? names : NIL), false, false);

	addNSItemToQuery(pstate, item, false, true, true);
	*stored = NULL;
	if (names != NIL)
	{
		TupleDesc	desc = RelationGetDescr(rel);
		List	   *all = NIL;
		ListCell   *lc = list_head(names);

		for (int i = 0; i < desc->natts; i++)
		{
			if (TupleDescAttr(desc, i)->attisdropped)
				all = lappend(all, makeString(pstrdup("")));
			else
			{
				all = lappend(all, lfirst(lc));
				lc = lnext(names, lc);
			}
		}
		*stored = makeAlias(name, all);
	}
}

/*
 * May the result depend on settings, or the time?  The label of an enum is called
 * stable because it can be renamed, which is no reason to refuse it.
 */
static bool
is_mutable_function(Oid funcid, void *context)
{
	if (funcid == F_INTERVAL_OUT)	/* which 13 calls immutable */
		return true;
	return func_volatile(funcid) != PROVOLATILE_IMMUTABLE && funcid != F_ENUM_OUT;
}

static bool
settings_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_mutable_function, context) ||
		IsA(node, SQLValueFunction))
		return true;
	return expression_tree_walker(node, settings_walker, context);
}

/* The function that a node calls, or InvalidOid. */
static Oid
called_function(Node *node)
{
	if (IsA(node, FuncExpr))
		return ((FuncExpr *) node)->funcid;
	if (IsA(node, OpExpr) || IsA(node, DistinctExpr) || IsA(node, NullIfExpr))
		return ((OpExpr *) node)->opfuncid;
	return InvalidOid;
}

/* What to write instead of a function that depends on settings. */
static const char *
hint_of_settings(Oid funcid, ExpressionScope *scope)
{
	if (funcid >= FirstNormalObjectId)
		return "If the function gives the same under all settings, declare it IMMUTABLE.";
	if (funcid == LOYALTY_TIMESTAMPTZ_IN_ZONE || funcid == LOYALTY_TIMESTAMP_IN_ZONE)
		return "An abbreviation means what the setting timezone_abbreviations says: name the time zone as in AT TIME ZONE 'Europe/Berlin'.";
	return psprintf("Name the time zone, as in (created_at AT TIME ZONE '%s')::date. For text, write a function that is IMMUTABLE, and sets DateStyle and TimeZone itself.",
					scope->time_zone ? scope->time_zone : "Europe/Berlin");
}

/* Does a function take the program's own time zone, which is no abbreviation? */
static bool
is_in_zone_of_program(Node *node, ExpressionScope *scope)
{
	Node	   *zone;

	if (scope->time_zone == NULL ||
		(called_function(node) != LOYALTY_TIMESTAMPTZ_IN_ZONE &&
		 called_function(node) != LOYALTY_TIMESTAMP_IN_ZONE))
		return false;
	zone = linitial(((FuncExpr *) node)->args);
	return IsA(zone, Const) && !((Const *) zone)->constisnull &&
		strcmp(TextDatumGetCString(((Const *) zone)->constvalue), scope->time_zone) == 0;
}

/* What refuse_settings_walker() needs. */
typedef struct SettingsContext
{
	ParseState *pstate;
	ExpressionScope *scope;
	const char *what;
} SettingsContext;

/*
 * Refuse what depends on settings, where everybody evaluates the expression under
 * his own.
 */
static bool
refuse_settings_walker(Node *node, void *context)
{
	SettingsContext *refused = (SettingsContext *) context;
	Oid			funcid;

	if (node == NULL)
		return false;
	/* The inner of two such functions is the cause. */
	(void) expression_tree_walker(node, refuse_settings_walker, context);
	if (!check_functions_in_node(node, is_mutable_function, NULL) &&
		!IsA(node, SQLValueFunction) && !trust_reads_setting(node))
		return false;
	if (is_in_zone_of_program(node, refused->scope))
		return false;
	funcid = called_function(node);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("%s must not depend on settings of the session", refused->what),
			 OidIsValid(funcid) ?
			 errdetail("The result of the function %s does, and whoever reads it has settings of his own.",
					   format_procedure(funcid)) :
			 errdetail("This conversion to type %s does, and whoever reads it has settings of his own.",
					   format_type_be(exprType(node))),
			 errhint("%s", hint_of_settings(funcid, refused->scope)),
			 parser_errposition(refused->pstate, exprLocation(node))));
	return false;
}

/*
 * Parse, check and coerce.
 *
 * The result has the row as relation 1, and the facts as relation 2 (or 1 when
 * there is no row).  With canonical, *canonical receives the text with every
 * name qualified.
 */
static Node *
parse_internal(const char *text, ExpressionScope scope, Oid type,
			   const char *what, char **canonical, Oid *natural_type)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseContext pc = {.text = text,.what = what};
	ErrorContextCallback callback;
	const char *row_name = scope.row_name ? scope.row_name : "new";
	Relation	row = NULL;
	Relation	line = NULL;
	Alias	   *row_alias = NULL;
	Alias	   *line_alias = NULL;
	Node	   *expr;
	Node	   *coerced;
	List	   *names = NIL;
	Oid			source_type;
	Oid			seconds = FLOAT8OID;
	bool		is_local_time;

	callback.callback = parse_error_context;
	callback.arg = &pc;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	pstate->p_sourcetext = psprintf(PREFIX "%s", text);
	pstate->p_pre_columnref_hook = facts_columnref;
	pstate->p_post_columnref_hook = unknown_columnref;
	pstate->p_ref_hook_state = &pc;
	if (OidIsValid(scope.row))
	{
		row = relation_open(scope.row, AccessShareLock);
		add_row(pstate, row, scope.root, row_name, scope.program, canonical == NULL, &row_alias);
		names = lappend(names, pstrdup(row_name));
	}
	if (OidIsValid(scope.line))
	{
		line = relation_open(scope.line, AccessShareLock);
		add_row(pstate, line, InvalidOid, "line", scope.program, canonical == NULL, &line_alias);
		names = lappend(names, pstrdup("line"));
	}
	if (OidIsValid(scope.facts))
	{
		ParseNamespaceItem *item;

		pc.facts = relation_open(scope.facts, AccessShareLock);
		item = addRangeTableEntryForRelation(pstate, pc.facts, AccessShareLock,
											 NULL, false, false);
		addNSItemToQuery(pstate, item, false, true, false);
		pc.facts_varno = list_length(pstate->p_rtable);
		names = lappend(names, pstrdup(RelationGetRelationName(pc.facts)));
	}

	expr = only_expression(loyalty_raw_parser(pstate->p_sourcetext));
	trust_check_raw(expr);
	expr = transformExpr(pstate, expr, EXPR_KIND_OTHER);
	refuse_walker(expr, pstate);
	if (canonical != NULL)
	{
		(void) refuse_moment_walker(expr, pstate);
		check_tenure(pstate, expr, pc.facts, pc.facts_varno);
	}

	/* Order keys become text, whatever they are: that takes an explicit cast. */
	source_type = exprType(expr);
	is_local_time = scope.time_zone != NULL && type == TIMESTAMPTZOID &&
		(source_type == DATEOID || source_type == TIMESTAMPOID);
	coerced = type == InvalidOid ? expr :
		coerce_to_target_type(pstate, expr, source_type, type, -1,
							  type == TEXTOID ? COERCION_EXPLICIT : COERCION_ASSIGNMENT,
							  COERCE_EXPLICIT_CAST, -1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s must be of type %s, not %s", what,
						format_type_be(type), format_type_be(source_type)),
				 can_coerce_type(1, &source_type, &type, COERCION_EXPLICIT) ?
				 errhint("Convert it, as in (%s)::%s.", text, format_type_be(type)) :
				 type == TIMESTAMPTZOID && can_coerce_type(1, &source_type, &seconds, COERCION_IMPLICIT) ?
				 errhint("Convert seconds since 1970 with to_timestamp(%s).", text) : 0,
				 parser_errposition(pstate, exprLocation(expr))));
	assign_expr_collations(pstate, coerced);
	trust_check(coerced);
	/* Stored text has the cast that it needs: a column has got another type. */
	if (canonical == NULL && OidIsValid(type) && type != TEXTOID && source_type != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s is of type %s now, not %s", what,
						format_type_be(source_type), format_type_be(type)),
				 errhint("A column has got another type: stop tracking the table with loyalty.untrack() and track it again.")));
	if (type == TEXTOID)
		trust_check_key_type(source_type, what);
	if (type == TEXTOID && settings_walker(coerced, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("%s must not depend on settings of the session", what),
				 source_type == TEXTOID ?
				 errdetail("It calls a function that is not immutable, as \"||\" is with a value that is no text.") :
				 errdetail("The text of a value of type %s does.", format_type_be(source_type)),
				 source_type == TEXTOID ?
				 errhint("Convert each value to text first, as in a::text || '-' || b::text.") :
				 errhint("Convert it explicitly, for example to a number with extract(epoch from ...)."),
				 parser_errposition(pstate, exprLocation(expr))));
	if (scope.any_settings)
	{
		SettingsContext refused = {.pstate = pstate,.scope = &scope,.what = what};

		(void) refuse_settings_walker(is_local_time ? expr : coerced, &refused);
	}
	if (contain_volatile_functions(coerced))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("volatile functions are not allowed in a loyalty expression"),
				 errdetail("The same order must always be worth the same."),
				 errhint("If the function has no side effect and gives the same result for the same row, declare it STABLE or IMMUTABLE."),
				 parser_errposition(pstate, exprLocation(expr))));
	*natural_type = source_type;

	if (canonical != NULL)
	{
		PlannedStmt *fake = makeNode(PlannedStmt);
		List	   *deparse_context;
		bool		is_key = type == TEXTOID;
		int			nest = settings_begin(NULL);

		/*
		 * The order key is stored before its cast to text, so that a look-up
		 * by it can use the table's index.
		 */
		assign_expr_collations(pstate, expr);
		fake->rtable = pstate->p_rtable;
		if (row_alias != NULL)
			rt_fetch(1, fake->rtable)->alias = row_alias;
		if (line_alias != NULL)
			rt_fetch(2, fake->rtable)->alias = line_alias;
		deparse_context = deparse_context_for_plan_tree(fake, names);
		*canonical = deparse_expression(is_key || is_local_time ? expr : coerced,
										deparse_context, true, false);
		/* Who writes what is stored already was warned when it was written. */
		if (strcmp(*canonical, text) != 0)
			warn_of_division(pstate, expr, type, deparse_context);
		/* Local times are those of the program's zone, not of the session's. */
		if (is_local_time)
			*canonical = psprintf("pg_catalog.timezone(%s, (%s)::pg_catalog.timestamp)",
								  quote_literal_cstr(scope.time_zone), *canonical);
		settings_end(nest);
	}

	if (row != NULL)
		relation_close(row, NoLock);
	if (line != NULL)
		relation_close(line, NoLock);
	if (pc.facts != NULL)
		relation_close(pc.facts, NoLock);
	error_context_stack = callback.previous;
	free_parsestate(pstate);
	return coerced;
}

/*
 * Parse what a user wrote, under his settings but for the time zone, which is
 * the program's, and return it in canonical text.
 */
static char *
expression_canonical(const char *text, ExpressionScope scope, Oid type,
					 const char *what)
{
	char	   *canonical;
	Oid			natural_type;
	int			nest = settings_begin_time_zone(scope.time_zone);

	Node	   *expr = parse_internal(text, scope, type, what, &canonical, &natural_type);

	/* What is constant in it is computed whenever it is compiled: not to fail then. */
	(void) expression_planner((Expr *) copyObject(expr));
	settings_end(nest);
	return canonical;
}

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

/*
 * The columns of the row that a canonical text names, by number (offset as in
 * pull_varattnos()).
 */
static Bitmapset *
expression_columns(const char *text, ExpressionScope scope, Oid type, const char *what)
{
	Oid			natural_type;
	Bitmapset  *attnums = NULL;
	int			nest = settings_begin(scope.time_zone);
	Node	   *expr = parse_internal(text, scope, type, what, NULL, &natural_type);

	settings_end(nest);
	pull_varattnos(expr, 1, &attnums);
	return attnums;
}

/*
 * An error unless a canonical text can be put into a query: it is a value of the
 * type, and calls nothing that the current user must not run.  Returns whether it
 * calls anything that is not built in.
 */
bool
expression_check(const char *text, ExpressionScope scope, Oid type, const char *what)
{
	Oid			natural_type;
	int			nest = settings_begin(scope.time_zone);
	Node	   *expr = parse_internal(text, scope, type, what, NULL, &natural_type);

	settings_end(nest);
	return trust_runs_user_code(expr);
}

/*
 * Compile a canonical text in the current memory context.
 */
Expression
expression_compile(const char *text, ExpressionScope scope, Oid type,
				   const char *what)
{
	Expression	result;
	Node	   *expr;
	int			nest = settings_begin(scope.time_zone);

	expr = parse_internal(text, scope, type, what, NULL, &result.type);
#if PG_VERSION_NUM >= 180000
	/* Rows don't hold what virtual columns are. */
	if (OidIsValid(scope.row))
	{
		Relation	row = relation_open(scope.row, AccessShareLock);

		expr = expand_generated_columns_in_expr(expr, row, 1);
		relation_close(row, NoLock);
	}
#endif
	trust_check(expr);
	result.user_functions = trust_runs_user_code(expr);
	result.needs_settings = trust_depends_on_settings(expr);
	if (OidIsValid(scope.row))
		ChangeVarNodes(expr, 2, INNER_VAR, 0);
	else
		ChangeVarNodes(expr, 1, INNER_VAR, 0);
	result.planned = expression_planner((Expr *) expr);
	result.may_raise = may_raise_walker((Node *) result.planned, NULL);
	result.state = ExecInitExpr(result.planned, NULL);
	settings_end(nest);
	result.in_use = InvalidLocalTransactionId;
	return result;
}

/*
 * Evaluate over the rows in the ExprContext; the result lives until its next
 * reset.  A state can't be used again while it is in use, which happens when a
 * function that the expression calls changes a tracked table itself.
 */
Datum
expression_evaluate(Expression *expression, ExprContext *econtext, bool *isnull)
{
	Datum		result;

	if (!expression->user_functions)
		return ExecEvalExprSwitchContext(expression->state, econtext, isnull);
	if (expression->in_use == loyalty_local_transaction())
	{
		MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		ExprState  *state = ExecInitExpr(expression->planned, NULL);

		MemoryContextSwitchTo(old);
		return ExecEvalExprSwitchContext(state, econtext, isnull);
	}
	expression->in_use = loyalty_local_transaction();
	PG_TRY();
	{
		result = ExecEvalExprSwitchContext(expression->state, econtext, isnull);
	}
	PG_FINALLY();
	{
		expression->in_use = InvalidLocalTransactionId;
	}
	PG_END_TRY();
	return result;
}

PG_FUNCTION_INFO_V1(loyalty_canonical_expression);

/* A relation whose columns an expression may name. */
static Oid
relation_argument(FunctionCallInfo fcinfo, int argument)
{
	Oid			relid = PG_ARGISNULL(argument) ? InvalidOid : PG_GETARG_OID(argument);

	if (OidIsValid(relid) && get_rel_relkind(relid) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (OidIsValid(relid))
		trust_check_read(relid);
	return relid;
}

/*
 * canonical_expression(expression text, row regclass, facts regclass,
 *                      type regtype, what text, time_zone text,
 *                      row_name text, line regclass, any_settings boolean) returns text
 */
Datum
loyalty_canonical_expression(PG_FUNCTION_ARGS)
{
	ExpressionScope scope = {.row = InvalidOid};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("type and description must not be null")));
	scope.row = relation_argument(fcinfo, 1);
	scope.facts = relation_argument(fcinfo, 2);
	scope.time_zone = PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5));
	/* rules are of a program: its type "purchase" is among the facts */
	if (OidIsValid(scope.facts))
		scope.program = get_namespace_name(get_rel_namespace(scope.facts));
	scope.row_name = PG_ARGISNULL(6) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(6));
	scope.line = relation_argument(fcinfo, 7);
	scope.any_settings = !PG_ARGISNULL(8) && PG_GETARG_BOOL(8);
	if (!get_typisdefined(PG_GETARG_OID(3)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type with OID %u does not exist", PG_GETARG_OID(3))));
	PG_RETURN_TEXT_P(cstring_to_text(
									 expression_canonical(text_to_cstring(PG_GETARG_TEXT_PP(0)), scope,
														  PG_GETARG_OID(3),
														  text_to_cstring(PG_GETARG_TEXT_PP(4)))));
}

PG_FUNCTION_INFO_V1(loyalty_expression_columns);

/*
 * expression_columns(expression text, row regclass, facts regclass,
 *                    row_name text, line regclass, program name, type regtype)
 *		returns int[]
 *
 * The columns of the row that a canonical expression uses, by number; an error
 * unless it may run with the rights of the current user.
 */
Datum
loyalty_expression_columns(PG_FUNCTION_ARGS)
{
	ExpressionScope scope = {.row = InvalidOid};
	Bitmapset  *columns;
	int			column = -1;
	ArrayBuildState *state = initArrayResult(INT4OID, CurrentMemoryContext, false);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(5) || PG_ARGISNULL(6))
		PG_RETURN_NULL();
	scope.row = relation_argument(fcinfo, 1);
	scope.facts = relation_argument(fcinfo, 2);
	scope.row_name = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	scope.line = relation_argument(fcinfo, 4);
	scope.program = NameStr(*PG_GETARG_NAME(5));
	if (OidIsValid(scope.row))
		trust_check_table(scope.row);
	if (OidIsValid(scope.line))
		trust_check_table(scope.line);
	columns = expression_columns(text_to_cstring(PG_GETARG_TEXT_PP(0)), scope,
								 PG_GETARG_OID(6), "an expression of the program");
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

PG_FUNCTION_INFO_V1(loyalty_expression_tells);

/*
 * expression_tells(expression text, row regclass, program name) returns boolean
 *
 * Do rows that differ in the columns of a canonical expression differ in its value,
 * or does a unique index see to it?
 */
Datum
loyalty_expression_tells(PG_FUNCTION_ARGS)
{
	ExpressionScope scope = {.row = relation_argument(fcinfo, 1)};
	Oid			natural_type;
	int			nest = settings_begin(NULL);
	Node	   *expr;
	Relation	rel;
	bool		after_number = false;
	bool		tells;

	scope.program = NameStr(*PG_GETARG_NAME(2));
	expr = parse_internal(text_to_cstring(PG_GETARG_TEXT_PP(0)), scope, TEXTOID, "the order key",
						  NULL, &natural_type);
	settings_end(nest);
	rel = relation_open(scope.row, AccessShareLock);
	tells = IsA(without_casts(expr), Var) ||
		(is_concatenation(without_casts(expr)) && parts_tell(expr, &after_number)) ||
		has_unique_index(rel, expr);
	relation_close(rel, NoLock);
	PG_RETURN_BOOL(tells);
}
