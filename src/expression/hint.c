/*
 * hint.c: what an error says of a name that is not known: which names there are,
 * and the one that is most like it first; of one that is a word of SQL; and of
 * lengths of time that are written without their type.
 */
#include "postgres.h"

#include <ctype.h>

#include "common/keywords.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "hint.h"

/* How many columns of a row a hint lists. */
#define MAX_LISTED 40

/* What a hint says of a name that is not known. */
typedef struct Suggestion
{
	const char *name;			/* the name that was written */
	StringInfoData known;		/* every name that there is, by row */
	const char *nearest;		/* the one that is most alike, or NULL */
	int			distance;
} Suggestion;

/*
 * Is this name more like the one that was written than those before?  Of two that are as much
 * alike, the longer one is, for it has more of what was written: "amnt" is "amount", not "at".
 */
static void
suggest_name(Suggestion *suggestion, const char *name)
{
	int			limit = Min(suggestion->distance, (int) strlen(suggestion->name) / 2);
	int			distance;

	if (limit < 1 || strlen(name) > NAMEDATALEN || strlen(suggestion->name) > NAMEDATALEN)
		return;
	distance = varstr_levenshtein_less_equal(suggestion->name, strlen(suggestion->name),
											 name, strlen(name), 1, 1, 1, limit, true);
	if (distance > limit ||
		(distance == suggestion->distance && strlen(name) <= strlen(suggestion->nearest)))
		return;
	suggestion->distance = distance;
	suggestion->nearest = name;
}

/* Is a field of the facts one that no expression should name? Its kinds of events, and the customer's row, are rows of their own. */
static bool
is_internal(const char *row, const char *column)
{
	return strcmp(row, "facts") == 0 && (strcmp(column, "events") == 0 || strcmp(column, "customer_row") == 0);
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

		if (name[0] == '\0' || is_internal(row, name))	/* it was dropped */
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
 * is, with the name that is most like it first.  more: what else the hint says.
 */
Node *
hint_unknown_column(ParseState *pstate, ColumnRef *cref, Node *var, const char *more)
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
				 errhint("Known here: %s.%s", suggestion.known.data, more),
				 parser_errposition(pstate, cref->location)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 row == NULL ? errmsg("column \"%s\" does not exist", suggestion.name) :
			 errmsg("column %s.%s does not exist", row, suggestion.name),
			 suggestion.known.len == 0 ? errhint("The expression can use constants only.") :
			 suggestion.nearest == NULL ? errhint("Known here: %s.%s", suggestion.known.data, more) :
			 errhint("Perhaps you meant \"%s\". Known here: %s.%s", suggestion.nearest, suggestion.known.data, more),
			 parser_errposition(pstate, cref->location)));
	return NULL;				/* keep compiler quiet */
}

/*
 * A plain name that several rows have is an error, whose hint says how to name each of them.
 */
void
hint_ambiguous_column(ParseState *pstate, ColumnRef *cref)
{
	StringInfoData names;
	const char *name;
	int			count = 0;
	ListCell   *lc;

	if (list_length(cref->fields) != 1 || !IsA(linitial(cref->fields), String))
		return;
	name = strVal(linitial(cref->fields));
	initStringInfo(&names);
	foreach(lc, pstate->p_namespace)
	{
		ParseNamespaceItem *item = (ParseNamespaceItem *) lfirst(lc);
		Alias	   *alias = item->p_rte->eref;
		ListCell   *col;

		foreach(col, alias->colnames)
		{
			if (!item->p_cols_visible || strcmp(strVal(lfirst(col)), name) != 0)
				continue;
			appendStringInfo(&names, "%s%s.%s", count++ == 0 ? "" : " or ", quote_identifier(alias->aliasname), quote_identifier(name));
		}
	}
	if (count > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("column reference \"%s\" is ambiguous", name),
				 errhint("Say which one you mean: %s.", names.data),
				 parser_errposition(pstate, cref->location)));
	pfree(names.data);
}

/* Is there a row that has a column of this name? */
static bool
is_column(ParseState *pstate, const char *name)
{
	ListCell   *lc;
	ListCell   *col;

	foreach(lc, pstate->p_namespace)
	{
		foreach(col, ((ParseNamespaceItem *) lfirst(lc))->p_rte->eref->colnames)
			if (strcmp(strVal(lfirst(col)), name) == 0)
			return true;
	}
	return false;
}

/*
 * A column that bears the name of a keyword cannot be written plainly, as "order": the
 * hint for the first word, behind SELECT, that is one, or NULL.
 */
const char *
hint_keyword_column(ParseState *pstate)
{
	const char *c = pstate->p_sourcetext + strlen("SELECT ");

	while (*c != '\0')
	{
		const char *begin = c;
		char	   *word;
		int			keyword;

		if (*c == '\'' || *c == '"')
		{
			c = strchr(c + 1, *begin);
			if (c == NULL)
				return NULL;
			c++;
			continue;
		}
		while (isalnum((unsigned char) *c) || *c == '_' || IS_HIGHBIT_SET(*c))
			c++;
		if (c == begin)
		{
			c++;
			continue;
		}
		word = downcase_truncate_identifier(begin, c - begin, false);
		keyword = ScanKeywordLookup(word, &ScanKeywords);
		if (keyword >= 0 && ScanKeywordCategories[keyword] != UNRESERVED_KEYWORD &&
			is_column(pstate, word))
			return psprintf("The name of the column \"%s\" is a word of SQL: write it in double quotes, as in '%s'.",
							word, quote_identifier(word));
		pfree(word);
	}
	return NULL;
}

/* Does "interval", and maybe a quote, come just before a place in a text? */
static bool
is_interval(const char *text, const char *place)
{
	static const char word[] = "interval";

	while (place > text &&strchr(" \t\r\n'", place[-1]) != NULL)
		place--;
	return place - text >=strlen(word) && pg_strncasecmp(place - strlen(word), word, strlen(word)) == 0;
}

/* Is a number followed by a unit of time, as in 30 days, which is no interval? */
static bool
has_bare_span(const char *text)
{
	static const char *const units[] = {"second", "minute", "hour", "day", "week", "month", "quarter", "year"};

	for (const char *c = text; (c = strpbrk(c, "0123456789")) != NULL;)
	{
		bool		is_bare = !is_interval(text, c);

		c += strspn(c, "0123456789");
		c += strspn(c, " \t\r\n");
		for (int i = 0; i < lengthof(units) && is_bare; i++)
			if (pg_strncasecmp(c, units[i], strlen(units[i])) == 0)
				return true;
	}
	return false;
}

/*
 * The hint for a span of time that PostgreSQL has not taken for one: of '30 days' alone it
 * knows no type, or takes it for a day or moment.  code: of the error; day: to which it could be
 * added, or NULL.  NULL: the error is another one.
 */
const char *
hint_span(const char *text, int code, const char *day)
{
	if ((code != ERRCODE_SYNTAX_ERROR && code != ERRCODE_INVALID_DATETIME_FORMAT && code != ERRCODE_AMBIGUOUS_FUNCTION) ||
		!has_bare_span(text))
		return NULL;
	if (day != NULL)
		return psprintf("A length of time is written with its type, and added to a day: %s + interval '30 days'.", day);
	return "A length of time is written with its type, as in interval '30 days', and added to or taken from a time.";
}
