/*
 * parse.c: SQL expressions that users write.
 *
 * Everything that a program is told as SQL (which amount, which orders count,
 * how many points, who is in a tier) is parsed by PostgreSQL's parser when it
 * is written, under the search_path of whoever writes it, and checked.  From then
 * on it lives in the query of a view of the program (see definition.c), where
 * PostgreSQL itself keeps it right.  The text that is made here, in which every
 * name is qualified, only serves to write that view.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/analyze.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "definition.h"
#include "hint.h"
#include "owner.h"
#include "refuse.h"
#include "trust.h"

#define PREFIX "SELECT "

/*
 * What is written, and the rows whose columns it may name.  The row of the table is
 * called "new", or otherwise by its name, and may be written plainly.  The facts are
 * a composite type of the program (purchase or facts), whose fields come before
 * columns of the same name.
 */
typedef struct Scope
{
	const char *text;
	const char *what;			/* what it is, for messages */
	Oid			type;			/* that it must have */
	Oid			row;			/* a table, or InvalidOid */
	bool		lacks_row;		/* there should be one, but no table is tracked */
	const char *row_name;
	const char *alias;			/* what the row is called in the view */
	Oid			line;			/* a row named "line" besides, or InvalidOid */
	Oid			member;			/* the table of the customers, whose row is named
								 * "member", or InvalidOid; only read if the text has
								 * that name */
	Oid			facts;			/* or InvalidOid */
	Oid			line_facts;		/* what is known of the line besides its row, or
								 * InvalidOid */
	ArrayType  *parts;			/* names, each with a query whose columns may be named,
								 * as they are computed of the facts; or NULL */
	const char *time_zone;		/* of dates and local times, or NULL */
	bool		warn;			/* of what is allowed, but hardly meant */
	bool		any_settings;	/* it must give the same under whatever settings */
	bool		built_in;		/* it must call nothing but what is built in */
} Scope;

/* What came of it. */
typedef struct Parsed
{
	char	   *text;			/* with every name qualified */
	Oid			type;
	bool		uses_row;
	bool		uses_line;
	bool		uses_facts;
	List	   *member_columns; /* what it uses of the customer's row */
	List	   *tiers;			/* texts that it compares the tier with */
} Parsed;

/* What the parser callbacks need. */
typedef struct ParseContext
{
	const Scope *scope;
	ParseState *pstate;
	Relation	row;
	Relation	line;
	Relation	facts;
	Relation	member;
	Relation	line_facts;
	int			row_varno;
	int			line_varno;
	int			facts_varno;
	int			member_varno;
	int			line_facts_varno;
	List	   *names;			/* of the relations, as users know them */
	List	   *aliases;		/* the same in the view */
} ParseContext;

/* The name of the first of the facts. */
static const char *
first_fact(const ParseContext *pc)
{
	return NameStr(TupleDescAttr(RelationGetDescr(pc->facts), 0)->attname);
}

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
	const char *hint = hint_span(pc->scope->text, geterrcode(), pc->scope->built_in && pc->facts != NULL ? first_fact(pc) : NULL);

	if (hint != NULL)
		errhint("%s", hint);
	if (position > 0)
	{
		position -= strlen(PREFIX);
		errposition(0);
		internalerrposition(Max(position, 1));
		internalerrquery(pc->scope->text);
	}
	if (geterrcode() == ERRCODE_SYNTAX_ERROR && hint_keyword_column(pc->pstate) != NULL)
		errhint("%s", hint_keyword_column(pc->pstate));
	errcontext("loyalty expression for %s", pc->scope->what);
}

/*
 * A plain name that is a field of the facts means that field, whatever columns
 * the tracked table has.
 */
static Node *
field_of_facts(Relation facts, int varno, ColumnRef *cref, Index levels)
{
	TupleDesc	desc;

	if (facts == NULL || list_length(cref->fields) != 1 ||
		!IsA(linitial(cref->fields), String))
		return NULL;
	desc = RelationGetDescr(facts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped &&
			strcmp(NameStr(att->attname), strVal(linitial(cref->fields))) == 0)
		{
			Var		   *var = makeVar(varno, att->attnum, att->atttypid,
									  att->atttypmod, att->attcollation, levels);

			var->location = cref->location;
			return (Node *) var;
		}
	}
	return NULL;
}

