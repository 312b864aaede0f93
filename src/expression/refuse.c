/*
 * refuse.c: what an expression of the configuration must not say: what cannot be
 * evaluated for one row alone, what depends on the moment, and, where everybody
 * evaluates it, what depends on settings.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"

#include "compat.h"
#include "hint.h"
#include "refuse.h"
#include "trust.h"

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

/* What refuse_moment_walker() needs. */
typedef struct MomentContext
{
	ParseState *pstate;
	Relation	facts;
} MomentContext;

/* What to write instead of the present time, by what the expression knows. */
static const char *
hint_of_moment(Relation facts)
{
	if (facts == NULL)
		return "Use times that the row has.";
	if (get_attnum(RelationGetRelid(facts), "earned_on") != InvalidAttrNumber)
		return "Use \"earned_on\", the day of the order, as in earned_on + interval '1 year'.";
	if (get_attnum(RelationGetRelid(facts), "active_on") != InvalidAttrNumber)
		return "Use \"active_on\", the day of an order, as in active_on + interval '1 year'.";
	if (get_attnum(RelationGetRelid(facts), "today") != InvalidAttrNumber)
		return "Use \"at\", the moment for which the tier is asked, or \"today\", its day in the time zone of the program, as in last_order_at > at - interval '1 year'.";
	return "Use \"at\", the time of the order, or times that the order's row has.";
}

/* Does a word of SQL tell of who is connected, as "user" does, and not of the time? */
static bool
is_of_session(const Node *node)
{
	if (!IsA(node, SQLValueFunction))
		return false;
	switch (((const SQLValueFunction *) node)->op)
	{
		case SVFOP_CURRENT_ROLE:
		case SVFOP_CURRENT_USER:
		case SVFOP_USER:
		case SVFOP_SESSION_USER:
		case SVFOP_CURRENT_CATALOG:
		case SVFOP_CURRENT_SCHEMA:
			return true;
		default:
			return false;
	}
}

/* Refuse such a word, which was meant as a column, maybe. */
static void
refuse_session_word(ParseState *pstate, const Node *node)
{
	const char *quoted = hint_keyword_column(pstate);
	int			location = exprLocation(node);
	const char *word = location < 0 ? "" : pstate->p_sourcetext + location;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("\"%s\" tells of the session, and is not allowed in a loyalty expression",
					pnstrdup(word, strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"))),
			 errdetail("It is a word of SQL, and no column: whoever evaluates the expression would get another value."),
			 errhint("%s", quoted != NULL ? quoted :
					 "Name a column of the row. One that is called like a word of SQL is written in double quotes."),
			 parser_errposition(pstate, location)));
}

/* Refuse what depends on when, or by whom, the expression is evaluated. */
static bool
refuse_moment_walker(Node *node, void *context)
{
	MomentContext *moment = (MomentContext *) context;
	const char *quoted = NULL;

	if (node == NULL)
		return false;
	if (is_of_session(node))
		refuse_session_word(moment->pstate, node);
	/* a column that is called "localtime" */
	if (IsA(node, SQLValueFunction))
		quoted = hint_keyword_column(moment->pstate);
	if (IsA(node, SQLValueFunction) || check_functions_in_node(node, is_of_now, NULL) ||
		(IsA(node, Const) && is_word_of_now((Const *) node, moment->pstate->p_sourcetext)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the present time or user is not allowed in a loyalty expression"),
				 errdetail("Nothing is recorded when time passes, and the same order must always be worth the same."),
				 errhint("%s", quoted != NULL ? quoted : hint_of_moment(moment->facts)),
				 parser_errposition(moment->pstate, exprLocation(node))));
	return expression_tree_walker(node, refuse_moment_walker, context);
}

/*
 * Refuse what depends on when, or by whom, an expression is evaluated.  facts is the
 * composite type whose fields it may name, or NULL.
 */
