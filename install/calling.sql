-- What is called by functions of programs ---------------------------------------------

-- Functions of a program that are written in SQL have the rights of its owner, and pass the
-- table "program" on with their arguments, as those do that call C.  What they call begins
-- here: it is out of place where a program evaluates its expressions, and lets nobody in but
-- the function of the program.  Returned is what the queries that follow are made of:
-- "is_customer" compares the column before it with $1, a customer who is known, by the
-- index on the column; and "is_same" does so with all keys of the same account, if there are
-- several since customers were merged.
CREATE FUNCTION _loyalty.begin_call(settings regclass, function text,
	OUT program name, OUT customer_type text, OUT is_customer text, OUT is_same text, OUT time_zone text, OUT points_scale int, OUT amount_scale int)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner name;
	any_merged boolean;
BEGIN
	PERFORM _loyalty.refuse_nested(function);
	SELECT n.nspname, pg_get_userbyid(n.nspowner) INTO program, owner
	  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = settings;
	IF owner IS DISTINCT FROM current_user THEN
		RAISE EXCEPTION 'permission denied for loyalty program "%"', program
			USING ERRCODE = 'insufficient_privilege', HINT = format('Call the function %I.%I of the program.', program, function);
	END IF;
	PERFORM _loyalty.require_layout(program);
	-- not a domain, which may refuse nulls, and not the name of bpchar that means one character
	customer_type := format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1);
	is_customer := format('%s $1::%s', _loyalty.customer_equality(program), customer_type);
	EXECUTE format('SELECT p.time_zone, p.points_scale, p.amount_scale, EXISTS (SELECT FROM %1$I.merged) FROM %1$I.program p', program)
	   INTO STRICT time_zone, points_scale, amount_scale, any_merged;
	is_same := is_customer;
	IF any_merged THEN
		is_same := format('%1$s ANY (SELECT x.customer FROM (SELECT coalesce((SELECT m.survivor FROM %2$I.merged m WHERE m.customer %3$s), $1::%4$s) AS customer) x
		                   UNION ALL SELECT m.customer FROM %2$I.merged m WHERE m.survivor %1$s coalesce((SELECT m.survivor FROM %2$I.merged m WHERE m.customer %3$s), $1::%4$s))',
		                  _loyalty.customer_equality(program), program, is_customer, customer_type);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.begin_call(regclass, text) IS
'an error unless the owner of a program calls for it, as functions of the program do; returns what their queries are made of';

-- After this, the customer can be brought to the type of the key, or to what is below it if
-- that is a domain.
CREATE FUNCTION _loyalty.require_customer(settings regclass, program name, customer anyelement)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_type CONSTANT regtype := _loyalty.customer_type(program);
	balance numeric;
BEGIN
	PERFORM _loyalty.require_given('{customer}', ARRAY[customer IS NULL]);
	IF (SELECT t.typtype = 'd' FROM pg_type t WHERE t.oid = key_type) THEN
		EXECUTE format('SELECT _loyalty.balance($1, $2::%s, NULL)', key_type) INTO balance USING settings, customer;
	ELSE
		balance := _loyalty.balance(settings, customer, NULL);
	END IF;
	IF balance IS NULL THEN
		RAISE EXCEPTION 'loyalty program "%" has no customer %', program, customer
			USING ERRCODE = 'LY005', DETAIL = 'Nobody with this key is in the table of the customers, or has orders.',
			      HINT = 'Name the customer by the key that the table of the customers has; insert who is new there before.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_customer(regclass, name, anyelement) IS 'an error (LY005) unless a program has a customer';

-- A null is passed over.  The setting is the one that says how many decimals there may be;
-- without it, or them, there may be any.
CREATE FUNCTION _loyalty.require_number(what text, number numeric, zero_too boolean, setting text, decimals int)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	detail CONSTANT text := format('It is %s.', left(number::text, 100));
BEGIN
	-- that is not true of NaN either
	IF NOT abs(number) < 1e20 THEN
		RAISE EXCEPTION '% must be finite, and have at most 20 digits before the point', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = detail;
	ELSIF number < 0 OR (number = 0 AND NOT zero_too) THEN
		RAISE EXCEPTION '% must %', what, CASE WHEN zero_too THEN 'not be less than zero' ELSE 'be more than zero' END
			USING ERRCODE = 'invalid_parameter_value', DETAIL = detail;
	ELSIF setting IS NOT NULL AND trunc(number, decimals) <> number THEN
		RAISE EXCEPTION '% must have %', what, CASE decimals WHEN 0 THEN 'no decimals' ELSE format('at most %s decimals', decimals) END
			USING ERRCODE = 'invalid_parameter_value', DETAIL = detail,
			      HINT = format('Round it, or let the owner of the program set %s in its table "program".', setting);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_number(text, numeric, boolean, text, int) IS
'an error unless a number is null, or finite and positive, or zero if that is allowed, and has no more decimals than a setting of the program says, if it is named';

