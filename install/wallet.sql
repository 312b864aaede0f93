-- Wallets --------------------------------------------------------------------------
--
-- When points become available and when they expire is decided by the wallet that they are
-- in.  Its expressions are over one day and call nothing but what is built in, so their text
-- means the same for ever: they are in no view, but in the terms as they were checked.

CREATE TYPE _loyalty.earning AS (earned_on date);
COMMENT ON TYPE _loyalty.earning IS 'what the expiry of points is decided by: the day on which they were earned, in the time zone of the program';
CREATE TYPE _loyalty.activity AS (active_on date);
COMMENT ON TYPE _loyalty.activity IS 'what the extension of points is decided by: the day of an order, in the time zone of the program';

-- An expression of a wallet, checked, with every name qualified.
CREATE FUNCTION _loyalty.parse_wallet(expression text, facts regclass, wallet text, "column" text, time_zone text, warn boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.expression
	  FROM _loyalty.parse_expression(expression, NULL, NULL, facts, 'timestamp', format('%s of the wallet "%s"', "column", wallet), NULL, NULL,
	                                 time_zone, 'pg_catalog, pg_temp', warn, false, true) p
$$;
COMMENT ON FUNCTION _loyalty.parse_wallet(text, regclass, text, text, text, boolean) IS
'check an expression of a wallet, and return it with every name qualified; its value is a local time';

CREATE FUNCTION _loyalty.check_wallet()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
BEGIN
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NEW;
	END IF;
	IF tg_op = 'INSERT' OR NEW.wallet <> OLD.wallet THEN
		RAISE EXCEPTION 'the wallets of a program are made with it'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('Update the row of the table %I.wallet that is there.', tg_table_schema);
	END IF;
	IF btrim(NEW.name) = '' THEN
		RAISE EXCEPTION 'the name of a wallet must not be empty' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF NEW.available_after <= interval '0' OR NEW.available_after > interval '1000 years' THEN
		RAISE EXCEPTION 'available_after of the wallet "%" must be more than nothing, and at most 1000 years', NEW.name
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', NEW.available_after),
			      HINT = 'Set it to null for points that are available at once.';
	END IF;
	-- parts below zero could lead out of the range although their sum does not
	IF least(extract(year FROM NEW.available_after), extract(month FROM NEW.available_after), extract(day FROM NEW.available_after),
	         extract(hour FROM NEW.available_after), extract(minute FROM NEW.available_after), extract(second FROM NEW.available_after)) < 0 THEN
		RAISE EXCEPTION 'available_after of the wallet "%" must have no part that is less than nothing', NEW.name
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', NEW.available_after),
			      HINT = 'Write how long points wait with months, days and hours that are added up.';
	END IF;
	EXECUTE format('SELECT time_zone FROM %I.program', tg_table_schema) INTO zone;
	IF NEW.expires IS DISTINCT FROM OLD.expires THEN
		NEW.expires := _loyalty.parse_wallet(NEW.expires, '_loyalty.earning', NEW.name, 'expires', zone, true);
	END IF;
	IF NEW.extended IS DISTINCT FROM OLD.extended THEN
		NEW.extended := _loyalty.parse_wallet(NEW.extended, '_loyalty.activity', NEW.name, 'extended', zone, true);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_wallet() IS 'trigger: check a wallet, and store its expressions with every name qualified';

-- The key of what time does at a moment, which is the same in every session.
CREATE FUNCTION _loyalty.moment_key(at timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || CASE WHEN at < '0001-01-01 UTC' THEN ' BC' ELSE '' END
$$;
COMMENT ON FUNCTION _loyalty.moment_key(timestamptz) IS 'a moment as the key of an entry that time makes: in UTC, whatever the settings of the session';
