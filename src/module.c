/*
 * module.c: what happens when the library is loaded.
 */
#include "postgres.h"
#include "fmgr.h"

#include "append_only.h"
#include "program.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	append_only_init();
	program_cache_init();
}
