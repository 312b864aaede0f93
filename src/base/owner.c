/*
 * owner.c: acting as the owner of a program.
 *
 * The expressions of a program, and the queries on its tables, run with the
 * rights of the program's owner, in a security-restricted operation, and with
 * settings that nobody else can choose: else the role that inserts an order
 * could decide with its search_path what code the owner runs, or with its
 * TimeZone what a day is.  Settings are restored whatever was done to them, as
 * PostgreSQL itself does around index expressions.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "layout.h"
#include "nested.h"
#include "owner.h"

/*
 * Setting a value costs more than looking at it, and most sessions, and all
 * that is nested, have most of these values already.
 */
static void
set(const char *name, const char *value)
{
	const char *present = GetConfigOption(name, true, false);

	if (present == NULL || strcmp(present, value) != 0)
		(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

/* The same for a setting that not every release has, new minor ones included. */
static void
set_if_known(const char *name, const char *value)
{
	if (GetConfigOption(name, true, false) != NULL)
		set(name, value);
}

/* What code is found, what rows are seen, and how values become text. */
static void
set_all(const char *time_zone)
{
	set("search_path", "pg_catalog, pg_temp");
	set("row_security", "off");
	set_if_known("restrict_nonsystem_relation_kind", "");
	set("bytea_output", "hex");
	set("extra_float_digits", "1");
	set("lc_monetary", "C");
	set("lc_numeric", "C");
	set("lc_time", "C");
	set("xmlbinary", "base64");
	set("xmloption", "content");
	set("timezone_abbreviations", "Default");
	set("default_text_search_config", "pg_catalog.simple");
	/* how stored text is read, and written */
	set("standard_conforming_strings", "on");
	set("array_nulls", "on");
	set("transform_null_equals", "off");
	set("quote_all_identifiers", "off");
	/* what would show the text of expressions to the client */
	set("debug_print_parse", "off");
	set("debug_print_rewritten", "off");
	set("debug_print_plan", "off");
	if (client_min_messages < NOTICE)
		set("client_min_messages", "notice");
	if (time_zone != NULL)
		set("TimeZone", time_zone);
}

/*
 * Do functions of the extension write the configuration, as they say themselves?
 */
bool
settings_tell_writing(void)
{
	const char *tracking = GetConfigOption("loyalty.tracking", true, false);

	return tracking != NULL && strcmp(tracking, "on") == 0;
}

/*
 * Whoever writes the configuration by functions of the extension says so himself, and
 * not for what is called meanwhile.
 */
void
settings_not_writing(void)
{
	set_if_known("loyalty.tracking", "off");
}

/*
 * Fix the settings that SQL text and its meaning depend on; with a time zone,
 * that, too.  Returns what settings_end() wants.
 */
int
settings_begin(const char *time_zone)
{
	int			nest = NewGUCNestLevel();

	set_all(time_zone);
	set("DateStyle", "ISO, MDY");
	set("IntervalStyle", "postgres");
	settings_not_writing();
	return nest;
}

/*
 * The same for the moment when somebody writes an expression: dates and
 * intervals are read as the writer's session has it.
 */
int
settings_begin_writing(void)
{
	int			nest = NewGUCNestLevel();

	set_all(NULL);
	return nest;
}

/*
 * Fix, within settings_begin(), how look-ups by key are planned: by index, even
 * while tables are tiny, since the plans are kept while the tables grow; without
 * index-only scans and parallel workers, which do not work with every snapshot (see
 * snapshot.c); and without JIT, which costs more than a look-up.
 */
void
settings_look_up(void)
{
	set("enable_seqscan", "off");
	set("enable_indexonlyscan", "off");
	set("enable_bitmapscan", "off");
	set("max_parallel_workers_per_gather", "0");
#if PG_VERSION_NUM >= 140000
	set("enable_memoize", "off");
#endif
	set("jit", "off");
}

/*
 * Tell the functions that check what somebody writes where his session looks names
 * up, within owner_enter_writing().
 */
void
settings_tell_search_path(const char *search_path)
{
	set("loyalty.search_path", search_path);
}

/*
 * Fix, within owner_enter(), what else could change an answer: the language of the
 * errors that it tells, which only a superuser can choose, and what makes indexes
 * find a part of the rows only.
 */
void
settings_answer(void)
{
	(void) set_config_option("lc_messages", "C", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	set("gin_fuzzy_search_limit", "0");
}

/*
 * Fix, within owner_enter(), how whole tables are compared with each other: by whatever
 * the planner finds best, whatever the session has switched off, but without what a bad
 * guess makes quadratic (there may be no statistics yet), or slow where each row is
 * computed once: nested loops, and what remembers the results of their inner sides.
 */
void
settings_compute(void)
{
	static const char *const methods[] = {
		"enable_bitmapscan", "enable_hashagg", "enable_hashjoin", "enable_incremental_sort",
		"enable_indexonlyscan", "enable_indexscan", "enable_material", "enable_mergejoin",
		"enable_parallel_append", "enable_parallel_hash", "enable_partition_pruning",
		"enable_seqscan", "enable_sort", "enable_tidscan"
	};

	for (int m = 0; m < lengthof(methods); m++)
		set_if_known(methods[m], "on");
	set("enable_nestloop", "off");
	set_if_known("enable_memoize", "off");
	set("jit", "off");
	set("geqo", "off");
	set("from_collapse_limit", "12");
	set("join_collapse_limit", "12");
	if (work_mem < 65536)
		set("work_mem", "65536");
}

/*
 * Fix the time zone, too, within settings_begin() or owner_enter().
 */
void
settings_time_zone(const char *time_zone)
{
	set("TimeZone", time_zone);
}

/*
 * Take the search_path of somebody who writes an expression, if it is given, and the
 * time zone of the program, if there is one.
 */
int
settings_begin_parsing(const char *search_path, const char *time_zone)
{
	int			nest = NewGUCNestLevel();

	if (search_path != NULL)
		set("search_path", search_path);
	if (time_zone != NULL)
		set("TimeZone", time_zone);
	return nest;
}

/*
 * Restore the settings.
 */
void
settings_end(int nest)
{
	Assert(nest > 0);
	AtEOXact_GUC(false, nest);
}

/* Become the owner, in settings that are fixed by now, if they are. */
static void
become(OwnerScope *scope, Oid owner)
{
	Assert(OidIsValid(owner));
	scope->owner = owner;
	nested_begin_work();
	SetUserIdAndSecContext(owner, scope->sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

/*
 * Become the owner.  The settings need not be fixed if nothing that follows
 * depends on any.
 */
void
owner_enter(OwnerScope *scope, Oid owner, bool fix_settings, const char *time_zone)
{
	GetUserIdAndSecContext(&scope->user, &scope->sec_context);
	scope->guc_nest = fix_settings ? settings_begin(time_zone) : 0;
	become(scope, owner);
}

/*
 * Become the owner for somebody who writes an expression.
 */
void
owner_enter_writing(OwnerScope *scope, Oid owner)
{
	GetUserIdAndSecContext(&scope->user, &scope->sec_context);
	scope->guc_nest = settings_begin_writing();
	become(scope, owner);
}

/*
 * Be who one was.
 */
void
owner_leave(OwnerScope *scope)
{
	/* Whoever became somebody else meanwhile has come back. */
	Assert(GetUserId() == scope->owner);
	SetUserIdAndSecContext(scope->user, scope->sec_context);
	nested_end();
	if (scope->guc_nest != 0)
		settings_end(scope->guc_nest);
}

/*
 * The schema and the owner of a program, or an error.
 */
Oid
owner_of_program(const char *program, Oid *schema)
{
	*schema = get_namespace_oid(program, true);
	/* what else was dropped is told by who needs it, and made again by upgrade_program() */
	if (!OidIsValid(*schema) ||
		!OidIsValid(get_relname_relid("program", *schema)) ||
		!OidIsValid(get_relname_relid("tracked_table", *schema)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" does not exist", program),
				 errhint("The view loyalty.programs lists the programs of this database.")));
	return layout_check_owner(*schema);
}

/*
 * An error unless the owner of a program may call a function of the extension, as whom
 * it is called: REASSIGN OWNED gives programs to roles that may not.
 */
void
owner_require_call(Oid owner, const char *function)
{
	CatCList   *found = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(function));
	Oid			api = get_namespace_oid("loyalty", true);
	Oid			internal = get_namespace_oid("_loyalty", true);
	bool		allowed = true;

	for (int i = 0; i < found->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&found->members[i]->tuple);

		if ((proc->pronamespace == api || proc->pronamespace == internal) && !loyalty_may_execute(proc->oid, owner))
			allowed = false;
	}
	ReleaseSysCacheList(found);
	if (!allowed)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not call the functions of loyalty", GetUserNameFromId(owner, false)),
				 errdetail("It owns the program, which calls its function %s() as this role.", function),
				 errhint("Let a superuser do it: GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO %s;",
						 quote_identifier(GetUserNameFromId(owner, false)))));
}

/*
 * May code of a role run with the rights of another?  If the role has these
 * rights anyway, or is a superuser.
 */
bool
owner_trusts(Oid owner, Oid role)
{
	return role == owner || superuser_arg(role) || has_privs_of_role(role, owner);
}
