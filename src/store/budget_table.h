/*
 * budget_table.h: the rows of budgets of earning rules.
 */
#ifndef LOYALTY_BUDGET_TABLE_H
#define LOYALTY_BUDGET_TABLE_H

#include "access/htup.h"

typedef struct BudgetTable BudgetTable;

/* A row, which is locked. */
typedef struct BudgetRow
{
	Datum		points;			/* numeric: how many there are */
	Datum		given;			/* numeric: how many orders have */
	HeapTuple	tuple;			/* the row as it was read */
} BudgetRow;

extern BudgetTable *budget_table_open(Oid schema);
extern bool budget_table_lock(BudgetTable *table, const char *name, BudgetRow *row);
extern void budget_table_write(BudgetTable *table, const BudgetRow *row);
extern void budget_table_close(BudgetTable *table);

#endif							/* LOYALTY_BUDGET_TABLE_H */
