-- Conversion of points to money -------------------------------------------------------

CREATE TYPE loyalty.quote AS (
	points numeric,
	value numeric,
	rest numeric,
	limited_by text
);
COMMENT ON TYPE loyalty.quote IS 'how many points may pay for an order: result of the function quote of a program';
COMMENT ON COLUMN loyalty.quote.points IS 'so many points may be redeemed';
COMMENT ON COLUMN loyalty.quote.value IS 'what they are worth in money';
COMMENT ON COLUMN loyalty.quote.rest IS 'what is left of the amount to be paid in money';
COMMENT ON COLUMN loyalty.quote.limited_by IS
'why they are not more: points (that were asked for), balance, maximum_points, maximum_amount, amount, largest_share, payable; or why they are none: conversion, minimum_points, minimum_amount';

CREATE FUNCTION _loyalty.check_conversion()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	points_scale int;
	amount_scale int;
BEGIN
	-- what a restore brings may come before the settings, and have decimals of another time
	IF current_setting('check_function_bodies') <> 'off' THEN
		EXECUTE format('SELECT p.points_scale, p.amount_scale FROM %I.program p', tg_table_schema) INTO points_scale, amount_scale;
	END IF;
	PERFORM _loyalty.require_number('points of the conversion', NEW.points, true, 'points_scale', points_scale);
	-- parts of a block may be worth parts of what can be paid
	PERFORM _loyalty.require_number('amount of the conversion', NEW.amount, true, CASE WHEN NEW.whole_blocks THEN 'amount_scale' END, amount_scale);
	PERFORM _loyalty.require_number(v.name || ' of the conversion', v.number, false, v.setting, v.decimals)
	   FROM (VALUES ('minimum_points', NEW.minimum_points, 'points_scale', points_scale), ('maximum_points', NEW.maximum_points, 'points_scale', points_scale),
	                ('minimum_amount', NEW.minimum_amount, 'amount_scale', amount_scale), ('maximum_amount', NEW.maximum_amount, 'amount_scale', amount_scale))
	        v (name, number, setting, decimals);
	IF NEW.largest_share IS NOT NULL AND NOT (NEW.largest_share > 0 AND NEW.largest_share <= 1) THEN
		RAISE EXCEPTION 'largest_share of the conversion must be more than 0 and at most 1'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', left(NEW.largest_share::text, 100)),
			      HINT = 'Half of an order is 0.5.';
	ELSIF NEW.minimum_points > NEW.maximum_points OR NEW.minimum_amount > NEW.maximum_amount THEN
		RAISE EXCEPTION 'the minimum of the conversion must not be more than the maximum'
			USING ERRCODE = 'invalid_parameter_value',
			      DETAIL = CASE WHEN NEW.minimum_points > NEW.maximum_points THEN format('They are %s and %s points.', NEW.minimum_points, NEW.maximum_points)
			               ELSE format('They are amounts of %s and %s.', NEW.minimum_amount, NEW.maximum_amount) END;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_conversion() IS 'trigger: check what points are worth';

-- How many points, in steps of one number, may be redeemed: as many as the narrowest limit
-- lets through, and no more than their value takes.  A limit in points lets whole steps
-- through; one in money so many that their value, which is rounded down to its last
-- decimal, is not above it: value < limit + one unit of that decimal.
CREATE FUNCTION _loyalty.convert_points(step numeric, worth_points numeric, worth_amount numeric, unit numeric, limits jsonb,
	OUT points numeric, OUT value numeric, OUT limited_by text)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	steps numeric;
BEGIN
	SELECT l.name, x.steps INTO limited_by, steps
	  FROM ROWS FROM (jsonb_to_recordset(limits) AS (name text, points numeric, amount numeric)) WITH ORDINALITY l (name, points, amount, n)
	 CROSS JOIN LATERAL (SELECT CASE WHEN l.points IS NOT NULL THEN _loyalty.quotient(greatest(l.points, 0), step, false)
	                            ELSE _loyalty.quotient((_loyalty.quotient(l.amount, unit, false) + 1) * unit * worth_points, step * worth_amount, true) - 1 END) x (steps)
	 WHERE l.points IS NOT NULL OR l.amount IS NOT NULL
	 ORDER BY x.steps, l.n LIMIT 1;
	value := _loyalty.quotient(steps * step * worth_amount, worth_points * unit, false) * unit;
	points := _loyalty.quotient(value * worth_points, step * worth_amount, true) * step;
END
$$;
COMMENT ON FUNCTION _loyalty.convert_points(numeric, numeric, numeric, numeric, jsonb) IS
'as many points, in whole steps, as several limits in points or amounts let be redeemed, their value in whole units, and the name of the limit that decided';

CREATE FUNCTION _loyalty.quote(settings regclass, customer anyelement, amount numeric, points numeric, payable numeric)
RETURNS loyalty.quote
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	rule record;
	result loyalty.quote;
	unit numeric;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'quote');
	PERFORM _loyalty.require_customer(settings, p.program, customer);
	PERFORM _loyalty.require_given('{amount}', ARRAY[amount IS NULL]);
	PERFORM _loyalty.require_number(v.name, v.number, true, NULL, NULL) FROM (VALUES ('amount', amount), ('points', points), ('payable', payable)) v (name, number);
	unit := ('1e-' || p.amount_scale)::numeric;
	EXECUTE format('SELECT c.* FROM %I.conversion c', p.program) INTO rule;
	IF rule.points > 0 AND rule.amount > 0 THEN
		SELECT c.points, c.value, NULL, c.limited_by INTO result
		  FROM _loyalty.convert_points(
			CASE WHEN rule.whole_blocks THEN rule.points ELSE ('1e-' || p.points_scale)::numeric END, rule.points, rule.amount, unit,
			jsonb_build_array(
				jsonb_build_object('name', 'points', 'points', points),
				jsonb_build_object('name', 'balance', 'points', _loyalty.balance(settings, customer, NULL)),
				jsonb_build_object('name', 'maximum_points', 'points', rule.maximum_points),
				jsonb_build_object('name', 'maximum_amount', 'amount', rule.maximum_amount),
				jsonb_build_object('name', 'amount', 'amount', amount),
				jsonb_build_object('name', 'largest_share', 'amount', rule.largest_share * amount),
				jsonb_build_object('name', 'payable', 'amount', payable))) c;
		result.limited_by := CASE WHEN result.points < rule.minimum_points THEN 'minimum_points'
		                          WHEN result.value < rule.minimum_amount THEN 'minimum_amount' ELSE result.limited_by END;
	ELSE
		result.limited_by := 'conversion';
	END IF;
	IF result.limited_by IN ('conversion', 'minimum_points', 'minimum_amount') THEN
		result.points := 0;
		result.value := 0;
	END IF;
	result.points := round(result.points, p.points_scale);
	result.value := round(result.value, p.amount_scale);
	result.rest := amount - result.value;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.quote(regclass, anyelement, numeric, numeric, numeric) IS 'what the function quote of a program does, for its owner';