static Node *
facts_columnref(ParseState *pstate, ColumnRef *cref)
{
	ParseContext *pc = (ParseContext *) pstate->p_ref_hook_state;
	Index		levels = 0;
	Node	   *field;

	/* in a subquery, which is refused later, the field is one of the query around it */
	for (ParseState *inner = pstate; inner != pc->pstate; inner = inner->parentParseState)
		levels++;
	field = field_of_facts(pc->line_facts, pc->line_facts_varno, cref, levels);
	if (field == NULL)
		field = field_of_facts(pc->facts, pc->facts_varno, cref, levels);
	if (field == NULL && pstate == pc->pstate)
		hint_ambiguous_column(pstate, cref);
	return field;
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

/* A text, or the texts of a list. */
static List *
texts_of(Node *node, List *texts)
{
	ListCell   *lc;

	if (IsA(node, Const) && ((Const *) node)->consttype == TEXTOID && !((Const *) node)->constisnull)
		return lappend(texts, makeString(TextDatumGetCString(((Const *) node)->constvalue)));
	if (IsA(node, ArrayExpr))
	{
		foreach(lc, ((ArrayExpr *) node)->elements)
			texts = texts_of((Node *) lfirst(lc), texts);
	}
	return texts;
}

/* What to look for: the texts that the tier is compared with, as in tier = 'Gold' or tier IN ('Gold', 'Silver'). */
typedef struct TierSearch
{
	int			facts_varno;
	AttrNumber	tier;			/* the field of the facts */
	List	   *texts;
} TierSearch;

static bool
tier_walker(Node *node, void *context)
{
	TierSearch *search = (TierSearch *) context;
	List	   *args = NIL;
	bool		compares = false;
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (IsA(node, OpExpr) || IsA(node, DistinctExpr))
		args = ((OpExpr *) node)->args;
	else if (IsA(node, ScalarArrayOpExpr))
		args = ((ScalarArrayOpExpr *) node)->args;
	foreach(lc, args)
	{
		Node	   *arg = (Node *) lfirst(lc);

		compares |= IsA(arg, Var) && ((Var *) arg)->varno == search->facts_varno && ((Var *) arg)->varattno == search->tier;
	}
	if (compares && exprType(node) == BOOLOID)
	{
		foreach(lc, args)
			search->texts = texts_of((Node *) lfirst(lc), search->texts);
	}
	return expression_tree_walker(node, tier_walker, context);
}

/* The texts that an expression compares the tier with. */
static List *
compared_tiers(const ParseContext *pc, Node *expr)
{
	TierSearch	search = {.facts_varno = pc->facts_varno};

	if (pc->facts == NULL)
		return NIL;
	search.tier = get_attnum(RelationGetRelid(pc->facts), "tier");
	if (search.tier != InvalidAttrNumber)
		(void) tier_walker(expr, &search);
	return search.texts;
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

/* Add what a query of ours computes to what the expression may name. */
static void
add_part(ParseState *pstate, ParseContext *pc, const char *name, const char *query)
{
	ParseState *inner = make_parsestate(pstate);
	RawStmt    *raw = linitial_node(RawStmt, loyalty_raw_parser(query));
	Query	   *part;
	ParseNamespaceItem *item;

	inner->p_sourcetext = query;
	part = transformStmt(inner, raw->stmt);
	free_parsestate(inner);
	item = addRangeTableEntryForSubquery(pstate, part, makeAlias(name, NIL), false, true);
	addNSItemToQuery(pstate, item, false, true, true);
	pc->names = lappend(pc->names, pstrdup(name));
	pc->aliases = lappend(pc->aliases, pstrdup(name));
}

/* Add all of these. */
static void
add_parts(ParseState *pstate, ParseContext *pc, ArrayType *parts)
{
	Datum	   *texts;
	int			count;

	deconstruct_array(parts, TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, &count);
	for (int i = 0; i + 1 < count; i += 2)
		add_part(pstate, pc, TextDatumGetCString(texts[i]), TextDatumGetCString(texts[i + 1]));
}

/* Add a relation to what the expression may name; returns its number. */
static int
add_relation(ParseState *pstate, ParseContext *pc, Relation rel, const char *name,
			 const char *alias, bool plainly)
{
	ParseNamespaceItem *item =
	addRangeTableEntryForRelation(pstate, rel, AccessShareLock,
								  makeAlias(name, NIL), false, false);

	addNSItemToQuery(pstate, item, false, true, plainly);
	pc->names = lappend(pc->names, pstrdup(name));
	pc->aliases = lappend(pc->aliases, pstrdup(alias));
	return list_length(pstate->p_rtable);
}

/* May a text name the row of the customer?  Else its table is not asked for, which many have no right on. */
static bool
mentions_member(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		const char *end = c + strlen("member");

		if (pg_strncasecmp(c, "member", strlen("member")) != 0 ||
			(c > text &&(isalnum((unsigned char) c[-1]) || c[-1] == '_' || IS_HIGHBIT_SET(c[-1]))))
			continue;
		end += strspn(end, "\" \t\r\n");
		if (*end == '.')
			return true;
	}
	return false;
}

static void
open_relations(ParseState *pstate, ParseContext *pc)
{
	const Scope *scope = pc->scope;

	if (OidIsValid(scope->row))
	{
		pc->row = relation_open(scope->row, AccessShareLock);
		pc->row_varno = add_relation(pstate, pc, pc->row, scope->row_name, scope->alias, true);
	}
	if (OidIsValid(scope->line))
	{
		pc->line = relation_open(scope->line, AccessShareLock);
		pc->line_varno = add_relation(pstate, pc, pc->line, "line", "line", true);
	}
	if (OidIsValid(scope->facts))
	{
		char	   *name;

		pc->facts = relation_open(scope->facts, AccessShareLock);
		name = RelationGetRelationName(pc->facts);

		/*
		 * what rules see of a customer is more than what tiers see, and is called the
		 * same
		 */
		if (strcmp(name, "rule_facts") == 0)
			name = "facts";
		pc->facts_varno = add_relation(pstate, pc, pc->facts, name, name, false);
	}
	if (OidIsValid(scope->line_facts))
	{
		char	   *name;

		pc->line_facts = relation_open(scope->line_facts, AccessShareLock);
		name = RelationGetRelationName(pc->line_facts);
		pc->line_facts_varno = add_relation(pstate, pc, pc->line_facts, name, name, false);
	}
	if (scope->parts != NULL)
		add_parts(pstate, pc, scope->parts);
	if (OidIsValid(scope->member) && mentions_member(scope->text))
	{
		trust_check_read(scope->member);
		pc->member = relation_open(scope->member, AccessShareLock);
		pc->member_varno = add_relation(pstate, pc, pc->member, "member", "member", false);
	}
}

static void
close_relations(ParseContext *pc)
{
	if (pc->row != NULL)
		relation_close(pc->row, NoLock);
	if (pc->line != NULL)
		relation_close(pc->line, NoLock);
	if (pc->facts != NULL)
		relation_close(pc->facts, NoLock);
	if (pc->member != NULL)
		relation_close(pc->member, NoLock);
	if (pc->line_facts != NULL)
		relation_close(pc->line_facts, NoLock);
}

/* Convert an expression to the type that it must have, or raise an error. */
static Node *
coerce(ParseState *pstate, const ParseContext *pc, Node *expr)
{
	const Scope *scope = pc->scope;
	Oid			type = scope->type;
	Oid			source_type = exprType(expr);
	Oid			seconds = FLOAT8OID;
	Node	   *coerced;

	if (type == InvalidOid)
		return expr;
	if (type == ANYELEMENTOID)
	{
		if (source_type == UNKNOWNOID)
			return coerce_to_target_type(pstate, expr, source_type, TEXTOID, -1, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
		/* a domain may refuse nulls, which a value that fails is */
		type = getBaseType(source_type);
		if (get_typtype(type) != TYPTYPE_PSEUDO && get_typtype(type) != TYPTYPE_COMPOSITE)
			return type == source_type ? expr :
				coerce_to_target_type(pstate, expr, source_type, type, -1, COERCION_IMPLICIT, COERCE_EXPLICIT_CAST, -1);
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s cannot be of type %s", scope->what, format_type_be(source_type)),
				 errhint("Write an expression that has one value, as a number or a text."),
				 parser_errposition(pstate, exprLocation(expr))));
	}
	/* Order keys become text, whatever they are: that takes an explicit cast. */
	coerced = coerce_to_target_type(pstate, expr, source_type, type, -1,
									type == TEXTOID ? COERCION_EXPLICIT : COERCION_ASSIGNMENT,
									COERCE_EXPLICIT_CAST, -1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s must be of type %s, not %s", scope->what,
						format_type_be(type), format_type_be(source_type)),
				 can_coerce_type(1, &source_type, &type, COERCION_EXPLICIT) ?
				 errhint("Convert it, as in (%s)::%s.", scope->text, format_type_be(type)) :
				 type == TIMESTAMPTZOID && can_coerce_type(1, &source_type, &seconds, COERCION_IMPLICIT) ?
				 errhint("Convert seconds since 1970 with to_timestamp(%s).", scope->text) :
				 scope->built_in ?
				 errhint("It is a day or a moment, as in %1$s + 90 or %1$s + interval '1 year'.", first_fact(pc)) :
				 source_type == INTERVALOID ? errhint("Add it to a time that the row has.") : 0,
				 parser_errposition(pstate, exprLocation(expr))));
	return coerced;
}

