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

#include "miscadmin.h"
#include "utils/guc.h"

#include "owner.h"

static void
set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Fix the settings that SQL text and its meaning depend on; with a time zone,
 * that, too.  Returns what settings_end() wants.
 */
int
settings_begin(const char *time_zone)
{
	int			nest = NewGUCNestLevel();

	set("search_path", "pg_catalog, pg_temp");
	set("datestyle", "ISO, MDY");
	set("intervalstyle", "postgres");
	set("row_security", "off");
	if (time_zone != NULL)
		set("timezone", time_zone);
	return nest;
}

/*
 * Fix the time zone alone, if there is one.
 */
int
settings_begin_time_zone(const char *time_zone)
{
	int			nest = NewGUCNestLevel();

	if (time_zone != NULL)
		set("timezone", time_zone);
	return nest;
}

/*
 * Restore the settings.
 */
void
settings_end(int nest)
{
	AtEOXact_GUC(false, nest);
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
	SetUserIdAndSecContext(owner, scope->sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

/*
 * Be who one was.
 */
void
owner_leave(OwnerScope *scope)
{
	SetUserIdAndSecContext(scope->user, scope->sec_context);
	if (scope->guc_nest != 0)
		settings_end(scope->guc_nest);
}
