/*
 * cppcheck.h: what tools/lint tells cppcheck of PostgreSQL's macros, whose own
 * headers it is spared: which loop, and which end the function.
 */
#define ERROR 21
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define foreach(cell, list) for (cell = list_head(list); cell; cell = lnext(list, cell))
#define forboth(cell1, list1, cell2, list2) \
	for (cell1 = list_head(list1), cell2 = list_head(list2); cell1 && cell2; \
		 cell1 = lnext(list1, cell1), cell2 = lnext(list2, cell2))
#define PG_TRY() if (1) {
#define PG_CATCH() } else {
#define PG_FINALLY() } {
#define PG_END_TRY() }
#define ereport(level, rest) do { rest; if (level == ERROR) abort(); } while (0)
#define elog(level, ...) do { if (level == ERROR) abort(); } while (0)
