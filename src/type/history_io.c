/*
 * history_io.c: loyalty.history as text, and as bytes for other programs.
 *
 * As text, a value is
 *
 *     {2024-01-05 2 12.5, 2024-02-01 1 30}
 *
 * for each day how many times, and the amount.  No setting changes that.  Dates are written
 * as ISO 8601 does, those before the year 1 with " BC" behind them.  Read is only what can be
 * written, but for more blanks, zeros behind the last decimal, and days in any order or
 * several times, which are added.
 *
 * As bytes (history_send()), all numbers in network byte order:
 *
 *     int8   the form, 1
 *     int8   how many decimals the amounts have, at most 12, and as many as one of them needs
 *     int32  how many days, at most 10,000,000
 *     for each day, in order, each once:
 *     int32  the days since 2000-01-01, as the type date has them
 *     int64  how many times, not -2^63
 *     int128 the amount without its point, of at most 38 digits: two's complement, the
 *            higher 64 bits first; not zero with zero times
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "compat.h"
#include "history.h"

#define WIRE_FORM 1
#define WIRE_DAY_BYTES (4 + 8 + 16)

/* an amount has so many digits at most */
#define MAX_DIGITS 38
/* so much of what cannot be read is shown */
#define SHOWN_BYTES 60
/* the longest date, 5874897-12-31, and the longest with " BC" are shorter */
#define DATE_SIZE (MAXDATELEN + 1)

typedef struct Word
{
	const char *start;
	int			length;
} Word;

typedef struct Parser
{
	const char *place;
	const char *element;		/* where the day began that is being read */
	Node	   *context;		/* takes errors from 16 on, or NULL */
	int			digits;			/* most digits before a decimal point */
	int			scale;			/* most decimals */
} Parser;

/* Tell what of the text cannot be read.  Always false, if it returns. */
static bool
refuse_history(Parser *parser, const char *reason)
{
	int			length = strcspn(parser->element, ",}");
	bool		long_one = length > SHOWN_BYTES;

	if (long_one)
		length = pg_mbcliplen(parser->element, length, SHOWN_BYTES);
	ereturn(parser->context, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type loyalty.history"),
			 errdetail("%s: \"%.*s%s\".", reason, length, parser->element, long_one ? "..." : ""),
			 errhint("For each day write the date, how many times, and the amount, as in {2024-01-05 2 12.5, 2024-02-01 1 30}.")));
}

static bool
out_of_range(Parser *parser, const char *reason)
{
	ereturn(parser->context, false,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value out of range for type loyalty.history"),
			 errdetail("%s: \"%.*s\".", reason,
					   pg_mbcliplen(parser->element, strcspn(parser->element, ",}"), SHOWN_BYTES),
					   parser->element),
			 errhint("Dates are from 4714-11-24 BC to 5874897-12-31, numbers of times up to 9223372036854775807, and amounts have up to 38 digits, 12 of them behind the point.")));
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_history_blanks(Parser *parser)
{
	while (is_blank(*parser->place))
		parser->place++;
}

/* What stands before the next blank, comma or brace; and the blanks behind are skipped. */
static Word
next_word(Parser *parser)
{
	Word		word = {.start = parser->place};

	word.length = strcspn(word.start, " \t\n\v\f\r,{}");
	parser->place += word.length;
	skip_history_blanks(parser);
	return word;
}

/* Read so many digits. */
static bool
take_number(const char **place, int digits, int *number)
{
	*number = 0;
	for (int i = 0; i < digits; i++)
	{
		if (!is_digit(**place))
			return false;
		*number = *number * 10 + (*(*place)++ - '0');
	}
	return true;
}

