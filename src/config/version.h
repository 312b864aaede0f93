/*
 * version.h: has a program the layout that the installed extension needs?
 */
#ifndef LOYALTY_VERSION_H
#define LOYALTY_VERSION_H

/* Versions of what a program is made of: all 0 while it is not known. */
typedef struct Layouts
{
	int32		present;		/* of the program */
	int32		needed;			/* by the extension in this database */
	int32		library;		/* by the library that this session has loaded */
} Layouts;

extern Layouts version_layouts(Oid schema);
extern bool version_agrees(Layouts layouts);
extern char *version_difference(Layouts layouts);
extern char *version_hint(const char *program, Layouts layouts);
extern void version_require(Oid schema);

#endif
