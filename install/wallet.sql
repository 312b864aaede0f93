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

-- Of orders, only those of wallet 1 are known before they are posted, so the ledger has the others.
CREATE FUNCTION _loyalty.wallet_has_entries(program name, wallet int)
RETURNS boolean
LANGUAGE c VOLATILE STRICT
AS 'MODULE_PATHNAME', 'loyalty_wallet_has_entries';
COMMENT ON FUNCTION _loyalty.wallet_has_entries(name, int) IS 'were there ever points in a wallet of a program that is not the first one, or do any terms have a rule that gives points into it?  By what is committed at this moment, whatever the isolation level';

-- Terms under which nothing was recorded go first.
CREATE FUNCTION _loyalty.wallet_is_used(program name, wallet int)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF _loyalty.answer(format('SELECT EXISTS (SELECT FROM %1$I.terms_rule r JOIN %1$I.terms_wallet w ON w.version = r.version AND w.name = r.wallet WHERE w.wallet = $1)', program), wallet)::boolean THEN
		PERFORM _loyalty.remove_unused_terms(program);
	END IF;
	RETURN _loyalty.wallet_has_entries(program, wallet);
END
$$;
COMMENT ON FUNCTION _loyalty.wallet_is_used(name, int) IS 'has a wallet points, or may orders give it some by rules of the terms that they are of?';

