-- Grants by date -------------------------------------------------------------------------
--
-- A row of the table "date_rule" gives points on days of the members' own, as their rows in the customer table say:
-- birthdays, anniversaries.  maintain() gives what is due (src/act/dates.c), whenever it comes: each day from the one on
-- which the rule began, or the member joined, up to today, that is not in the table "date_grant".  So what members have
-- does not depend on when somebody maintains.
--
-- Days recur by whole months.  They are counted from the month of the first day, so the day of the month never drifts;
-- where a month is too short, the first day of the next one takes its place, as for the tenure: who was born on 29 February
-- has the birthday on 1 March.
--
-- What is not to be given twice is not a day, which may be corrected, but a period: the calendar is cut into periods as
-- long as the rule's, of which each has one of the days.  With a day for each year, that is the calendar year.  A row of
-- "date_grant" says what was decided of a period, under the lock of the account.
--
-- The expressions are over one row of the customer table.  Their text has every name qualified, and is checked again
-- whenever it is used, so it runs no code but what the owner of the program trusts then.

-- An expression of a rule by date, checked.  Its row is "new", as it is written, or what else it is to be called.
CREATE FUNCTION _loyalty.parse_date_rule(program name, rule text, expression text, "column" text, alias text, search_path text, warn boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customers CONSTANT regclass := _loyalty.customer_table(program);
	what CONSTANT text := format('%s of the date rule "%s"', "column", rule);
	zone text;
	newest int;
BEGIN
	EXECUTE format('SELECT time_zone, terms FROM %I.program', program) INTO zone, newest;
	IF "column" = 'for_members' THEN
		RETURN (SELECT p.expression FROM _loyalty.parse_expression(expression, NULL, NULL, format('%I.rule_facts', program)::regclass, 'boolean', what, NULL, NULL, zone, search_path, warn,
		                                                                    parts => _loyalty.condition_parts(program, newest)) p);
	ELSIF customers IS NULL THEN
		RAISE EXCEPTION 'the customer table of loyalty program "%" does not exist', program
			USING ERRCODE = 'undefined_table', DETAIL = format('%s is about its rows.', _loyalty.as_sentence(what)),
			      HINT = format('UPDATE %I.program SET customers = ''...'' names another one.', program);
	END IF;
	RETURN (SELECT p.expression FROM _loyalty.parse_expression(expression, customers, NULL, NULL, (CASE "column" WHEN 'due' THEN 'date' ELSE 'numeric' END)::regtype, what, 'new', alias,
	                                                          zone, search_path, warn) p);
END
$$;
COMMENT ON FUNCTION _loyalty.parse_date_rule(name, text, text, text, text, text, boolean) IS 'check an expression of a rule by date, and return it with every name qualified';

-- The months of a rule; null: it is once.
CREATE FUNCTION _loyalty.months_of(span interval)
RETURNS int
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (extract(year FROM span) * 12 + extract(month FROM span))::int
$$;
COMMENT ON FUNCTION _loyalty.months_of(interval) IS 'how many months an interval is, without its days';

-- What holds of the columns of a rule by date beside its expressions.
CREATE FUNCTION _loyalty.require_date_rule(called text, name text, every interval, valid_from date, valid_until date, times int, reason text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF btrim(name) = '' OR octet_length(name) > 200 THEN
		RAISE EXCEPTION 'the name of a date rule must have between 1 and 200 bytes'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It has %s.', octet_length(btrim(name))), HINT = 'References of grants are made of it.';
	ELSIF (CASE WHEN every IS NULL THEN false WHEN coalesce(extract(year FROM every) BETWEEN 0 AND 1000, false)
	           THEN _loyalty.months_of(every) < 1 OR extract(day FROM every) <> 0 OR extract(hour FROM every) <> 0 OR extract(minute FROM every) <> 0 OR extract(second FROM every) <> 0
	           ELSE true END) THEN
		RAISE EXCEPTION 'every of % must be whole months or years, and at most 1000 years', called
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', every), HINT = 'Write it as in ''1 year'' or ''6 months'', or leave it out for points that are given once.';
	ELSIF NOT valid_from BETWEEN '1000-01-01' AND '9999-12-31' OR NOT valid_until BETWEEN '1000-01-01' AND '9999-12-31' THEN
		RAISE EXCEPTION 'valid_from and valid_until of % must be between the years 1000 and 9999', called
			USING ERRCODE = 'datetime_field_overflow', DETAIL = format('They are %s and %s.', valid_from, coalesce(valid_until::text, 'null')), HINT = 'Set valid_until to null for a rule that stays.';
	ELSIF valid_until < valid_from THEN
		RAISE EXCEPTION 'valid_until of % must not be before valid_from', called
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is from %s until %s.', valid_from, valid_until), HINT = 'Both days are those of the rule, too.';
	ELSIF times < 1 THEN
		RAISE EXCEPTION 'times of % must be at least 1', called
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', times), HINT = 'Set it to null for no limit, or valid_until for an end.';
	ELSIF btrim(reason) = '' THEN
		RAISE EXCEPTION 'reason of % must not be empty', called
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set it to null, and entries have the name of the rule.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_date_rule(text, text, interval, date, date, int, text) IS 'an error if a rule by date is none by columns that are no expressions';

-- Of an expression it is not known before there are customers, but most points are numbers.  With a number that is not
-- above zero a rule gives nothing to anybody, and of one below zero, or too large, maintain() would warn for each customer, every day.
CREATE FUNCTION _loyalty.check_date_points(called text, points text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number numeric;
BEGIN
	IF points !~ '^\s*[-+]?[0-9.]' THEN
		RETURN;		-- NaN, too, may be a column
	END IF;
	BEGIN
		number := points;
	EXCEPTION WHEN data_exception THEN
		RETURN;		-- an expression that is no number by itself
	END;
	IF NOT (number > 0 AND number < 1e20) THEN
		RAISE EXCEPTION 'points of % must be more than 0, and below 1e20', called
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('They are %s, for each customer.', left(number::text, 100)),
			      HINT = 'Write how many points a customer gets on the day, as in ''50''. A rule ends with valid_until, and for_members says who gets none.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.check_date_points(text, text) IS 'an error if the points of a rule by date are a number, and not one above zero';

CREATE FUNCTION _loyalty.date_rule_is_used(program name, rule text)
RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.answer(format('SELECT EXISTS (SELECT FROM %I.date_grant g WHERE g.rule = $1 OR $1 IS NULL)', program), rule)::boolean
$$;
COMMENT ON FUNCTION _loyalty.date_rule_is_used(name, text) IS 'was anything decided by a rule by date, or for null by any?';

-- What a rule by date needs stays.
CREATE FUNCTION _loyalty.keep_for_dates(program name, what text, wallet text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule CONSTANT text := _loyalty.answer(format('SELECT min(r.name) FROM %I.date_rule r WHERE r.wallet = $1 OR $1 IS NULL', program), wallet);
	earning_rule CONSTANT text := _loyalty.answer(format('SELECT min(r.name) FROM %I.earning_rule r WHERE r.wallet = $1', program), wallet);
BEGIN
	IF earning_rule IS NOT NULL THEN
		RAISE EXCEPTION '% is needed', what
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = format('The earning rule "%s" gives points to it.', earning_rule),
			      HINT = format('Set wallet of the rows of %I.earning_rule that name it to null, or to another one, before.', program);
	ELSIF rule IS NOT NULL THEN
		RAISE EXCEPTION '% is needed', what
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = format('The date rule "%s" gives points by it.', rule),
			      HINT = CASE WHEN wallet IS NULL THEN 'Set it to another expression over the customer table.'
			             ELSE format('Set wallet of the rows of %I.date_rule that name it to null, or to another one, before.', program) END;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.keep_for_dates(name, text, text) IS 'an error if an earning rule or one by date needs a wallet, or if there is any by date for null';

-- Since when a customer is one must be known: else who is new would get the points of all days since the rule began.
CREATE FUNCTION _loyalty.require_date_setting(program name, called text, wallet text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	joined_at text;
	known boolean;
BEGIN
	EXECUTE format('SELECT p.joined_at, EXISTS (SELECT FROM %1$I.wallet w WHERE w.name = $1) FROM %1$I.program p', program) INTO joined_at, known USING wallet;
	IF joined_at IS NULL THEN
		RAISE EXCEPTION 'loyalty program "%" does not know since when customers are', program
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Members get nothing by %s for days before they joined.', called),
			      HINT = format('Say it with a column of the customer table, or for all of them: UPDATE %I.program SET joined_at = ''...''.', program);
	ELSIF wallet IS NOT NULL AND NOT known THEN
		RAISE EXCEPTION 'loyalty program "%" has no wallet "%"', program, wallet
			USING ERRCODE = 'LY009', DETAIL = format('It is that of %s.', called), HINT = format('SELECT name FROM %I.wallet tells which wallets there are.', program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_date_setting(name, text, text) IS 'an error unless a program knows since when customers are, and has the wallet of a rule by date';

CREATE FUNCTION _loyalty.check_date_rule()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	path CONSTANT text := current_setting('loyalty.search_path', true);
	called CONSTANT text := CASE WHEN tg_op IN ('INSERT', 'UPDATE') THEN format('the date rule "%s"', NEW.name) END;
BEGIN
	IF current_setting('check_function_bodies') = 'off' THEN
		RETURN coalesce(NEW, OLD);		-- a restore
	ELSIF tg_op IN ('DELETE', 'TRUNCATE') THEN
		IF _loyalty.date_rule_is_used(tg_table_schema, CASE tg_op WHEN 'DELETE' THEN OLD.name END) THEN
			RAISE EXCEPTION 'date rules by which something was decided cannot be deleted'
				USING ERRCODE = 'dependent_objects_still_exist', DETAIL = CASE tg_op WHEN 'DELETE' THEN format('The table "date_grant" names the rule "%s".', OLD.name) ELSE 'The table "date_grant" names some of them.' END,
				      HINT = 'Set valid_until, and they give nothing more.';
		END IF;
		RETURN OLD;
	END IF;
	IF tg_op = 'UPDATE' AND (NEW.name, NEW.every) IS DISTINCT FROM (OLD.name, OLD.every) AND _loyalty.date_rule_is_used(tg_table_schema, OLD.name) THEN
		RAISE EXCEPTION 'name and every of the date rule "%" cannot be changed', OLD.name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'By these it is known what members got already, in the table "date_grant".',
			      HINT = 'Let it end with valid_until, and make another rule that begins with valid_from.';
	ELSIF NEW.name IS NULL OR NEW.due IS NULL OR NEW.points IS NULL THEN
		RETURN NEW;		-- which the table refuses
	END IF;
	IF NEW.valid_from IS NULL THEN
		EXECUTE format('SELECT (now() AT TIME ZONE p.time_zone)::date FROM %I.program p', tg_table_schema) INTO NEW.valid_from;
	END IF;
	PERFORM _loyalty.require_date_rule(called, NEW.name, NEW.every, NEW.valid_from, NEW.valid_until, NEW.times, NEW.reason);
	PERFORM _loyalty.require_date_setting(tg_table_schema, called, NEW.wallet);
	IF NEW.due IS DISTINCT FROM OLD.due THEN
		NEW.due := _loyalty.parse_date_rule(tg_table_schema, NEW.name, NEW.due, 'due', 'new', path, true);
	END IF;
	IF NEW.points IS DISTINCT FROM OLD.points THEN
		PERFORM _loyalty.check_date_points(called, NEW.points);
		NEW.points := _loyalty.parse_date_rule(tg_table_schema, NEW.name, NEW.points, 'points', 'new', path, true);
	END IF;
	IF NEW.for_members IS DISTINCT FROM OLD.for_members THEN
		NEW.for_members := _loyalty.parse_date_rule(tg_table_schema, NEW.name, NEW.for_members, 'for_members', NULL, path, true);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_date_rule() IS 'trigger: check a rule by date, and store its expressions with every name qualified; keep one by which something was decided';

-- The days by a rule from bounds.first to bounds.last, as SQL behind what has bounds.due, with their periods.  Months are
-- numbered through, and there is no year 0.
CREATE FUNCTION _loyalty.date_days_sql(months int)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN months IS NULL THEN 'CROSS JOIN LATERAL (SELECT bounds.due AS day, ''once''::text AS period) AS days' ELSE format($sql$
		CROSS JOIN LATERAL (SELECT (extract(year FROM bounds.due)::int + CASE WHEN bounds.due < '0001-01-01' THEN 1 ELSE 0 END) * 12 + extract(month FROM bounds.due)::int - 1 AS due,
		                           extract(day FROM bounds.due)::int AS day,
		                           extract(year FROM bounds.first)::int * 12 + extract(month FROM bounds.first)::int - 1 AS first,
		                           extract(year FROM bounds.last)::int * 12 + extract(month FROM bounds.last)::int - 1 AS last
		                     WHERE bounds.first <= bounds.last AND bounds.due <= bounds.last) AS month
		CROSS JOIN LATERAL generate_series(greatest(1, (month.first - 1 - month.due) / %1$s), (month.last - month.due) / %1$s) AS step (n)
		CROSS JOIN LATERAL (SELECT month.due + step.n * %1$s AS number) AS nominal
		CROSS JOIN LATERAL (SELECT make_date(nominal.number / 12, nominal.number %% 12 + 1, 1) AS first, nominal.number - nominal.number %% %1$s AS period) AS begun
		CROSS JOIN LATERAL (SELECT least(begun.first + month.day - 1, (begun.first + interval '1 month')::date) AS day,
		                           lpad((begun.period / 12)::text, 4, '0') || %2$s AS period) AS days $sql$,
		months, CASE months % 12 WHEN 0 THEN '''''' ELSE '''-'' || lpad((begun.period % 12 + 1)::text, 2, ''0'')' END) END
$$;
COMMENT ON FUNCTION _loyalty.date_days_sql(int) IS 'the days that recur by so many months, or the one day if that is null, with their periods, as SQL';

-- The points of a rule for a member, as the program rounds them.
CREATE FUNCTION _loyalty.date_points(program name, terms int, rule text, points numeric)
RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF points IS NULL OR points = 0 THEN
		RETURN 0;
	ELSIF points < 0 OR NOT points < 1e20 THEN		-- that is not true of NaN either
		RAISE EXCEPTION 'points of the date rule "%" must not be less than zero, and below 1e20', rule
			USING ERRCODE = 'numeric_value_out_of_range', DETAIL = format('They are %s.', left(points::text, 100));
	END IF;
	RETURN _loyalty.round_points(program, terms, points);
END
$$;
COMMENT ON FUNCTION _loyalty.date_points(name, int, text, numeric) IS 'points of a rule by date, rounded';

CREATE TYPE _loyalty.date_rule AS (
	name text,
	months int,
	times int,
	valid_from date,
	due text,
	points text
);
COMMENT ON TYPE _loyalty.date_rule IS 'a rule by date whose expressions are checked, over the row "person": see _loyalty.date_rules';

-- The rules that have begun by a day.  One whose expressions do not hold is told, if that is asked for, and left out.
CREATE FUNCTION _loyalty.date_rules(program name, until date, tell boolean)
RETURNS SETOF _loyalty.date_rule
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
	result _loyalty.date_rule;
BEGIN
	FOR r IN EXECUTE format('SELECT * FROM %I.date_rule r WHERE r.valid_from <= $1 ORDER BY r.name', program) USING until
	LOOP
		BEGIN
			result := (r.name, _loyalty.months_of(r.every), r.times, r.valid_from,
			           _loyalty.parse_date_rule(program, r.name, r.due, 'due', 'person', 'pg_catalog, pg_temp', false),
			           _loyalty.parse_date_rule(program, r.name, r.points, 'points', 'person', 'pg_catalog, pg_temp', false));
			PERFORM _loyalty.parse_date_rule(program, r.name, r.for_members, 'for_members', NULL, 'pg_catalog, pg_temp', false);
			RETURN NEXT result;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			IF tell THEN
				RAISE WARNING 'the date rule "%" gives nothing: %', r.name, SQLERRM
					USING ERRCODE = SQLSTATE, HINT = format('Correct it: UPDATE %I.date_rule SET ... WHERE name = %L. Then it gives what was due meanwhile.', program, r.name);
			END IF;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.date_rules(name, date, boolean) IS 'rules by date that have begun by a day, whose expressions hold';

-- What a rule gives to customers up to a day, of what is not decided yet.  Who was merged into another one is no
-- customer of his own any more, and what was decided of any key of an account was of all.
CREATE FUNCTION _loyalty.due_by_rule(program name, r _loyalty.date_rule, keys anyarray, until date)
RETURNS TABLE (customer anyelement, period text, day date, points numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
SET jit = off
AS $$
DECLARE
	eq CONSTANT text := _loyalty.customer_equality(program);
	view CONSTANT regclass := format('%I.customer', program);
	key CONSTANT text := (SELECT v.expression FROM _loyalty.view_expression(view, NULL, 'customer', false) v);
	joined_at CONSTANT text := (SELECT v.expression FROM _loyalty.view_expression(view, NULL, 'joined_at', false) v);
	p record;
	is_same text;
BEGIN
	EXECUTE format('SELECT p.time_zone, p.terms, p.customers, x.valid_until, EXISTS (SELECT FROM %1$I.merged) AS any_merged FROM %1$I.program p, %1$I.date_rule x WHERE x.name = $1', program) INTO p USING r.name;
	PERFORM set_config('TimeZone', p.time_zone, true);
	is_same := CASE WHEN p.any_merged THEN format('(g.customer %2$s one.customer OR g.customer %2$s ANY (ARRAY(SELECT m.customer FROM %1$I.merged AS m WHERE m.survivor %2$s one.customer)))', program, eq)
	           ELSE format('g.customer %s one.customer', eq) END;
	RETURN QUERY EXECUTE format($sql$
		SELECT x.customer, x.period, x.day, x.points
		  FROM (SELECT due.customer, due.period, due.day, worth.points, row_number() OVER (PARTITION BY due.customer ORDER BY due.day) AS n
		          FROM (SELECT one.customer, days.period, days.day, (%7$s) AS points
		                  FROM %2$s AS person
		                 CROSS JOIN LATERAL (SELECT (%3$s) AS customer, (%4$s) AS joined_at OFFSET 0) AS one
		                 CROSS JOIN LATERAL (SELECT greatest($2, (one.joined_at AT TIME ZONE $3)::date) AS first, $4 AS last, (%5$s) AS due WHERE one.joined_at IS NOT NULL OFFSET 0) AS said
		                 CROSS JOIN LATERAL (SELECT said.first, said.last, said.due WHERE isfinite(said.due) AND said.first <= said.last OFFSET 0) AS bounds
		                 %6$s
		                 WHERE (%3$s) %8$s ANY ($1) AND days.day BETWEEN bounds.first AND bounds.last
		                   AND NOT EXISTS (SELECT FROM %1$I.merged AS m WHERE m.customer %8$s one.customer)
		                   AND NOT EXISTS (SELECT FROM %1$I.date_grant AS g WHERE %9$s AND g.rule = $7 AND g.period = (days.period COLLATE "C"))
		                OFFSET 0) AS due
		         CROSS JOIN LATERAL (SELECT _loyalty.date_points($5, $6, $7, due.points) AS points OFFSET 0) AS worth
		         WHERE worth.points > 0) AS x
		 CROSS JOIN LATERAL (SELECT x.customer) AS one
		 WHERE $8 IS NULL OR x.n <= $8 - (SELECT count(*) FROM %1$I.date_grant AS g WHERE %9$s AND g.rule = $7 AND g.points > 0)
		$sql$, program, p.customers, key, joined_at, r.due, _loyalty.date_days_sql(r.months), r.points, eq, is_same)
		USING keys, r.valid_from, p.time_zone, least(until, p.valid_until), program, p.terms, r.name, r.times;
END
$$;
COMMENT ON FUNCTION _loyalty.due_by_rule(name, _loyalty.date_rule, anyarray, date) IS 'what a rule by date gives to some customers up to a day, that is not decided yet';

-- The same, where a customer whose row the expressions fail for is told, and stops no others: they are halved until it is found.
CREATE FUNCTION _loyalty.due_by_rule_each(program name, r _loyalty.date_rule, keys anyarray, until date)
RETURNS TABLE (customer anyelement, period text, day date, points numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	half CONSTANT int := cardinality(keys) / 2;
BEGIN
	-- a function in FROM has returned all it returns before the first row is seen
	RETURN QUERY SELECT * FROM _loyalty.due_by_rule(program, r, keys, until);
EXCEPTION WHEN OTHERS THEN
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	IF half = 0 THEN
		RAISE WARNING 'the date rule "%" gives nothing to the customer %: %', r.name, keys[1], SQLERRM
			USING ERRCODE = SQLSTATE, HINT = 'Correct the customer''s row, or the rule. Then it gives what was due meanwhile.';
	ELSE
		RETURN QUERY SELECT * FROM _loyalty.due_by_rule_each(program, r, keys[1:half], until);
		RETURN QUERY SELECT * FROM _loyalty.due_by_rule_each(program, r, keys[half + 1:], until);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.due_by_rule_each(name, _loyalty.date_rule, anyarray, date) IS
'what a rule by date gives to some customers up to a day, that is not decided yet; of those whose row it fails for, nothing but a warning';

-- For maintain(), which calls it as the owner, in settings that are fixed: what is due now to some customers.
CREATE FUNCTION _loyalty.due_today(program name, keys anyarray, tell boolean)
RETURNS TABLE (customer anyelement, rule text, period text, at timestamptz, points numeric, reason text, wallet text, times int, is_for_some boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	zone text;
	today date;
BEGIN
	EXECUTE format('SELECT p.time_zone, (now() AT TIME ZONE p.time_zone)::date FROM %I.program p', program) INTO zone, today;
	RETURN QUERY EXECUTE format($sql$
		-- a day may begin twice, where clocks are set back
		SELECT d.customer, r.name, d.period, least(d.day::timestamp AT TIME ZONE $4, now()), d.points, coalesce(x.reason, x.name), x.wallet, x.times, x.for_members IS NOT NULL
		  FROM _loyalty.date_rules($1, $2, $5) r JOIN %I.date_rule x ON x.name = r.name
		 CROSS JOIN LATERAL _loyalty.due_by_rule_each($1, r, $3, $2) d
		 ORDER BY d.day, r.name
		$sql$, program) USING program, today, keys, zone, tell;
END
$$;
COMMENT ON FUNCTION _loyalty.due_today(name, anyarray, boolean) IS 'what rules by date are to give now to some customers, in the order in which it is given';

CREATE FUNCTION _loyalty.due_to_all(program name, keys anyarray, until date)
RETURNS TABLE (customer anyelement, rule text, day date, points numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	IF NOT isfinite(until) THEN
		RAISE EXCEPTION 'until must be a day' USING ERRCODE = 'datetime_field_overflow', DETAIL = format('It is %s.', until), HINT = 'Leave it out for what is due today.';
	ELSIF to_regclass(format('%I.customer', program)) IS NULL THEN
		RAISE EXCEPTION 'the view "customer" of loyalty program "%" does not exist', program
			USING ERRCODE = 'undefined_table', DETAIL = 'It went with the customer table, or with what joined_at calls, so nobody knows who the customers are.',
			      HINT = format('SELECT * FROM loyalty.verify(%L) tells what to do.', program);
	END IF;
	EXECUTE format('SELECT coalesce($1, (now() AT TIME ZONE p.time_zone)::date), (SELECT coalesce(array_agg(c.customer), ''{}'') FROM %1$I.customer c WHERE c.customer IS NOT NULL) FROM %1$I.program p', program)
	   INTO until, keys USING until;
	RETURN QUERY SELECT d.customer, r.name, d.day, d.points
	  FROM _loyalty.date_rules(program, until, true) r CROSS JOIN LATERAL _loyalty.due_by_rule_each(program, r, keys, until) d
	 ORDER BY d.day, r.name, d.customer;
END
$$;
COMMENT ON FUNCTION _loyalty.due_to_all(name, anyarray, date) IS 'what rules by date give to all customers up to a day, or to today; the keys are of no meaning but their type';

CREATE FUNCTION _loyalty.dates_due(settings regclass, keys anyarray, until date)
RETURNS TABLE (customer anyelement, rule text, day date, points numeric)
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_dates_due';
COMMENT ON FUNCTION _loyalty.dates_due(regclass, anyarray, date) IS 'what the function dates_due of a program does, for its owner; the keys are of no meaning but their type';

-- What the condition of a rule says of a member at a moment, by all that is known.
CREATE FUNCTION _loyalty.date_holds(program name, customer anyelement, rule text, at timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
AS $$
DECLARE
	condition text;
	zone text;
	newest int;
	result boolean;
BEGIN
	EXECUTE format('SELECT r.for_members, p.time_zone, p.terms FROM %1$I.date_rule r, %1$I.program p WHERE r.name = $1', program) INTO condition, zone, newest USING rule;
	PERFORM set_config('TimeZone', zone, true);
	EXECUTE format($sql$
		SELECT (%2$s) FROM (
			SELECT s.spend, s.orders, s.points_earned, _loyalty.tenure(s.joined_at, $2, p.time_zone) AS tenure, s.first_order_at, s.last_order_at, ($2 AT TIME ZONE p.time_zone)::date AS today, $2 AS at,
			       s.joined_at, coalesce(s.purchases, '{}') AS purchases, coalesce(s.events, '{}') AS events, (SELECT r.customer_row FROM %1$I.customer_rows r WHERE r.customer %4$s $1) AS customer_row,
			       _loyalty.tier_for($3, s.terms, s.spend, s.orders, s.points_earned, s.joined_at, s.first_order_at, s.last_order_at, $2, p.reader, s.purchases, s.events, NULL) AS tier
			  FROM %1$I.program p CROSS JOIN _loyalty.states_as_of($3, $1, $2, 'infinity', true) s) AS facts%3$s
		$sql$, program, _loyalty.parse_date_rule(program, rule, condition, 'for_members', NULL, 'pg_catalog, pg_temp', false), _loyalty.parts_sql(program, newest), _loyalty.customer_equality(program))
	   INTO result USING customer, at, format('%I.program', program)::regclass;
	RETURN coalesce(result, false);
END
$$;
COMMENT ON FUNCTION _loyalty.date_holds(name, anyelement, text, timestamptz) IS 'is a rule by date for a member, by what he had at a moment?';
