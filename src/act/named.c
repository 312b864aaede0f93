/*
 * named.c: the wallet that a call names, and those that it may take points from.
 *
 * A call that names no wallet gives points to wallet 1, and takes them from all wallets that
 * can be spent from, in the order of the terms in force.  One that names a wallet is about
 * that alone.  A wallet that cannot be spent from has points that are shown, and neither
 * redeemed, held nor transferred: they are no part of what a customer can spend.
 *
 * Whoever names a wallet holds its row to the end of the transaction, so that it is neither
 * deleted nor made another kind of wallet while its first points come; and whoever waited for
 * that goes by the terms that are in force then.  Most programs have
 * one wallet, and most customers points in it alone: then nothing here is looked up.
 *
 * The ledger does not say whether a wallet was named.  A call that is repeated is the same if
 * what it did is what it asks for now: all that it gave or took is in the wallet that is
 * named, or if none is, in those that it could have been in then.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "authorize.h"
#include "compat.h"
#include "number.h"
#include "wallet.h"

static const int32 first_wallet[] = {LOTS_DEFAULT_WALLET};

/* See kept_execute() for the placeholders; the customer is not asked for. */
static const char named_wallet[] =
"SELECT w.wallet::pg_catalog.int4 AS %2$s, w.redeemable::pg_catalog.bool FROM %1$s.wallet w"
" WHERE w.name OPERATOR(pg_catalog.=) $2 FOR SHARE";

/*
 * Let a purse know which wallets can be spent from, in their order, if it, or what shall come
 * to it, has points in others than the first one.
 */
void
authorize_know_wallets(Authorization *auth, Purse *purse, const LotList *others)
{
	Terms	   *terms;

	if (purse->wallets > 0 ||
		(auth->wallet == 0 && purse_is_of(purse->lots, first_wallet, 1) &&
		 (others == NULL || purse_is_of(others, first_wallet, 1))))
		return;
	terms = terms_find(auth->posting.program_relid, auth->terms);
	purse->wallet = terms->redeemable;
	purse->wallets = terms->redeemables;
}

/* The wallet is none to be redeemed, held or transferred from. */
static void
refuse_status(Authorization *auth)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("points of the wallet \"%s\" cannot be spent", auth->wallet_name),
			 errdetail("The wallet \"%s\" of loyalty program \"%s\" is not redeemable: its points are neither redeemed, held nor transferred.",
					   auth->wallet_name, auth->program),
			 errhint("Name another wallet of the table %s.wallet, or none.", quote_identifier(auth->program))));
}

/*
 * The wallet of a name, or none if that is NULL; after the account was locked.  One that
 * "spends" must be of points that can be.
 */
void
authorize_choose_wallet(Authorization *auth, text *name, bool spends)
{
	Oid			types[2] = {auth->asked_type, TEXTOID};
	Datum		values[2] = {auth->asked, PointerGetDatum(name)};
	bool		redeemable;
	bool		isnull;

	if (name == NULL)
		return;
	auth->wallet_name = TextDatumGetCString(values[1]);
	kept_execute(auth->plans, KEPT_WALLET, named_wallet, 2, types, values, SPI_OK_SELECT);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_UNKNOWN_WALLET),
				 errmsg("loyalty program \"%s\" has no wallet \"%s\"", auth->program, auth->wallet_name),
				 errdetail("No row of the table \"wallet\" has the name \"%s\".", auth->wallet_name),
				 auth->wallet_name[0] != '\0' && strspn(auth->wallet_name, "0123456789") == strlen(auth->wallet_name) ?
				 errhint("Calls take the name of a wallet, and not its number: SELECT name FROM %s.wallet WHERE wallet = %s.",
						 quote_identifier(auth->program), auth->wallet_name) :
				 errhint("SELECT name FROM %s.wallet tells which wallets there are; INSERT one, or leave the argument out.",
						 quote_identifier(auth->program))));
	auth->wallet = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	redeemable = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	SPI_freetuptable(SPI_tuptable);
	/* those that the wallet is in, as it was locked now */
	authorize_read_terms(auth);
	if (spends && !redeemable)
		refuse_status(auth);
	auth->is_status = !redeemable;
	auth->purse->wallets = 0;
	authorize_know_wallets(auth, auth->purse, NULL);
}

