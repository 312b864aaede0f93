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
	RECORD_CURRENT,				/* only which they are: read all from the tables */
	RECORD_ANEW					/* they begin anew (see rerate.c) */
} RecorderMode;

extern Recorder *recorder_begin(TrackedTable *table, RecorderMode mode,
								int64 expected);
extern Recorder *recorder_begin_all(TrackedTable *table, RecorderMode mode);
extern void recorder_at(Recorder *rec, TimestampTz moment);
extern void recorder_reject(Recorder *rec);
extern const OrderState *recorder_bring(Recorder *rec, const Order *was, const Order *is);
extern void recorder_put_left(Recorder *rec, const Order *order);
extern void recorder_put(Recorder *rec, const Order *order, TupleTableSlot *row,
						 const OrderState *brought);
extern int64 recorder_finish(Recorder *rec);

#endif							/* LOYALTY_RECORDER_H */