/* The conversion of an enum to text, if there is one. */
static bool
enum_text_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceViaIO) && type_is_enum(getBaseType(exprType((Node *) ((CoerceViaIO *) node)->arg))))
	{
		*(Oid *) context = exprType((Node *) ((CoerceViaIO *) node)->arg);
		return true;
	}
	return expression_tree_walker(node, enum_text_walker, context);
}

/*
 * Orders are known by the text of their keys, and ALTER TYPE ... RENAME VALUE would
 * change those of an enum.
 */
static void
check_names_last(ParseState *pstate, const Scope *scope, Node *expr, Node *coerced)
{
	Oid			type = InvalidOid;

	if (!enum_text_walker(coerced, &type))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("%s must not be the text of an enum", scope->what),
			 errdetail("Values of type %s can be renamed, and orders are known by the text of their key.",
					   format_type_be(type)),
			 errhint("Name another key, or write the text of each value, as in CASE kind WHEN 'web' THEN 'web' WHEN 'shop' THEN 'shop' END."),
			 parser_errposition(pstate, exprLocation(expr))));
}

/* Refuse a key whose text another session would make otherwise. */
static void
check_key(ParseState *pstate, const Scope *scope, Node *expr, Node *coerced)
{
	Oid			type = exprType(expr);

	trust_check_key_type(type, scope->what);
	if (refuse_is_mutable(coerced))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("%s must not depend on settings of the session", scope->what),
				 type == TEXTOID ?
				 errdetail("It calls a function that is not immutable, as \"||\" is with a value that is no text.") :
				 errdetail("The text of a value of type %s does.", format_type_be(type)),
				 type == TEXTOID ?
				 errhint("Convert each value to text first, as in a::text || '-' || b::text.") :
				 errhint("Convert it explicitly, for example to a number with extract(epoch from ...)."),
				 parser_errposition(pstate, exprLocation(expr))));
}

