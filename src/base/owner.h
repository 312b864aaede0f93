/*
 * owner.h: acting as the owner of a program.
 */
#ifndef LOYALTY_OWNER_H
#define LOYALTY_OWNER_H

/* What to go back to. */
typedef struct OwnerScope
{
	Oid			user;
	Oid			owner;			/* who one is meanwhile */
	int			sec_context;
	int			guc_nest;		/* 0: settings are those of the session */
} OwnerScope;

extern int	settings_begin(const char *time_zone);
extern int	settings_begin_writing(void);
extern bool settings_tell_writing(void);
extern void settings_not_writing(void);
extern void settings_look_up(void);
extern void settings_tell_search_path(const char *search_path);
extern void settings_answer(void);
extern void settings_compute(void);
extern void settings_time_zone(const char *time_zone);
extern int	settings_begin_parsing(const char *search_path, const char *time_zone);
extern void settings_end(int nest);
extern void owner_enter(OwnerScope *scope, Oid owner, bool fix_settings,
						const char *time_zone);
extern void owner_enter_writing(OwnerScope *scope, Oid owner);
extern void owner_leave(OwnerScope *scope);
extern Oid	owner_of_program(const char *program, Oid *schema);
extern void owner_require_call(Oid owner, const char *function);
extern bool owner_trusts(Oid owner, Oid role);

#endif							/* LOYALTY_OWNER_H */
