/*
 * lots_io.c: lots as text, and as what binary protocols send.
 *
 * Text is what a person can write, in UTC and ISO 8601 whatever the settings are:
 *
 *	   {100, 50 from 2026-01-15T00:00:00Z until 2027-01-01T00:00:00.5Z, wallet 2: 30}
 *
 * Years have four digits or more, and those before the year 1 are counted as astronomers
 * do: 0000 is 1 BC, -0001 is 2 BC.  What the output would not print is refused, but for
 * blanks, zeros behind the decimals of a number or of a second, days instead of the moment
 * at which they begin, and lots in another order or twice.
 *
 * Binary, all numbers in network byte order:
 *
 *	   int8		format, 1
 *	   int8		scale: how many decimals all points have, as few as they need
 *	   int32	how many lots follow
 *	   each		int32 wallet, int64 available_at, int64 expires_at (as timestamptz is sent),
 *				int128 points, as an integer of this scale, high half first
 *
 * Lots are in the order of a list.  What was not sent like this is refused.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lots.h"

#define BINARY_FORMAT 1
#define BINARY_LOT_SIZE (4 + 8 + 8 + 16)

/* What of a text an error shows. */
#define SHOWN_BYTES 40

/* Digits that a number can have: see exact.h. */
#define MAX_DIGITS 38

/* Text that is read. */
typedef struct Parser
{
	const char *place;
	LotList    *list;
	Node	   *context;		/* where errors are told instead of raised, or NULL */
	int			whole_digits;	/* the most that a number has before its point */
	int			scale;			/* the most that one has behind it */
} Parser;

PG_FUNCTION_INFO_V1(loyalty_lots_in);
PG_FUNCTION_INFO_V1(loyalty_lots_out);
PG_FUNCTION_INFO_V1(loyalty_lots_recv);
PG_FUNCTION_INFO_V1(loyalty_lots_send);

/* Tell that something else should be where the parser is; returns false. */
static bool
refuse_text(Parser *parser, const char *expected)
{
	int			length = pg_mbcliplen(parser->place, strlen(parser->place), SHOWN_BYTES);

	loyalty_ereturn(parser->context, false,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid input syntax for type loyalty.lots"),
					 *parser->place == '\0' ? errdetail("The text ends where %s should be.", expected) :
					 errdetail("\"%.*s\" stands where %s should be.", length, parser->place, expected),
					 errhint("Write lots like this: {100, 50 from 2026-01-15 until 2026-12-31T23:00:00Z, wallet 2: 30}.")));
}

static void
skip_blanks(Parser *parser)
{
	parser->place += strspn(parser->place, " \t\r\n");
}

/* Skip a character that has a meaning, and the blanks before it, if it is there. */
static bool
skip(Parser *parser, char wanted)
{
	skip_blanks(parser);
	if (*parser->place != wanted)
		return false;
	parser->place++;
	return true;
}

/* Skip a word, and the blanks before it, if it is there. */
static bool
skip_word(Parser *parser, const char *wanted)
{
	size_t		length = strlen(wanted);

	skip_blanks(parser);
	if (strcspn(parser->place, " \t\r\n,:{}") != length ||
		strncmp(parser->place, wanted, length) != 0)
		return false;
	parser->place += length;
	return true;
}

/* How many digits are at a place. */
static int
count_digits(const char *place)
{
	return strspn(place, "0123456789");
}

/* Read so many digits. */
static bool
read_digits(const char **place, int digits, int *number)
{
	*number = 0;
	for (; digits > 0; digits--, (*place)++)
	{
		if (**place < '0' || **place > '9')
			return false;
		*number = *number * 10 + (**place - '0');
	}
	return true;
}

/* Read a year: four digits, or more if it needs them. */
static bool
read_year(const char **place, int *year)
{
	bool		negative = **place == '-';
	int			digits;

	if (negative)
		(*place)++;
	digits = count_digits(*place);
	if (digits < 4 || digits > 6 || (digits > 4 && **place == '0') ||
		!read_digits(place, digits, year) || (negative && *year == 0))
		return false;
	if (negative)
		*year = -*year;
	return true;
}