/* Is it a local time, which is one of the program's zone? */
static bool
is_local_time(const Scope *scope, Node *expr)
{
	return scope->time_zone != NULL && scope->type == TIMESTAMPTZOID &&
		(exprType(expr) == DATEOID || exprType(expr) == TIMESTAMPOID);
}

/*
 * Local times are those of the program's zone, not of the session's.  A day on which
 * somebody became a customer may have no moment, as dates go on for longer than these:
 * then it is not known, since that one customer is read with all others.
 */
static char *
local_moment(const Scope *scope, const char *text, Oid type)
{
	const char *name = format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY);
	char	   *moment = psprintf("pg_catalog.timezone(%s, (%s)::pg_catalog.timestamp)",
								  quote_literal_cstr(scope->time_zone), text);

	if (!scope->any_settings)
		return moment;
	return psprintf("CASE WHEN pg_catalog.isfinite(%1$s) AND ((%1$s) OPERATOR(pg_catalog.<) '4713-12-01 BC'::%2$s"
					" OR (%1$s) OPERATOR(pg_catalog.>) '294276-12-01'::%2$s) THEN NULL ELSE %3$s END",
					text, name, moment);
}

/*
 * Write a parsed expression as text under fixed settings.  What will become text,
 * a key, is written before that cast, so that a look-up by it can use the table's
 * index.
 */