/* Write a day as it is read. */
static void
put_date(DateADT day, char *text)
{
	struct pg_tm tm;

	j2date(day + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	EncodeDateOnly(&tm, USE_ISO_DATES, text);
}

/* Read a day: year, month and day of the month, and perhaps BC. */
static bool
take_date(Parser *parser, DateADT *day)
{
	Word		word = next_word(parser);
	const char *place = word.start;
	bool		before = strncmp(parser->place, "BC", 2) == 0;
	int			digits = strspn(place, "0123456789");
	int			year;
	int			month;
	int			month_day;

	if (digits < 4 || digits > 7 || (digits > 4 && *place == '0') ||
		!take_number(&place, digits, &year) || *place++ != '-' ||
		!take_number(&place, 2, &month) || *place++ != '-' ||
		!take_number(&place, 2, &month_day) || place != word.start + word.length)
		return refuse_history(parser, "No date stands at the beginning of");
	if (before && next_word(parser).length != 2)
		return refuse_history(parser, "No date stands at the beginning of");
	if (year == 0 || month < 1 || month > 12 || month_day < 1)
		return refuse_history(parser, "There is no such date");
	year = before ? 1 - year : year;
	if (month_day > day_tab[isleap(year)][month - 1])
		return refuse_history(parser, "There is no such date");
	if (!IS_VALID_JULIAN(year, month, month_day))
		return out_of_range(parser, "The date is out of range");
	*day = date2j(year, month, month_day) - POSTGRES_EPOCH_JDATE;
	return IS_VALID_DATE(*day) || out_of_range(parser, "The date is out of range");
}

/* Read how many times. */
static bool
take_times(Parser *parser, int64 *times)
{
	Word		word = next_word(parser);
	bool		negative = *word.start == '-';
	const char *first = word.start + negative;
	const char *end = word.start + word.length;
	uint64		number = 0;

	if (first >= end || (*first == '0' && (negative || first + 1 < end)))
		return refuse_history(parser, "No number of times stands behind the date in");
	for (const char *place = first; place < end; place++)
	{
		if (!is_digit(*place))
			return refuse_history(parser, "No number of times stands behind the date in");
		if (number > (uint64) PG_INT64_MAX / 10 ||
			number * 10 + (*place - '0') > (uint64) PG_INT64_MAX)
			return out_of_range(parser, "The number of times is out of range");
		number = number * 10 + (*place - '0');
	}
	*times = negative ? -(int64) number : (int64) number;
	return true;
}

/*
 * Read an amount.  All amounts get as many decimals as one of them needs, so the most digits
 * before a point and the most behind one must not be more than a number can have.
 */
static bool
take_amount(Parser *parser, int128 *amount, int *scale)
{
	Word		word = next_word(parser);
	bool		negative = word.length > 0 && *word.start == '-';
	const char *first = word.start + negative;
	int			digits = strspn(first, "0123456789");
	const char *point = first + digits;
	const char *end = word.start + word.length;
	bool		has_point = point < end && *point == '.';

	if (digits == 0 || (digits > 1 && *first == '0') ||
		point + has_point + strspn(point + has_point, "0123456789") != end ||
		(has_point && point + 1 == end))
		return refuse_history(parser, "No amount stands behind the number of times in");
	while (has_point && end[-1] == '0')
		end--;
	*scale = has_point ? end - point - 1 : 0;
	if (*scale > EXACT_MAX_SCALE)
		return out_of_range(parser, "The amount has more than 12 decimals");
	parser->digits = Max(parser->digits, *first == '0' ? 0 : digits);
	parser->scale = Max(parser->scale, *scale);
	if (parser->digits + parser->scale > MAX_DIGITS)
		return out_of_range(parser, "With as many decimals as one of them has, an amount has more than 38 digits");
	*amount = 0;
	for (const char *place = first; place < end; place++)
	{
		if (*place != '.')
			*amount = *amount * 10 + (*place - '0');
	}
	if (negative && *amount == 0)
		return refuse_history(parser, "No amount stands behind the number of times in");
	*amount = negative ? -*amount : *amount;
	return true;
}

/* Read one day. */
static bool
take_day(Parser *parser, History *history)
{
	DateADT		day = 0;
	int64		times = 0;
	int128		amount = 0;
	int			scale = 0;

	parser->element = parser->place;
	if (!take_date(parser, &day) || !take_times(parser, &times) ||
		!take_amount(parser, &amount, &scale))
		return false;
	if (*parser->place != ',' && *parser->place != '}')
		return refuse_history(parser, "A comma or a closing brace must follow the amount in");
	if (times == 0 && amount == 0)
		return refuse_history(parser, "Nothing happened on the day");
	history_add_day(history, day, times, amount, scale);
	return true;
}

/* Read a whole value. */
static bool
take_history(Parser *parser, History *history)
{
	skip_history_blanks(parser);
	parser->element = parser->place;
	if (*parser->place++ != '{')
		return refuse_history(parser, "There is no opening brace before");
	skip_history_blanks(parser);
	for (bool more = *parser->place != '}'; more;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!take_day(parser, history))
			return false;
		more = *parser->place == ',';
		if (more)
		{
			parser->place++;
			skip_history_blanks(parser);
		}
	}
	parser->place++;
	skip_history_blanks(parser);
	parser->element = parser->place;
	return *parser->place == '\0' || refuse_history(parser, "Something stands behind the closing brace");
}

