/*
 * writer.h: the one way in which rows of a program are written.
 */
#ifndef LOYALTY_WRITER_H
#define LOYALTY_WRITER_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

typedef struct Writer Writer;

extern void writer_require_writable(void);
extern bool writer_is_plain(Relation heap);
extern Writer *writer_begin(Relation heap, Relation key, bool plain);
extern void writer_insert(Writer *writer, TupleTableSlot **slots, int count,
						  bool *conflict);
extern void writer_delete(Writer *writer, ItemPointer tids, int count);
extern void writer_end(Writer *writer);

#endif							/* LOYALTY_WRITER_H */