static char *
deparse_parsed(ParseState *pstate, ParseContext *pc, Node *expr, Node *coerced)
{
	const Scope *scope = pc->scope;
	PlannedStmt *fake = makeNode(PlannedStmt);
	int			nest = settings_begin(NULL);
	List	   *context;
	char	   *text;

	assign_expr_collations(pstate, expr);
	fake->rtable = pstate->p_rtable;
	context = deparse_context_for_plan_tree(fake, pc->aliases);
	text = deparse_expression(scope->type == TEXTOID || is_local_time(scope, expr) ? expr : coerced,
							  context, true, false);

	if (scope->warn)
		warn_of_division(pstate, expr, scope->type, deparse_context_for_plan_tree(fake, pc->names));
	if (is_local_time(scope, expr))
		text = local_moment(scope, text, exprType(expr));

	settings_end(nest);
	return text;
}

/* The columns of the customer's row that an expression uses.  What is kept of them is text, so its types must be trusted with that. */
static List *
member_columns(ParseState *pstate, const ParseContext *pc, Node *expr)
{
	List	   *vars = pull_var_clause(expr, 0);
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, vars)
	{
		Var		   *var = (Var *) lfirst(lc);
		const char *name;
		Oid			foreign;

		if (var->varno != pc->member_varno)
			continue;
		Assert(var->varattno > 0);	/* see refuse.c */
		name = NameStr(TupleDescAttr(RelationGetDescr(pc->member), var->varattno - 1)->attname);
		foreign = trust_foreign_type(var->vartype);
		if (OidIsValid(foreign))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("%s cannot use member.%s, which is of a type that belongs to somebody else", pc->scope->what, quote_identifier(name)),
					 errdetail("It is of type %s. Orders keep what was in such a column, and its type says how.", format_type_be(foreign)),
					 errhint("Give the type to the owner of the program, or add a column of a built-in type to the table of the customers, which may be generated."),
					 parser_errposition(pstate, var->location)));
		columns = list_append_unique(columns, makeString(pstrdup(name)));
	}
	return columns;
}

/* Parse, check and convert an expression. */
static void
parse_in_scope(ParseState *pstate, ParseContext *pc, Parsed *parsed)
{
	const Scope *scope = pc->scope;
	Node	   *expr;
	Node	   *coerced;
	Bitmapset  *used;
	int			nest;

	if (scope->text[strspn(scope->text, " \t\r\n\f\v")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s must not be empty", scope->what)));
	expr = only_expression(loyalty_raw_parser(pstate->p_sourcetext));
	trust_check_raw(expr);
	expr = transformExpr(pstate, expr, EXPR_KIND_OTHER);
	refuse_unevaluable(pstate, expr);
	refuse_moment(pstate, expr, pc->facts);
	check_tenure(pstate, expr, pc->facts, pc->facts_varno);
	coerced = coerce(pstate, pc, expr);
	assign_expr_collations(pstate, coerced);
	trust_check(coerced);
	if (scope->type == TEXTOID)
	{
		check_key(pstate, scope, expr, coerced);
		/* a currency that is called otherwise has another rate, or none */
		if (strncmp(scope->what, "currency", strlen("currency")) != 0)
			check_names_last(pstate, scope, expr, coerced);
	}
	if (scope->any_settings)
		refuse_settings(pstate, is_local_time(scope, expr) ? expr : coerced, scope->time_zone, scope->what);
	if (scope->built_in && trust_runs_user_code(coerced))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("%s can call nothing but what is built in", scope->what),
				 errhint("Write it with functions, operators and types of PostgreSQL itself, whose meaning never changes."),
				 parser_errposition(pstate, exprLocation(expr))));
	if (scope->built_in)
		refuse_session(pstate, coerced, scope->what);
	if (contain_volatile_functions(coerced))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("volatile functions are not allowed in a loyalty expression"),
				 errdetail("The same order must always be worth the same."),
				 errhint("Leave out what gives another result each time, such as random(). If a function of your own has no side effect and gives the same result for the same row, declare it STABLE or IMMUTABLE."),
				 parser_errposition(pstate, exprLocation(expr))));

	used = loyalty_pull_varnos(coerced);
	parsed->uses_row = bms_is_member(pc->row_varno, used);
	parsed->uses_line = bms_is_member(pc->line_varno, used);
	parsed->uses_facts = bms_is_member(pc->facts_varno, used);
	parsed->member_columns = pc->member == NULL ? NIL : member_columns(pstate, pc, coerced);
	parsed->tiers = compared_tiers(pc, coerced);
	parsed->type = scope->type == ANYELEMENTOID ? exprType(coerced) : scope->type;
	parsed->text = deparse_parsed(pstate, pc, expr, coerced);

	/*
	 * What is constant in it is computed whenever it is planned: not to fail then.  The
	 * functions that it calls look names up as they always will, not as the writer does.
	 */
	nest = settings_begin(scope->time_zone);
	(void) expression_planner((Expr *) copyObject(coerced));
	settings_end(nest);
}