CREATE FUNCTION _loyalty.given_reference(reference text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF octet_length(reference) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'reference must have between 1 and 255 bytes'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It has %s.', octet_length(reference)),
			      HINT = 'Give the number of a cart or payment, or null for one that is made.';
	END IF;
	RETURN coalesce(reference, gen_random_uuid()::text);
END
$$;
COMMENT ON FUNCTION _loyalty.given_reference(text) IS 'the reference of a call, or a new one if none is given';

CREATE FUNCTION _loyalty.differing_arguments(arguments text[], same boolean[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ' Other arguments than those of then: ' || string_agg(a.name, ', ' ORDER BY a.n) || '.'
	  FROM unnest(arguments, same) WITH ORDINALITY a (name, is_same, n) WHERE NOT a.is_same
$$;
COMMENT ON FUNCTION _loyalty.differing_arguments(text[], boolean[]) IS 'what a detail says of the arguments that are not those of the call that was found; null: all are the same';

CREATE FUNCTION _loyalty.refuse_reference(reference text, detail text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'reference "%" names another call already', reference
		USING ERRCODE = 'LY002', DETAIL = detail, HINT = 'Repeat a call with the arguments that it had, and give each new one a reference of its own.';
END
$$;
COMMENT ON FUNCTION _loyalty.refuse_reference(text, text) IS 'an error (LY002): a reference is that of another call, which is told';

-- Not the owner, whose rights the function of the program has: the role of SET ROLE, or of
-- the session.
CREATE FUNCTION _loyalty.actor()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE current_setting('role') WHEN 'none' THEN session_user::text ELSE current_setting('role') END
$$;
COMMENT ON FUNCTION _loyalty.actor() IS 'the role that called a function of a program';

-- Days and months are those of the program, whatever the time zone of the session is.
CREATE FUNCTION _loyalty.moved_by(at timestamptz, span interval, time_zone text)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ((at AT TIME ZONE time_zone) + span) AT TIME ZONE time_zone
$$;
COMMENT ON FUNCTION _loyalty.moved_by(timestamptz, interval, text) IS 'the moment that is so many days, months or hours later, counted in a time zone';

-- Numeric division rounds what it cannot show; this one does not.
CREATE FUNCTION _loyalty.quotient(dividend numeric, divisor numeric, up boolean)
RETURNS numeric
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT div(dividend, divisor) + CASE WHEN up AND dividend % divisor > 0 THEN 1 ELSE 0 END
$$;
COMMENT ON FUNCTION _loyalty.quotient(numeric, numeric, boolean) IS 'the whole number below or above an exact quotient of two numbers that are not negative';

-- Of an order, its table is said where several are tracked.
CREATE FUNCTION _loyalty.require_tracks(program name, tracked regclass, kinds text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_tracked boolean;
	relations text;
BEGIN
	EXECUTE format('SELECT bool_or(t.relation = $1), string_agg(format(''"%%s"'', t.relation::regclass), '', '' ORDER BY t.tracked_table) FILTER (WHERE t.kind = ''orders'' AND t.active)
	                  FROM %I.tracked_table t WHERE t.kind = ANY ($2)', program) INTO is_tracked, relations USING tracked, kinds;
	IF is_tracked IS NOT TRUE THEN
		RAISE EXCEPTION '%', CASE WHEN tracked IS NULL THEN format('loyalty program "%s" tracks no orders', program) ELSE format('loyalty program "%s" does not track table "%s"', program, tracked) END
			USING ERRCODE = 'undefined_object', DETAIL = format('It tracks orders in %s.', coalesce(relations, 'no table')), HINT = 'Name the table that has the order with tracked.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_tracks(name, regclass, text[]) IS 'an error unless a program tracks a table, or did, with rows of some kinds';

-- Points may pay for an order that is not there yet, so only its tracked table is looked for.
CREATE FUNCTION _loyalty.paid_table(settings regclass, pays_for text, tracked regclass)
RETURNS int
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	program CONSTANT name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = settings);
	numbers int[];
	relations text;
BEGIN
	IF pays_for IS NULL THEN
		IF tracked IS NOT NULL THEN
			RAISE EXCEPTION 'tracked is given without an order'
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is "%s".', tracked), HINT = 'Name the order that is paid for with pays_for.';
		END IF;
		RETURN NULL;
	ELSIF pays_for = '' THEN
		RAISE EXCEPTION 'pays_for must not be empty'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is the key of the order that the points pay for, as text.',
			      HINT = 'Leave it out, or give null, if they pay for none.';
	END IF;
	EXECUTE format('SELECT array_agg(s.tracked_table) FILTER (WHERE s.relation = $1 OR $1 IS NULL), string_agg(format(''"%%s"'', s.relation::regclass), '', '' ORDER BY s.tracked_table)
	                  FROM %I.tracked_table s WHERE s.kind = ''orders'' AND (s.active OR s.relation = $1)', program) INTO numbers, relations USING tracked;
	IF coalesce(cardinality(numbers), 0) = 0 THEN
		PERFORM _loyalty.require_tracks(program, tracked, '{orders}');
	ELSIF cardinality(numbers) > 1 THEN
		RAISE EXCEPTION 'loyalty program "%" tracks orders in several tables', program
			USING ERRCODE = 'ambiguous_parameter', DETAIL = format('They are %s.', relations), HINT = 'Name the table that has the order with tracked.';
	END IF;
	RETURN numbers[1];
END
$$;
COMMENT ON FUNCTION _loyalty.paid_table(regclass, text, regclass) IS
'the number of the tracked table that has an order which a call pays for: the one that is named, or the only one; null if there is no order';
