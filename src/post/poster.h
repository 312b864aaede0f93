/*
 * poster.h: posting the entries of some customers.
 */
#ifndef LOYALTY_POSTER_H
#define LOYALTY_POSTER_H

#include "fmgr.h"

#include "accrual.h"

/*
 * Is told of each entry that is posted: what its customer had before, as points and lots or
 * (Datum) 0, and whether it was to take points back that were not there.
 */
typedef void (*PostingListener) (void *arg, const RecordedEntry *entry, Datum points_before, Datum lots_before, bool is_short);

/* What a batch of posting is about: a program, and customers of it. */
typedef struct Posting
{
	const char *name;			/* of the program, as messages show it */
	const char *program;		/* the same as SQL, quoted if need be */
	Oid			program_relid;
	Oid			journal;
	Oid			ledger;
	Oid			key_type;
	int16		key_length;
	bool		key_by_value;
	char		key_align;
	FmgrInfo	compare;
	Oid			collation;
	char	   *operators[3];	/* =, >= and <= of customers as SQL */
	Datum	   *customers;		/* in key order */
	int			count;
	int			failed;			/* how many of them could not be posted */
	int			cut;			/* the first of them that has more than were posted; or
								 * their count */
	Datum		last;			/* the customer to go on behind */
	PostingListener tell;		/* or NULL */
	void	   *tell_arg;
} Posting;

extern void posting_begin(Posting *batch, const char *program, Oid schema);
extern int	posting_compare_customers(Posting *batch, Datum a, Datum b);
extern Datum posting_copy_customer(Posting *batch, Datum customer);
extern Datum posting_customer_array(Posting *batch, Datum *customers, int count);
extern text *posting_key_to_text(Posting *batch, Datum key);
extern Datum posting_key_from_text(Posting *batch, text *key);
extern int64 posting_run(Posting *batch, Datum *customers, int count);
extern Snapshot posting_snapshot(void);

#endif							/* LOYALTY_POSTER_H */