/* Is a plain name a column of the table of the customers? */
static bool
is_member_column(const ParseContext *pc, ColumnRef *cref)
{
	return OidIsValid(pc->scope->member) && list_length(cref->fields) == 1 && IsA(linitial(cref->fields), String) &&
		get_attnum(pc->scope->member, strVal(linitial(cref->fields))) > 0;
}

/* Is a plain name written in double quotes, as a text may be by mistake? */
static bool
is_double_quoted(const ParseContext *pc, ColumnRef *cref)
{
	return list_length(cref->fields) == 1 && cref->location >= 0 && pc->pstate->p_sourcetext[cref->location] == '"';
}

/* A name that is not known, which may be a column of a table that is not tracked yet. */
static Node *
unknown_column(ParseState *pstate, ColumnRef *cref, Node *var)
{
	ParseContext *pc = (ParseContext *) pstate->p_ref_hook_state;

	return hint_unknown_column(pstate, cref, var, pc->scope->lacks_row ?
							   " No table is tracked whose columns it could name: call loyalty.track_orders() first, or loyalty.track_events() if it is for events, with backfill => false." :
							   pc->scope->built_in ? " That is the day of the order; nothing else of it is known here." :
							   !OidIsValid(pc->scope->member) && list_length(cref->fields) == 2 && strcmp(strVal(linitial(cref->fields)), "member") == 0 ?
							   " Only points, multiplier and applies_when of earning rules see the customer's row." :
							   is_member_column(pc, cref) ? " The customer's row has it, too: write member and a dot before it." :
							   is_double_quoted(pc, cref) ? " A text is written in single quotes." : "");
}

/*
 * The search_path under which an expression is parsed.  One over what is known of a customer
 * need not name the schema of the functions that ask histories.
 */
static const char *
path_for(const Scope *scope, const char *search_path)
{
	if (search_path == NULL || search_path[0] == '\0' || !OidIsValid(scope->facts) ||
		get_attnum(scope->facts, "purchases") == InvalidAttrNumber)
		return search_path;
	return psprintf("%s, loyalty", search_path);
}

/*
 * Parse what a user wrote, under the search_path given and the time zone of the
 * program; dates and intervals are read as the session has it.
 */
static Parsed
parse(const Scope *scope, const char *search_path)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseContext pc = {.scope = scope,.pstate = pstate};
	ErrorContextCallback *outer = error_context_stack;
	ErrorContextCallback callback = {.callback = parse_error_context,.arg = &pc};
	Parsed		parsed;
	int			nest = settings_begin_parsing(path_for(scope, search_path), scope->time_zone);

	/* the writer need not see through which of our functions this came */
	error_context_stack = &callback;
	pstate->p_sourcetext = psprintf(PREFIX "%s", scope->text);
	pstate->p_pre_columnref_hook = facts_columnref;
	pstate->p_post_columnref_hook = unknown_column;
	pstate->p_ref_hook_state = &pc;
	open_relations(pstate, &pc);
	parse_in_scope(pstate, &pc, &parsed);
	close_relations(&pc);
	error_context_stack = outer;
	free_parsestate(pstate);
	settings_end(nest);
	return parsed;
}