/* Read the time of a day, with its second. */
static bool
read_time(const char **place, struct pg_tm *tm, fsec_t *fraction)
{
	int			digits;

	if (*(*place)++ != 'T' ||
		!read_digits(place, 2, &tm->tm_hour) || *(*place)++ != ':' ||
		!read_digits(place, 2, &tm->tm_min) || *(*place)++ != ':' ||
		!read_digits(place, 2, &tm->tm_sec))
		return false;
	if (**place == '.')
	{
		int			number;

		digits = count_digits(++*place);
		if (digits < 1 || digits > 6 || !read_digits(place, digits, &number))
			return false;
		for (; digits < 6; digits++)
			number *= 10;
		*fraction = number;
	}
	return *(*place)++ == 'Z' && tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

/*
 * Read a moment, or a day, which is the moment at which it begins.
 */
static bool
read_moment(Parser *parser, TimestampTz *moment)
{
	struct pg_tm tm = {0};
	fsec_t		fraction = 0;
	const char *place;

	skip_blanks(parser);
	place = parser->place;
	if (!read_year(&place, &tm.tm_year) || *place++ != '-' ||
		!read_digits(&place, 2, &tm.tm_mon) || *place++ != '-' ||
		!read_digits(&place, 2, &tm.tm_mday) ||
		tm.tm_mon < 1 || tm.tm_mon > MONTHS_PER_YEAR || tm.tm_mday < 1 ||
		tm.tm_mday > day_tab[isleap(tm.tm_year)][tm.tm_mon - 1] ||
		(*place == 'T' && !read_time(&place, &tm, &fraction)) ||
		strchr(" \t\r\n,}", *place) == NULL ||
		tm2timestamp(&tm, fraction, NULL, moment) != 0)
		return refuse_text(parser, "a moment in UTC, such as 2026-12-31T23:00:00Z, or a day");
	parser->place = place;
	return true;
}

/* Tell that points have too many digits, together with the other lots; returns false. */
static bool
refuse_digits(Parser *parser)
{
	loyalty_ereturn(parser->context, false,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("points out of range"),
					 errdetail("Points have at most %d decimals, and at most %d digits with as many decimals as any lot of the value has; here these are %d decimals and %d digits.",
							   EXACT_MAX_SCALE, MAX_DIGITS, parser->scale,
							   parser->whole_digits + parser->scale),
					 errhint("Round the points first.")));
}

/*
 * Read points: a decimal number that is not zero.
 */
static bool
read_points(Parser *parser, int128 *points, int *scale)
{
	bool		negative = skip(parser, '-');
	const char *whole = parser->place;
	int			digits = count_digits(whole);
	const char *point = whole + digits;
	const char *end = point;
	int			decimals = 0;

	if (*point == '.')
	{
		decimals = count_digits(point + 1);
		end = point + 1 + decimals;
	}
	if (digits == 0 || (digits > 1 && *whole == '0') || (end > point && decimals == 0) ||
		strchr(" \t\r\n,}", *end) == NULL)
		return refuse_text(parser, "points, such as 12.5,");
	while (decimals > 0 && point[decimals] == '0')
		decimals--;
	if (*whole == '0' && decimals == 0)
		return refuse_text(parser, "a number of points other than 0");
	parser->whole_digits = Max(parser->whole_digits, *whole == '0' ? 0 : digits);
	parser->scale = Max(parser->scale, decimals);
	if (parser->scale > EXACT_MAX_SCALE || parser->whole_digits + parser->scale > MAX_DIGITS)
		return refuse_digits(parser);

	*points = 0;
	for (int i = 0; i < digits; i++)
		*points = *points * 10 + (whole[i] - '0');
	for (int i = 1; i <= decimals; i++)
		*points = *points * 10 + (point[i] - '0');
	if (negative)
		*points = -*points;
	*scale = decimals;
	parser->place = end;
	return true;
}

/* Read the number of a wallet and the colon behind it. */
static bool
read_wallet(Parser *parser, int32 *wallet)
{
	int64		number = 0;
	int			digits;

	skip_blanks(parser);
	digits = count_digits(parser->place);
	for (int i = 0; i < digits && number <= PG_INT32_MAX; i++)
		number = number * 10 + (parser->place[i] - '0');
	if (*parser->place == '0' || digits == 0 || number > PG_INT32_MAX)
		return refuse_text(parser, "the number of a wallet, from 1 on,");
	parser->place += digits;
	*wallet = (int32) number;
	return skip(parser, ':') || refuse_text(parser, "a colon");
}

/*
 * Read one lot and add it to the list.  The sum of lots that come twice is an error that is
 * raised whatever the context is, if it has more digits than any number may.
 */
static bool
read_lot(Parser *parser)
{
	Lot			lot = {0};
	int			scale = 0;

	lot.wallet = LOTS_DEFAULT_WALLET;
	lot.available_at = DT_NOBEGIN;
	lot.expires_at = DT_NOEND;
	if ((skip_word(parser, "wallet") && !read_wallet(parser, &lot.wallet)) ||
		!read_points(parser, &lot.points, &scale) ||
		(skip_word(parser, "from") && !read_moment(parser, &lot.available_at)) ||
		(skip_word(parser, "until") && !read_moment(parser, &lot.expires_at)))
		return false;
	Assert(lot_fault(&lot) == NULL);
	lots_put(parser->list, scale, &lot);
	return true;
}

/* Read lots in braces. */
static bool
read_lots(Parser *parser)
{
	if (!skip(parser, '{'))
		return refuse_text(parser, "an opening brace");
	if (!skip(parser, '}'))
	{
		do
		{
			if (!read_lot(parser))
				return false;
		} while (skip(parser, ','));
		if (!skip(parser, '}'))
			return refuse_text(parser, "a comma or a closing brace");
	}
	skip_blanks(parser);
	return *parser->place == '\0' || refuse_text(parser, "the end");
}

/*
 * Lots out of text.
 */