void
refuse_moment(ParseState *pstate, Node *expr, Relation facts)
{
	MomentContext moment = {.pstate = pstate,.facts = facts};

	(void) refuse_moment_walker(expr, &moment);
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

/*
 * Refuse what cannot be evaluated for one row alone.
 */
void
refuse_unevaluable(ParseState *pstate, Node *expr)
{
	(void) refuse_walker(expr, pstate);
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
mutable_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_mutable_function, context) ||
		IsA(node, SQLValueFunction))
		return true;
	return expression_tree_walker(node, mutable_walker, context);
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
hint_of_settings(Oid funcid, const char *time_zone)
{
	if (funcid >= FirstNormalObjectId)
		return "If the function gives the same under all settings, declare it IMMUTABLE.";
	if (funcid == LOYALTY_TIMESTAMPTZ_IN_ZONE || funcid == LOYALTY_TIMESTAMP_IN_ZONE)
		return "An abbreviation means what the setting timezone_abbreviations says: name the time zone as in AT TIME ZONE 'Europe/Berlin'.";
	return psprintf("Name the time zone, as in (created_at AT TIME ZONE '%s')::date. For text, write a function that is IMMUTABLE, and sets DateStyle and TimeZone itself.",
					time_zone != NULL ? time_zone : "Europe/Berlin");
}

/* Does a function take the program's own time zone, which is no abbreviation? */
static bool
is_in_zone_of_program(Node *node, const char *time_zone)
{
	Node	   *zone;

	if (time_zone == NULL ||
		(called_function(node) != LOYALTY_TIMESTAMPTZ_IN_ZONE &&
		 called_function(node) != LOYALTY_TIMESTAMP_IN_ZONE))
		return false;
	zone = linitial(((FuncExpr *) node)->args);
	return IsA(zone, Const) && !((Const *) zone)->constisnull &&
		strcmp(TextDatumGetCString(((Const *) zone)->constvalue), time_zone) == 0;
}

/* What refuse_settings_walker() needs. */
typedef struct SettingsContext
{
	ParseState *pstate;
	const char *time_zone;
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
	if (is_in_zone_of_program(node, refused->time_zone))
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
			 errhint("%s", hint_of_settings(funcid, refused->time_zone)),
			 parser_errposition(refused->pstate, exprLocation(node))));
	return false;
}

/*
 * May the value of an expression depend on settings, as functions say that are not
 * immutable?
 */
bool
refuse_is_mutable(Node *expr)
{
	return mutable_walker(expr, NULL);
}

/*
 * Refuse what depends on settings; the time zone is that of the program.
 */
void
refuse_settings(ParseState *pstate, Node *expr, const char *time_zone, const char *what)
{
	SettingsContext refused = {.pstate = pstate,.time_zone = time_zone,.what = what};

	(void) refuse_settings_walker(expr, &refused);
}

/* Does a function depend on more than its arguments, and is it none of dates and times? */
static bool
asks_session(Oid function, void *context)
{
	Oid		   *types;
	int			count;

	if (func_volatile(function) == PROVOLATILE_IMMUTABLE)
		return false;
	(void) get_func_signature(function, &types, &count);
	for (int i = 0; i < count; i++)
		if (types[i] == DATEOID || types[i] == TIMESTAMPOID || types[i] == TIMESTAMPTZOID || types[i] == INTERVALOID)
			return false;
	return true;
}

static bool
session_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, asks_session, NULL))
	{
		*(Node **) context = node;
		return true;
	}
	return expression_tree_walker(node, session_walker, context);
}

/*
 * What asks the session, or reads tables, is not allowed in an expression over days: it may
 * call what is immutable, and functions of dates and times, which go by the time zone alone.
 */
void
refuse_session(ParseState *pstate, Node *expr, const char *what)
{
	Node	   *found = NULL;

	if (session_walker(expr, &found))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("%s must depend on nothing but the day", what),
				 errdetail("It calls what asks the session or reads tables."),
				 errhint("Use functions of dates and times, and others that are immutable."),
				 parser_errposition(pstate, exprLocation(found))));
}