/*
 * The same, of an argument.
 */
void
authorize_name_wallet(Authorization *auth, FunctionCallInfo fcinfo, int argument, bool spends)
{
	authorize_choose_wallet(auth, PG_ARGISNULL(argument) ? NULL : PG_GETARG_TEXT_PP(argument), spends);
}

/*
 * How many points the named wallet has for a call: no more than can be spent, unless these
 * are no points to be spent at all.
 */
Datum
authorize_in_wallet(Authorization *auth)
{
	Datum		points = purse_available_in(auth->purse, &auth->wallet, 1, auth->at);

	if (!auth->is_status && DatumGetBool(DirectFunctionCall2(numeric_lt, auth->present, points)))
		points = auth->present;
	return points;
}

/*
 * A call that takes points from several wallets says by which terms it did, since these have the
 * order in which it came to them: what it took comes back the other way round, whatever the
 * order is by then.  Such terms are not removed.
 */
void
authorize_note_order(Authorization *auth, Call *call)
{
	LotList    *change;
	int			wallets = 0;
	int32		wallet = 0;

	call->terms = 0;
	if (strcmp(call->kind, REDEMPTION) != 0 && strcmp(call->kind, HOLD) != 0 &&
		strcmp(call->kind, ADJUSTMENT) != 0 && strcmp(call->kind, TRANSFER) != 0)
		return;
	if (call->lots == (Datum) 0 || DatumGetBool(DirectFunctionCall2(numeric_ge, call->points, number_zero())))
		return;
	/* sorted by wallet */
	change = purse_change(call->points, call->lots);
	for (int i = 0; i < change->count; i++)
		if (change->lot[i].points < 0 && (wallets == 0 || change->lot[i].wallet != wallet))
		{
			wallet = change->lot[i].wallet;
			wallets++;
		}
	if (wallets < 2)
		return;
	call->terms = auth->terms;
	terms_note_posted(get_rel_namespace(auth->posting.program_relid), list_make1_int(call->terms));
}

/*
 * Give back so many points of what was taken, what was taken last by the terms of that call
 * first, and return these.
 */
LotList *
authorize_give_back(Authorization *auth, const LotList *taken, int32 terms, Datum points)
{
	Purse	   *purse = auth->purse;
	const int32 *wallet;
	int			wallets;
	LotList    *given;

	authorize_know_wallets(auth, purse, taken);
	wallet = purse->wallet;
	wallets = purse->wallets;
	if (terms != 0)
	{
		Terms	   *then = terms_find(auth->posting.program_relid, terms);

		purse->wallet = then->redeemable;
		purse->wallets = then->redeemables;
	}
	given = purse_give_back(purse, taken, purse_points(points));
	purse->wallet = wallet;
	purse->wallets = wallets;
	return given;
}

/*
 * Is what a recorded call did in wallets that it could be in, as it is repeated now?
 */
bool
authorize_fits_wallet(Authorization *auth, const Call *found)
{
	LotList    *lots = purse_change(found->points, found->lots);
	bool		gives = DatumGetBool(DirectFunctionCall2(numeric_gt, found->points, number_zero()));

	if (auth->wallet != 0)
		return purse_is_of(lots, &auth->wallet, 1);
	if (gives || purse_is_of(lots, first_wallet, 1))
		return purse_is_of(lots, first_wallet, 1);
	authorize_know_wallets(auth, auth->purse, lots);
	return purse_is_of(lots, auth->purse->wallet, auth->purse->wallets);
}