Datum
loyalty_lots_in(PG_FUNCTION_ARGS)
{
	Parser		parser = {0};

	parser.place = PG_GETARG_CSTRING(0);
	parser.context = fcinfo->context;
	parser.list = lots_make();
	if (!read_lots(&parser))
		PG_RETURN_NULL();
	PG_RETURN_LOTS(lots_encode(parser.list));
}

static void
write_moment(StringInfo out, TimestampTz moment)
{
	struct pg_tm tm;
	fsec_t		fraction;

	if (timestamp2tm(moment, NULL, &tm, &fraction, NULL, NULL) != 0)
		elog(ERROR, "moment of a lot is out of range");
	appendStringInfo(out, "%s%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year < 0 ? "-" : "",
					 abs(tm.tm_year), tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (fraction != 0)
	{
		appendStringInfo(out, ".%06d", (int) fraction);
		while (out->data[out->len - 1] == '0')
			out->len--;
	}
	appendStringInfoChar(out, 'Z');
}

static void
write_lot(StringInfo out, int scale, const Lot *lot)
{
	Datum		points = lots_points(lot->points, scale);

	if (lot->wallet != LOTS_DEFAULT_WALLET)
		appendStringInfo(out, "wallet %d: ", lot->wallet);
	appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out, points)));
	if (!TIMESTAMP_IS_NOBEGIN(lot->available_at))
	{
		appendStringInfoString(out, " from ");
		write_moment(out, lot->available_at);
	}
	if (!TIMESTAMP_IS_NOEND(lot->expires_at))
	{
		appendStringInfoString(out, " until ");
		write_moment(out, lot->expires_at);
	}
}

/*
 * Lots as text.
 */
Datum
loyalty_lots_out(PG_FUNCTION_ARGS)
{
	LotReader	reader = lots_reader(PG_GETARG_LOTS(0));
	StringInfoData out;
	Lot			lot;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	while (lots_next(&reader, &lot))
	{
		if (out.len > 1)
			appendStringInfoString(&out, ", ");
		write_lot(&out, reader.scale, &lot);
	}
	appendStringInfoChar(&out, '}');
	PG_RETURN_CSTRING(out.data);
}

/* What is wrong with a binary value. */
static void
refuse_binary(const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid binary value of type loyalty.lots"),
			 errdetail("%s", fault),
			 errhint("Send what the type's own output in binary format is, or text.")));
}

/* How many lots follow the header of a message. */
static int
receive_header(StringInfo message, int *scale)
{
	int			format = pq_getmsgbyte(message);
	uint32		count;

	if (format != BINARY_FORMAT)
		refuse_binary(psprintf("Its format is %d, and %d is known.", format, BINARY_FORMAT));
	*scale = pq_getmsgbyte(message);
	if (*scale > EXACT_MAX_SCALE)
		refuse_binary(psprintf("The points have %d decimals, and %d are allowed.", *scale,
							   EXACT_MAX_SCALE));
	count = pq_getmsgint(message, 4);
	if (count > (message->len - message->cursor) / BINARY_LOT_SIZE)
		refuse_binary(psprintf("It shall have %u lots, and %d bytes follow.", count,
							   message->len - message->cursor));
	return (int) count;
}

/*
 * Lots out of a message.
 */
Datum
loyalty_lots_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	LotList    *list = lots_make();
	int			count = receive_header(message, &list->scale);
	char	   *fault;

	for (int i = 0; i < count; i++)
	{
		Lot			lot;
		uint128		points;

		lot.wallet = (int32) pq_getmsgint(message, 4);
		lot.available_at = pq_getmsgint64(message);
		lot.expires_at = pq_getmsgint64(message);
		points = (uint128) (uint64) pq_getmsgint64(message) << 64;
		points |= (uint64) pq_getmsgint64(message);
		lot.points = (int128) points;
		fault = lot_fault(&lot);
		if (fault != NULL)
			refuse_binary(fault);
		/* two with the same moments would be added up */
		if (lots_find(list, &lot) == NULL)
			lots_put(list, list->scale, &lot);
		if (list->sorted != i + 1)
			refuse_binary(psprintf("Lot %d does not come after the one before it.", i + 1));
	}
	fault = lots_fault(list);
	if (fault != NULL)
		refuse_binary(fault);
	PG_RETURN_LOTS(lots_encode(list));
}

/*
 * Lots as a message.
 */
Datum
loyalty_lots_send(PG_FUNCTION_ARGS)
{
	LotList    *list = lots_decode(PG_GETARG_LOTS(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbyte(&message, BINARY_FORMAT);
	pq_sendbyte(&message, list->scale);
	pq_sendint32(&message, list->count);
	for (int i = 0; i < list->count; i++)
	{
		const Lot  *lot = &list->lot[i];

		pq_sendint32(&message, lot->wallet);
		pq_sendint64(&message, lot->available_at);
		pq_sendint64(&message, lot->expires_at);
		pq_sendint64(&message, (uint64) ((uint128) lot->points >> 64));
		pq_sendint64(&message, (uint64) lot->points);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
