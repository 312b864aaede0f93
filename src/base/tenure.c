/*
 * tenure.c: how long a customer has been one.
 *
 * Tenure counts calendar years, months and days from the day of joining to the
 * day asked, both in the program's time zone; a year completes on the
 * anniversary, and who joined on 29 February completes it on 1 March.
 *
 * PostgreSQL compares intervals as if each month had 30 days, so that "4 years
 * 11 months 30 days" would equal five years a day early.  The days of a tenure
 * therefore stop at 29: comparing it to years and months is exact.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "tenure.h"

/* The local day of a moment, as a timestamp without time zone. */
static bool
local_day(TimestampTz moment, pg_tz *zone, Timestamp *day)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (TIMESTAMP_NOT_FINITE(moment) ||
		timestamp2tm(moment, &tz, &tm, &fsec, NULL, zone) != 0)
		return false;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	return tm2timestamp(&tm, 0, NULL, day) == 0;
}

/*
 * The same of the moment that is asked, which often is the same for many customers: it is
 * found out once.
 */
static bool
local_day_asked(TimestampTz moment, pg_tz *zone, Timestamp *day)
{
	static TimestampTz last_moment;
	static pg_tz *last_zone = NULL;
	static Timestamp last_day;

	if (zone != last_zone || moment != last_moment)
	{
		if (!local_day(moment, zone, day))
			return false;
		last_moment = moment;
		last_zone = zone;
		last_day = *day;
	}
	*day = last_day;
	return true;
}

/*
 * The local day of a moment, as a date.  False if it has none: it is infinite.
 */
bool
tenure_local_date(TimestampTz moment, pg_tz *zone, DateADT *date)
{
	Timestamp	day;

	if (!local_day_asked(moment, zone, &day))
		return false;
	Assert(day % USECS_PER_DAY == 0);
	*date = (DateADT) (day / USECS_PER_DAY);
	return true;
}

/*
 * The moment at which a local day begins; where a change of the clock skips midnight, the first
 * one there is.  False if there is none.
 */
bool
tenure_day_begins(DateADT date, pg_tz *zone, TimestampTz *moment)
{
	struct pg_tm tm = {0};
	int			tz;

	if (DATE_NOT_FINITE(date) || !IS_VALID_DATE(date))
		return false;
	j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	tz = DetermineTimeZoneOffset(&tm, zone);
	return tm2timestamp(&tm, 0, &tz, moment) == 0 && IS_VALID_TIMESTAMP(*moment);
}

/*
 * Returns NULL when either moment has no local day (it is infinite).
 */
Interval *
tenure_between(TimestampTz joined, TimestampTz at, pg_tz *zone)
{
	Timestamp	from;
	Timestamp	to;
	Interval   *age;

	if (!local_day(joined, zone, &from) || !local_day_asked(at, zone, &to))
		return NULL;
	age = DatumGetIntervalP(DirectFunctionCall2(timestamp_age,
												TimestampGetDatum(to),
												TimestampGetDatum(from)));
	if (age->day > 29)
		age->day = 29;
	return age;
}

PG_FUNCTION_INFO_V1(loyalty_tenure);

/*
 * tenure(joined timestamptz, at timestamptz, time_zone text) returns interval
 */
Datum
loyalty_tenure(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	pg_tz	   *zone = pg_tzset(name);
	Interval   *result;

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errhint("Use a name of the view pg_timezone_names, such as \"Europe/Berlin\".")));
	result = tenure_between(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1),
							zone);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INTERVAL_P(result);
}

PG_FUNCTION_INFO_V1(loyalty_time_zone_of_file);

/*
 * time_zone_of_file(name text) returns text
 *
 * The name of a time zone as the server writes it, or NULL: it knows no such zone, or one that counts
 * leap seconds, which it does not take.
 */
Datum
loyalty_time_zone_of_file(PG_FUNCTION_ARGS)
{
	pg_tz	   *zone = pg_tzset(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (zone == NULL || !pg_tz_acceptable(zone))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(pg_get_timezone_name(zone)));
}