/* A relation whose columns an expression may name. */
static Oid
relation_argument(FunctionCallInfo fcinfo, int argument)
{
	Oid			relid = PG_ARGISNULL(argument) ? InvalidOid : PG_GETARG_OID(argument);

	if (OidIsValid(relid) && get_rel_relkind(relid) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	/* a type has no rows to be read */
	if (OidIsValid(relid) && get_rel_relkind(relid) != RELKIND_COMPOSITE_TYPE)
		trust_check_read(relid);
	return relid;
}

static char *
text_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

PG_FUNCTION_INFO_V1(loyalty_parse_expression);

/*
 * parse_expression(expression text, row regclass, line regclass, facts regclass,
 *                  type regtype, what text, row_name text, alias text, time_zone text,
 *                  search_path text, warn boolean, any_settings boolean, built_in boolean,
 *                  member regclass, line_facts regclass, parts text[], OUT expression text, OUT type regtype, OUT uses_row boolean,
 *                  OUT uses_line boolean, OUT uses_facts boolean, OUT member_columns text[], OUT tiers text[])
 *
 * Nulls for no expression.
 */
Datum
loyalty_parse_expression(PG_FUNCTION_ARGS)
{
	enum
	{
		EXPRESSION, ROW, LINE, FACTS, TYPE, WHAT, ROW_NAME, ALIAS, TIME_ZONE, SEARCH_PATH, WARN, ANY_SETTINGS, BUILT_IN, MEMBER, LINE_FACTS, PARTS
	};
	Scope		scope = {.text = text_argument(fcinfo, EXPRESSION),.what = text_argument(fcinfo, WHAT)};
	Parsed		parsed;
	TupleDesc	desc;
	Datum		values[7] = {0};
	bool		nulls[7] = {true, true, true, true, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "parse_expression must return a composite type");
	if (scope.text !=NULL)
	{
		if (PG_ARGISNULL(TYPE) || scope.what == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("type and description must not be null")));
		scope.type = PG_GETARG_OID(TYPE);
		if (!get_typisdefined(scope.type))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("type with OID %u does not exist", scope.type)));
		scope.row = relation_argument(fcinfo, ROW);
		scope.line = relation_argument(fcinfo, LINE);
		scope.facts = relation_argument(fcinfo, FACTS);
		scope.line_facts = relation_argument(fcinfo, LINE_FACTS);
		scope.member = PG_ARGISNULL(MEMBER) || get_rel_relkind(PG_GETARG_OID(MEMBER)) == '\0' ? InvalidOid : PG_GETARG_OID(MEMBER);
		scope.parts = PG_ARGISNULL(PARTS) ? NULL : PG_GETARG_ARRAYTYPE_P(PARTS);
		scope.lacks_row = !OidIsValid(scope.row) && !PG_ARGISNULL(ROW_NAME);
		scope.row_name = PG_ARGISNULL(ROW_NAME) ? "new" : text_argument(fcinfo, ROW_NAME);
		scope.alias = PG_ARGISNULL(ALIAS) ? scope.row_name : text_argument(fcinfo, ALIAS);
		scope.time_zone = text_argument(fcinfo, TIME_ZONE);
		scope.warn = !PG_ARGISNULL(WARN) && PG_GETARG_BOOL(WARN);
		scope.any_settings = !PG_ARGISNULL(ANY_SETTINGS) && PG_GETARG_BOOL(ANY_SETTINGS);
		scope.built_in = !PG_ARGISNULL(BUILT_IN) && PG_GETARG_BOOL(BUILT_IN);
		parsed = parse(&scope, text_argument(fcinfo, SEARCH_PATH));
		values[0] = CStringGetTextDatum(parsed.text);
		values[1] = ObjectIdGetDatum(parsed.type);
		values[2] = BoolGetDatum(parsed.uses_row);
		values[3] = BoolGetDatum(parsed.uses_line);
		values[4] = BoolGetDatum(parsed.uses_facts);
		values[5] = definition_names(parsed.member_columns);
		values[6] = definition_names(parsed.tiers);
		memset(nulls, false, sizeof(nulls));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
