/*
 * server.c: as much of the server as the code needs that is tested without one.
 *
 * Memory is never freed, an error ends the test, and a numeric is its text.
 */
#include "postgres.h"

#include <signal.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#undef palloc
#undef palloc0
#undef repalloc
#undef pstrdup
#undef qsort
#undef printf
#undef vprintf
#undef vsnprintf

volatile sig_atomic_t InterruptPending = false;

void
ProcessInterrupts(void)
{
}

void *
palloc(Size size)
{
	return malloc(Max(size, 1));
}

void *
palloc0(Size size)
{
	return calloc(1, Max(size, 1));
}

void *
repalloc(void *pointer, Size size)
{
	return realloc(pointer, size);
}

char *
pstrdup(const char *text)
{
	return strdup(text);
}

char *
psprintf(const char *format,...)
{
	char		text[1000];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return strdup(text);
}

void
pfree(void *pointer)
{
}

void
pg_qsort(void *base, size_t count, size_t size, int (*compare) (const void *, const void *))
{
	qsort(base, count, size, compare);
}

/* Values are never compressed, nor stored elsewhere. */
struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	return datum;
}

/* A numeric is its text: so numeric_in and numeric_out are the same. */
Datum
DirectFunctionCall1Coll(PGFunction function, Oid collation, Datum value)
{
	return value;
}

Datum
DirectFunctionCall3Coll(PGFunction function, Oid collation, Datum value, Datum second, Datum third)
{
	return PointerGetDatum(strdup((char *) DatumGetPointer(value)));
}

bool
numeric_is_nan(Numeric number)
{
	return false;
}

bool
numeric_is_inf(Numeric number)
{
	return false;
}

bool
errstart(int level, const char *domain)
{
	return true;
}

bool
errstart_cold(int level, const char *domain)
{
	return true;
}

int
errcode(int sqlstate)
{
	return 0;
}

int
errmsg(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	return 0;
}

int
errmsg_internal(const char *format,...)
{
	return 0;
}

int
errdetail(const char *format,...)
{
	return 0;
}

int
errhint(const char *format,...)
{
	return 0;
}

void
errfinish(const char *file, int line, const char *function)
{
	printf("\nnot ok - an error in %s, line %d\n", file, line);
	exit(1);
}

#if PG_VERSION_NUM >= 160000
void
ExceptionalCondition(const char *condition, const char *file, int line)
#else
void
ExceptionalCondition(const char *condition, const char *kind, const char *file, int line)
#endif
{
	printf("not ok - %s does not hold in %s, line %d\n", condition, file, line);
	exit(1);
}
