/*
 * module.c: what happens when the library is loaded.
 */
#include "postgres.h"
#include "fmgr.h"

#include "program.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	program_cache_init();
}
