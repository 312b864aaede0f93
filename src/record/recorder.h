/*
 * recorder.h: writes how touched orders stand to the journal.
 */
#ifndef LOYALTY_RECORDER_H
#define LOYALTY_RECORDER_H

#include "access/htup_details.h"

#include "order.h"

typedef struct Recorder Recorder;

/* What the caller knows of the orders that it will put. */
typedef enum RecorderMode
{
	RECORD_ROWS,				/* they may have been recorded before */
	RECORD_NEW,					/* they are most likely new */
	RECORD_CURRENT				/* only which they are: read them from the tables */
} RecorderMode;

extern Recorder *recorder_begin(TrackedTable *table, RecorderMode mode,
								int64 expected);
extern void recorder_put(Recorder *rec, Order *order, TupleTableSlot *row);
extern int64 recorder_finish(Recorder *rec);

#endif							/* LOYALTY_RECORDER_H */