PG_FUNCTION_INFO_V1(loyalty_history_in);
PG_FUNCTION_INFO_V1(loyalty_history_out);
PG_FUNCTION_INFO_V1(loyalty_history_recv);
PG_FUNCTION_INFO_V1(loyalty_history_send);

Datum
loyalty_history_in(PG_FUNCTION_ARGS)
{
	Parser		parser = {.place = PG_GETARG_CSTRING(0),.context = fcinfo->context};
	History    *history = history_new(0);

	if (!take_history(&parser, history))
		PG_RETURN_NULL();
	PG_RETURN_HISTORY(history_encode(history));
}

Datum
loyalty_history_out(PG_FUNCTION_ARGS)
{
	HistoryReader reader;
	StringInfoData text;

	history_read(&reader, PG_GETARG_HISTORY(0));
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	while (history_next(&reader))
	{
		char		date[DATE_SIZE];
		int			scale = exact_needed_scale(reader.now.amount, reader.scale);
		int128		amount = exact_rescale(reader.now.amount, reader.scale, scale);
		Datum		number = exact_to_numeric(amount, scale);
		char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, number));

		put_date(reader.now.day, date);
		appendStringInfo(&text, "%s%s " INT64_FORMAT " %s", text.len > 1 ? ", " : "", date,
						 reader.now.times, digits);
		pfree(digits);
		pfree(DatumGetPointer(number));
	}
	appendStringInfoChar(&text, '}');
	PG_RETURN_CSTRING(text.data);
}

static void
refuse_bytes(const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid binary format of type loyalty.history"),
			 errdetail("%s", reason),
			 errhint("Send it as text, as in {2024-01-05 2 12.5, 2024-02-01 1 30}, or as src/type/history_io.c of loyalty says.")));
}

Datum
loyalty_history_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	History    *history;
	uint32		count;
	const char *fault;

	if (message->len - message->cursor < 6 || pq_getmsgint(message, 1) != WIRE_FORM)
		refuse_bytes("It does not begin as it should.");
	history = history_new(0);
	history->scale = pq_getmsgint(message, 1);
	count = pq_getmsgint(message, 4);
	if ((uint64) count * WIRE_DAY_BYTES != message->len - message->cursor)
		refuse_bytes("It is not as long as its number of days says.");
	history_check_count(count);
	history->room = Max(count, 1);
	history->days = repalloc(history->days, history->room * sizeof(HistoryDay));
	for (int i = 0; i < count; i++)
	{
		HistoryDay *day = &history->days[i];
		uint64		high;

		day->day = (DateADT) pq_getmsgint(message, 4);
		day->times = pq_getmsgint64(message);
		high = (uint64) pq_getmsgint64(message);
		day->amount = (int128) ((uint128) high << 64 | (uint64) pq_getmsgint64(message));
		/* refuses what has more digits than a number has */
		(void) exact_add(day->amount, 0);
	}
	history->count = history->sorted = count;
	fault = history_fault(history);
	if (fault != NULL)
		refuse_bytes(fault);
	PG_RETURN_HISTORY(history_encode(history));
}

Datum
loyalty_history_send(PG_FUNCTION_ARGS)
{
	HistoryReader reader;
	StringInfoData message;
	int			count_at;
	uint32		count = 0;

	history_read(&reader, PG_GETARG_HISTORY(0));
	pq_begintypsend(&message);
	pq_sendint8(&message, WIRE_FORM);
	pq_sendint8(&message, reader.scale);
	count_at = message.len;
	pq_sendint32(&message, 0);
	for (; history_next(&reader); count++)
	{
		pq_sendint32(&message, reader.now.day);
		pq_sendint64(&message, reader.now.times);
		pq_sendint64(&message, (uint64) ((uint128) reader.now.amount >> 64));
		pq_sendint64(&message, (uint64) reader.now.amount);
	}
	count = pg_hton32(count);
	memcpy(message.data + count_at, &count, sizeof(count));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