-- Whoever gives points to a wallet holds a lock on its row, so a DELETE waits for him, and
-- sees his entry here: the snapshot of the transaction could be older than that.
CREATE FUNCTION _loyalty.require_unused_wallet(program name, wallet int, name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF wallet = 1 THEN
		RAISE EXCEPTION 'the wallet "%" cannot be deleted', name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It is wallet 1, which rules that name no wallet give their points to.',
			      HINT = format('For points that neither wait nor expire: UPDATE %I.wallet SET available_after = NULL, expires = NULL, extended = NULL WHERE wallet = 1.', program);
	ELSIF _loyalty.wallet_is_used(program, wallet) THEN
		RAISE EXCEPTION 'the wallet "%" cannot be deleted', name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It is wallet %s, and entries have points of it, or may get some by rules of their terms.', wallet),
			      HINT = format('Name it in no more calls; UPDATE %I.wallet SET name = ... WHERE wallet = %s makes its name free for another one.', program, wallet);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_unused_wallet(name, int, text) IS 'an error if a wallet that shall be deleted is the first one, or has entries';

-- Its number, and whether it can be spent from, are what entries were made by.
CREATE FUNCTION _loyalty.check_wallet_kind(program name, wallet int, name text, redeemable boolean, wallet_before int, redeemable_before boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF wallet < 1 THEN
		RAISE EXCEPTION 'the number of a wallet must be at least 1'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', wallet), HINT = 'Leave it out, and the wallet gets the next number.';
	ELSIF wallet <> wallet_before THEN
		RAISE EXCEPTION 'the number of a wallet cannot be changed'
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It is %s of the wallet "%s".', wallet_before, name),
			      HINT = 'Change redeem_order, for another order in which points are taken from wallets.';
	ELSIF wallet = 1 AND NOT redeemable THEN
		RAISE EXCEPTION 'wallet 1 must be redeemable'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is "%s", which rules that name no wallet give their points to.', name),
			      HINT = format('Make another wallet for points that cannot be spent: INSERT INTO %I.wallet (name, redeemable) VALUES (..., false).', program);
	ELSIF redeemable <> redeemable_before AND _loyalty.wallet_is_used(program, wallet) THEN
		RAISE EXCEPTION 'whether the wallet "%" is redeemable cannot be changed', name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It is wallet %s, and entries have points of it, or may get some by rules of their terms.', wallet),
			      HINT = 'Make another wallet, and adjust the points of customers in both.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.check_wallet_kind(name, int, text, boolean, int, boolean) IS 'check the number of a wallet, and whether it can be spent from, by what they were before';

-- Older terms may have one that was deleted.  One more than the highest number, or if somebody chose the last
-- that there is, the lowest that is free.
CREATE FUNCTION _loyalty.next_wallet(program name)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result int;
BEGIN
	EXECUTE format($sql$
		WITH used AS (SELECT w.wallet FROM %1$I.wallet w UNION SELECT t.wallet FROM %1$I.terms_wallet t)
		SELECT coalesce((SELECT nullif(max(u.wallet), 2147483647) + 1 FROM used u),
		                (SELECT min(n) FROM generate_series(2, (SELECT count(*) + 2 FROM used)) n WHERE NOT EXISTS (SELECT FROM used u WHERE u.wallet = n))) $sql$, program) INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.next_wallet(name) IS 'a number that no wallet of a program has';

-- A number alone is so many seconds, as PostgreSQL reads intervals, which nobody means here.
CREATE FUNCTION _loyalty.tell_of_seconds(what text, span interval)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF span < interval '1 hour' THEN
		RAISE NOTICE '% is less than an hour', what
			USING DETAIL = format('It is %s.', span),
			      HINT = 'A number without a unit is so many seconds. Name the unit, as in ''14 days''.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.tell_of_seconds(text, interval) IS 'a notice if an interval is so short that its unit was forgotten, maybe';

-- The wallet is not deleted, or called otherwise, while that is written.
CREATE FUNCTION _loyalty.require_rule_wallet(program name, what text, has_multiplier boolean, wallet text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_name text;
BEGIN
	IF wallet IS NULL THEN
		RETURN;
	ELSIF has_multiplier THEN
		RAISE EXCEPTION 'the % is a multiplier, which gives no points of its own that could go into a wallet', what
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set wallet of the rules whose points it multiplies, or write a rule with points that gives the difference.';
	END IF;
	EXECUTE format('SELECT w.name FROM %I.wallet w WHERE w.name = $1 FOR KEY SHARE', program) INTO found_name USING wallet;
	IF found_name IS NULL THEN
		RAISE EXCEPTION 'loyalty program "%" has no wallet "%"', program, wallet
			USING ERRCODE = 'LY009', DETAIL = format('It is that of the %s.', what), HINT = format('SELECT name FROM %I.wallet tells which wallets there are.', program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_rule_wallet(name, text, boolean, text) IS 'an error if an earning rule cannot give its points into a wallet, or there is none of that name';

CREATE FUNCTION _loyalty.check_wallet()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
BEGIN
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN CASE tg_op WHEN 'DELETE' THEN OLD ELSE NEW END;
	ELSIF tg_op = 'DELETE' THEN
		PERFORM _loyalty.keep_for_dates(tg_table_schema, format('the wallet "%s"', OLD.name), OLD.name) WHERE OLD.wallet <> 1;
		PERFORM _loyalty.require_unused_wallet(tg_table_schema, OLD.wallet, OLD.name);
		RETURN OLD;
	END IF;
	PERFORM _loyalty.keep_for_dates(tg_table_schema, format('the name of the wallet "%s"', OLD.name), OLD.name) WHERE OLD.name <> NEW.name;
	IF NEW.wallet IS NULL THEN
		NEW.wallet := _loyalty.next_wallet(tg_table_schema);
	END IF;
	PERFORM _loyalty.check_wallet_kind(tg_table_schema, NEW.wallet, NEW.name, NEW.redeemable, OLD.wallet, OLD.redeemable);
	IF btrim(NEW.name) = '' THEN
		RAISE EXCEPTION 'the name of a wallet must not be empty' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM _loyalty.require_short_name('a wallet', NEW.name);
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
	IF NEW.available_after IS DISTINCT FROM OLD.available_after THEN
		PERFORM _loyalty.tell_of_seconds(format('available_after of the wallet "%s"', NEW.name), NEW.available_after);
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
