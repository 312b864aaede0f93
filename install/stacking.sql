-- What becomes of the points of several rules -----------------------------------------
--
-- A rule gives points to an order, or to each of its lines, or multiplies those of others.  Of rules
-- of one kind, which are points, multipliers of orders, and multipliers of lines, some may go
-- without others:
--
--   exclusive   where the rule applies, rules of its group that come after it do not count; in no group, none does
--   best_of     of the rules of its group that say so, the one that gives most counts
--
-- They come in the order of their priority, the highest first, and of their names.  All other points
-- are added up, and multiplied by all other multipliers one after the other, or by the sum
-- of what those that are added have above 1.  A multiplier, and that sum, is at least 0, so that no order takes points
-- away by it: a number below 0 is refused when the rule is written, and an expression that comes out below 0 counts as 0.
--
-- The view of a tracked table says all of this in SQL.  Where the trigger reads rows without the
-- view, src/record/stacking.c does the same; verify() compares the one with the other.

-- Of an expression it is not known before there are orders, but most multipliers are numbers.  Below zero, an order would
-- take points away; below 1 it is allowed, as for orders that shall earn less, but may be meant as what is added.
CREATE FUNCTION _loyalty.check_multiplier(what text, multiplier text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	factor numeric;
BEGIN
	BEGIN
		factor := multiplier;
	EXCEPTION WHEN data_exception THEN
		RETURN;		-- an expression that is no number by itself
	END;
	IF factor < 0 THEN
		RAISE EXCEPTION 'multiplier of % must be at least 0', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s: orders would take points away.', factor),
			      HINT = 'For twice the points, it is 2; for none, 0.';
	ELSIF factor < 1 THEN
		RAISE NOTICE 'with the multiplier of %, orders get fewer points than without it', what
			USING DETAIL = format('It is %s.', factor),
			      HINT = 'It is 1 for as many points, and 1.2 for 20 percent more.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.check_multiplier(text, text) IS 'an error if a multiplier is a number below zero, and a notice if it is one below 1';

-- A day without a time and a zone is midnight of the session, which is not that of the shop where a server runs in UTC.
-- It is told only of what is midnight in the session's zone, and not in the program's: nobody else means a day.
CREATE FUNCTION _loyalty.tell_of_midnight(program name, what text, moment timestamptz, before timestamptz)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
	here timestamp;
BEGIN
	IF moment IS NULL OR moment = before OR NOT isfinite(moment) OR moment::time <> '00:00' THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT p.time_zone, $1 AT TIME ZONE p.time_zone FROM %I.program p', program) INTO zone, here USING moment;
	IF here::time <> '00:00' THEN
		RAISE NOTICE '% is midnight in the time zone of the session, and not in that of the program', what
			USING DETAIL = format('It is %s in the zone "%s", which is %s in "%s".', to_char(moment, 'YYYY-MM-DD HH24:MI'), current_setting('TimeZone'), to_char(here, 'YYYY-MM-DD HH24:MI'), zone),
			      HINT = format('Name the zone, as in %L, if the day is meant as it is in the program.', to_char(moment, 'YYYY-MM-DD HH24:MI ') || zone);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.tell_of_midnight(name, text, timestamptz, timestamptz) IS
'a notice if a moment that is new is midnight for the session, and not in the time zone of a program';

-- No other rule has such a name: see _loyalty.require_campaign_rule().
CREATE FUNCTION _loyalty.stands_for_campaign(rule text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT starts_with(rule, 'campaign "') $$;
COMMENT ON FUNCTION _loyalty.stands_for_campaign(text) IS 'does a rule of the terms stand for a campaign, by its name?';

-- What errors call a rule of the terms.  One that stands for a campaign is named by that: see _loyalty.gate_name().
CREATE FUNCTION _loyalty.rule_label(rule text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN _loyalty.stands_for_campaign(rule) THEN rule ELSE format('earning rule "%s"', rule) END
$$;
COMMENT ON FUNCTION _loyalty.rule_label(text) IS 'what errors call an earning rule of the terms, or what stands there for a campaign';

-- What an earning rule says beside its expressions.
CREATE FUNCTION _loyalty.require_rule(what text, has_points boolean, has_multiplier boolean, starts timestamptz, ends timestamptz, numbers numeric[],
                                      rounding text, stacking text, stacking_group text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	names CONSTANT text[] := '{minimum_order, every, gives, at_most}';
BEGIN
	IF has_points = has_multiplier THEN
		RAISE EXCEPTION 'the % must have either points or a multiplier', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = CASE WHEN has_points THEN 'It has both.' ELSE 'It has none of them.' END,
			      HINT = 'points says how many an order, or a line, gets; multiplier says by what the points of other rules are multiplied.';
	ELSIF starts >= ends THEN
		RAISE EXCEPTION 'the % must end after it starts', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It starts at %s and ends at %s.', starts, ends);
	ELSIF btrim(stacking_group) = '' THEN
		RAISE EXCEPTION 'stacking_group of the % must not be empty', what
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set it to null for a rule that is in no group.';
	ELSIF (numbers[2] IS NULL) <> (numbers[3] IS NULL) THEN
		RAISE EXCEPTION 'every and gives of the % belong together', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = CASE WHEN numbers[2] IS NULL THEN 'It has gives alone.' ELSE 'It has every alone.' END,
			      HINT = 'With points => ''amount'', every => 2 and gives => 10, each full 2.00 of the amount gives 10 points.';
	ELSIF has_multiplier AND (numbers[2] IS NOT NULL OR numbers[4] IS NOT NULL OR rounding IS NOT NULL) THEN
		RAISE EXCEPTION 'the % is a multiplier, which has no points that every, at_most and rounding could be about', what
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set them to null.';
	END IF;
	FOR i IN 1 .. 4
	LOOP
		IF numbers[i] = 'NaN' OR abs(numbers[i]) >= 1e20 THEN
			RAISE EXCEPTION '% of the % must be a number below 1e20', names[i], what
				USING ERRCODE = 'numeric_value_out_of_range', DETAIL = format('It is %s.', numbers[i]);
		ELSIF numbers[i] < 0 OR (i = 2 AND numbers[i] = 0) THEN
			RAISE EXCEPTION '% of the % must be %', names[i], what, CASE i WHEN 2 THEN 'more than 0' ELSE 'at least 0' END
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', numbers[i]);
		END IF;
	END LOOP;
	IF rounding IS NOT NULL THEN
		PERFORM _loyalty.require_choice(format('rounding of the %s', what), rounding, 'floor', 'half_even', 'half_up', 'ceil');
	END IF;
	IF has_points THEN
		PERFORM _loyalty.require_choice(format('stacking of the %s', what), stacking, 'add', 'exclusive', 'best_of');
	ELSE
		PERFORM _loyalty.require_choice(format('stacking of the %s, which is a multiplier,', what), stacking, 'multiply', 'add', 'exclusive', 'best_of');
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_rule(text, boolean, boolean, timestamptz, timestamptz, numeric[], text, text, text) IS
'an error if what an earning rule says beside its expressions is no rule';

-- The rules of a version of the terms as they come after each other; groups are numbered, and 0 is none.
CREATE FUNCTION _loyalty.stacked_rules(program name, terms int)
RETURNS TABLE (place int, award int, per text, multiplies boolean, stacking text, "group" int, starts timestamptz, ends timestamptz, minimum_order numeric,
               every numeric, gives numeric, at_most numeric, rounding text, points_scale int, for_members boolean, bonus boolean, member_limit numeric, limit_unit text, limit_period text, budget text,
               is_campaign boolean, gate int, gate_starts timestamptz, gate_ends timestamptz, gate_for_members boolean, wallet int, apart boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT row_number() OVER (ORDER BY r.priority DESC, r.name COLLATE "C")::int, r.award, r.per, r.multiplier IS NOT NULL, r.stacking,
		       CASE WHEN r.stacking_group IS NULL THEN 0 ELSE dense_rank() OVER (ORDER BY r.stacking_group COLLATE "C" NULLS LAST)::int END,
		       r.starts, r.ends, r.minimum_order, r.every, r.gives, r.at_most, r.rounding, t.points_scale, r.for_members IS NOT NULL, r.bonus,
		       r.member_limit, r.limit_unit, r.limit_period, r.budget, r.is_campaign, r.gate, g.starts, g.ends, g.for_members IS NOT NULL,
		       coalesce(w.wallet, 1), r.member_limit IS NOT NULL OR coalesce(w.wallet, 1) <> 1
		  FROM %1$I.terms_rule r JOIN %1$I.terms t ON t.version = r.version LEFT JOIN %1$I.terms_rule g ON g.version = r.version AND g.award = r.gate
		  LEFT JOIN %1$I.terms_wallet w ON w.version = r.version AND w.name = r.wallet WHERE r.version = $1 ORDER BY 1
		$sql$, program) USING terms;
END
$$;
COMMENT ON FUNCTION _loyalty.stacked_rules(name, int) IS 'the earning rules of a version of the terms in the order in which they stack, with what they say beside their expressions';

-- Are points just added up?
CREATE FUNCTION _loyalty.rules_are_plain(program name, terms int)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(bool_and(NOT r.multiplies AND r.stacking = 'add' AND num_nonnulls(r.starts, r.ends, r.minimum_order, r.every, r.at_most, r.rounding) = 0
	                         AND NOT r.for_members AND NOT r.bonus AND NOT r.apart), true)
	  FROM _loyalty.stacked_rules(program, terms) r
$$;
COMMENT ON FUNCTION _loyalty.rules_are_plain(name, int) IS 'do the rules of a version of the terms do nothing but add up points?';

-- Magnitudes are rounded, as those of whole orders are; of two neighbours that are as near, half_even takes the even one.
CREATE FUNCTION _loyalty.rounded_sql(points text, rounding text, places int)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN rounding IS NULL THEN points
	            WHEN rounding = 'floor' THEN format('trunc(%s, %s)', points, places)
	            WHEN rounding = 'half_up' THEN format('round(%s, %s)', points, places)
	            WHEN rounding = 'ceil' THEN format('(sign(%1$s) * ceil(abs(%1$s) * %2$s) * %3$s)', points, u.units, u.unit)
	            ELSE format('(sign(%1$s) * (CASE WHEN abs(%1$s) * %2$s - trunc(abs(%1$s) * %2$s) = 0.5 THEN 2 * ceil(trunc(abs(%1$s) * %2$s) / 2) ELSE round(abs(%1$s) * %2$s) END) * %3$s)',
	                        points, u.units, u.unit) END
	  FROM (SELECT '1' || repeat('0', places) || '::numeric', CASE WHEN places = 0 THEN '1' ELSE '0.' || repeat('0', places - 1) || '1' END || '::numeric') u (units, unit)
$$;
COMMENT ON FUNCTION _loyalty.rounded_sql(text, text, int) IS 'points rounded to decimals, as SQL; null for rounding: as they are';

-- By what is multiplied is at least 0.  What is not finite is refused, and comes to NaN, which is the greatest.
CREATE FUNCTION _loyalty.factor_sql(factor text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('greatest(%1$s, 0 * %1$s)', factor) $$;
COMMENT ON FUNCTION _loyalty.factor_sql(text) IS 'a factor that is at least 0, as SQL; null where it is null';

-- Does a purchase lie within the window of a rule, and is it large enough?
CREATE FUNCTION _loyalty.in_window_sql(starts timestamptz, ends timestamptz, minimum_order numeric)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, MDY'
AS $$
	SELECT nullif(concat_ws(' AND ', 'purchase.at >= ' || quote_literal(starts) || '::timestamptz', 'purchase.at < ' || quote_literal(ends) || '::timestamptz',
	                        'purchase.amount >= ' || minimum_order), '')
$$;
COMMENT ON FUNCTION _loyalty.in_window_sql(timestamptz, timestamptz, numeric) IS 'the condition that a rule is in force for a purchase, as SQL; null: it always is';

-- Is a rule in force for a purchase?  One of a campaign is where the campaign holds, too, which is what stands for it among the awards; it is
-- asked first, so that nothing is evaluated, or fails, where the campaign does not hold.
CREATE FUNCTION _loyalty.in_force_sql(starts timestamptz, ends timestamptz, minimum_order numeric, gate int, gate_starts timestamptz, gate_ends timestamptz, expressions jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT nullif(concat_ws(' AND ', CASE WHEN gate IS NOT NULL THEN _loyalty.in_window_sql(gate_starts, gate_ends, NULL) END,
	                        CASE WHEN gate IS NOT NULL THEN coalesce(format('(%s) IS NOT NULL', expressions ->> (gate - 1)), 'false') END,
	                        _loyalty.in_window_sql(starts, ends, minimum_order)), '')
$$;
COMMENT ON FUNCTION _loyalty.in_force_sql(timestamptz, timestamptz, numeric, int, timestamptz, timestamptz, jsonb) IS
'the condition that a rule, and the campaign that it belongs to, are in force for a purchase, as SQL; null: they always are';

-- Which rules of one kind count: for each, the condition that no exclusive rule came before it, or null
-- if there is none.  values.value_n is null where rule n does not apply.
CREATE FUNCTION _loyalty.exclusions_sql(program name, terms int, awards int[], "values" text)
RETURNS TABLE (award int, condition text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.award, string_agg(format('%I.value_%s IS NULL', "values", e.award), ' AND ' ORDER BY e.place) FILTER (WHERE e.award IS NOT NULL)
	  FROM _loyalty.stacked_rules(program, terms) r
	  LEFT JOIN _loyalty.stacked_rules(program, terms) e ON e.award = ANY (awards) AND e.stacking = 'exclusive' AND e.place < r.place AND e."group" IN (0, r."group") AND r.budget IS NULL
	 WHERE r.award = ANY (awards)
	 GROUP BY r.award
$$;
COMMENT ON FUNCTION _loyalty.exclusions_sql(name, int, int[], text) IS 'the conditions that rules are not left out for an exclusive one before them, as SQL';

-- What some of the rules of one kind come to, of which "awards" are all: points are added up, and
-- multipliers multiplied.
CREATE FUNCTION _loyalty.stacked_sql(program name, terms int, awards int[], chosen int[], "values" text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH counting AS (
		SELECT r.award, r.place, r.multiplies, r.stacking, r."group",
		       format(CASE WHEN x.condition IS NULL THEN '%2$s' ELSE 'CASE WHEN %1$s THEN %2$s END' END, x.condition, v.value) AS value
		  FROM _loyalty.exclusions_sql(program, terms, awards, "values") x JOIN _loyalty.stacked_rules(program, terms) r ON r.award = x.award
		 -- those of orders are so already
		 CROSS JOIN LATERAL (SELECT CASE WHEN r.multiplies AND r.per = 'line' THEN _loyalty.factor_sql(format('%I.value_%s', "values", r.award)) ELSE format('%I.value_%s', "values", r.award) END) v (value)
		 WHERE r.award = ANY (chosen)),
	parts AS (
		SELECT min(c.place) AS place, c.multiplies,
		       CASE WHEN c.stacking = 'best_of' THEN format('coalesce(greatest(%s), %s)', string_agg(c.value, ', ' ORDER BY c.place), CASE WHEN c.multiplies THEN 1 ELSE 0 END)
		            WHEN c.multiplies AND c.stacking = 'add' THEN _loyalty.factor_sql(format('(1 + %s)', string_agg(format('coalesce(%s - 1, 0)', c.value), ' + ' ORDER BY c.place)))
		            ELSE string_agg(format('coalesce(%s, %s)', c.value, CASE WHEN c.multiplies THEN 1 ELSE 0 END), CASE WHEN c.multiplies THEN ' * ' ELSE ' + ' END ORDER BY c.place) END AS expression
		  FROM counting c
		 GROUP BY c.multiplies, c.stacking, CASE WHEN c.stacking = 'best_of' THEN c."group" END)
	SELECT string_agg(p.expression, CASE WHEN p.multiplies THEN ' * ' ELSE ' + ' END ORDER BY p.place) FROM parts p GROUP BY p.multiplies
$$;
COMMENT ON FUNCTION _loyalty.stacked_sql(name, int, int[], int[], text) IS 'what rules of one kind come to, as SQL; null for none';

-- By what the points of a line are multiplied: what stands behind the lines, "line", in a FROM clause; null for nothing.
CREATE FUNCTION _loyalty.line_factors_sql(program name, terms int, expressions jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(' CROSS JOIN LATERAL (SELECT %s OFFSET 0) AS line_factor CROSS JOIN LATERAL (SELECT %s AS product OFFSET 0) AS line_factors',
	              string_agg(format(CASE WHEN w.condition IS NULL THEN '(%2$s) AS value_%3$s' ELSE 'CASE WHEN %1$s THEN %2$s END AS value_%3$s' END,
	                                w.condition, expressions ->> (r.award - 1), r.award), ', ' ORDER BY r.place),
	              _loyalty.stacked_sql(program, terms, array_agg(r.award), array_agg(r.award), 'line_factor'))
	  FROM _loyalty.stacked_rules(program, terms) r CROSS JOIN _loyalty.in_force_sql(r.starts, r.ends, r.minimum_order, r.gate, r.gate_starts, r.gate_ends, expressions) w (condition)
	 WHERE r.multiplies AND r.per = 'line' AND expressions ->> (r.award - 1) IS NOT NULL
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION _loyalty.line_factors_sql(name, int, jsonb) IS 'joins that tell by what multipliers of lines multiply the points of a line, as SQL';

-- What the rules come to for an order: from expressions of those per order, and from the sums
-- line_awards.worth_n of those per line, of which a part is left after refunds.  These are divided once, so
-- that shares of thirds add up, but for rules whose own points are counted in steps, limited, rounded or compared.
CREATE FUNCTION _loyalty.stack_orders(program name, terms int, expressions jsonb, with_lines boolean, remaining text, OUT joins text, OUT awards text, OUT columns text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	points int[];
	shared int[];
	multipliers int[];
	gained text;
	given text;
	line_sum text;
BEGIN
	WITH rules AS (
		SELECT r.*, expressions ->> (r.award - 1) AS expression,
		       r.per = 'line' AND remaining IS NOT NULL AND r.stacking = 'add' AND num_nonnulls(r.every, r.at_most, r.rounding) = 0 AS is_shared
		  FROM _loyalty.stacked_rules(program, terms) r
		 WHERE expressions ->> (r.award - 1) IS NOT NULL AND (r.per = 'order' OR (with_lines AND NOT r.multiplies))),
	gains AS (
		SELECT r.*, concat_ws(' AND ', 'purchase.counts', _loyalty.in_force_sql(r.starts, r.ends, r.minimum_order, r.gate, r.gate_starts, r.gate_ends, expressions)) AS condition,
		       format(CASE WHEN r.every IS NULL THEN '%1$s' ELSE 'div(%1$s, %2$s) * %3$s' END,
		              CASE WHEN r.per = 'order' THEN format('(%s)', r.expression) WHEN remaining IS NULL OR r.is_shared THEN format('line_awards.worth_%s', r.award)
		                   ELSE format(remaining, format('line_awards.worth_%s', r.award)) END, r.every, r.gives) AS gain
		  FROM rules r)
	SELECT string_agg(format('CASE WHEN %s THEN %s END AS gain_%s', g.condition, g.gain, g.award), ', ' ORDER BY g.place),
	       string_agg(format('%s AS value_%s',
	                         _loyalty.rounded_sql(CASE WHEN g.multiplies THEN _loyalty.factor_sql(format('gained.gain_%s', g.award)) WHEN g.at_most IS NULL THEN format('gained.gain_%s', g.award)
	                                                   -- what is not finite is refused, and not limited
	                                                   ELSE format('(CASE WHEN gained.gain_%1$s > %2$s AND gained.gain_%1$s - gained.gain_%1$s = 0 THEN %2$s ELSE gained.gain_%1$s END)', g.award, g.at_most) END,
	                                              g.rounding, g.points_scale), g.award), ', ' ORDER BY g.place),
	       array_agg(g.award ORDER BY g.place) FILTER (WHERE NOT g.multiplies), array_agg(g.award ORDER BY g.place) FILTER (WHERE g.is_shared AND NOT g.multiplies),
	       array_agg(g.award ORDER BY g.place) FILTER (WHERE g.multiplies)
	  INTO gained, given, points, shared, multipliers FROM gains g;
	IF gained IS NULL THEN
		RETURN;
	END IF;
	columns := (SELECT string_agg(format(', CASE WHEN purchase.counts THEN %s END AS value_%s', CASE WHEN a = ANY (shared) THEN format(remaining, format('given.value_%s', a)) ELSE format('given.value_%s', a) END, a), '' ORDER BY a) FROM unnest(points || multipliers) a);
	joins := format(' CROSS JOIN LATERAL (SELECT %s OFFSET 0) AS gained CROSS JOIN LATERAL (SELECT %s OFFSET 0) AS given', gained, given);
	line_sum := _loyalty.stacked_sql(program, terms, points, shared, 'given');
	awards := coalesce(nullif(concat_ws(' + ', _loyalty.stacked_sql(program, terms, points, ARRAY(SELECT unnest(points) EXCEPT SELECT unnest(shared)), 'given'),
	                                    CASE WHEN line_sum IS NOT NULL THEN format(remaining, line_sum) END), ''), '0');
	awards := concat_ws(' * ', format('(%s)', awards), _loyalty.stacked_sql(program, terms, multipliers, multipliers, 'given'));
END
$$;
COMMENT ON FUNCTION _loyalty.stack_orders(name, int, jsonb, boolean, text) IS
'what the rules of a version of the terms come to for an order, as SQL: what stands behind its purchase in a FROM clause, and its points before the multiplier of the tier, and columns with what each rule comes to';

-- What each rule of terms that fold gives to an order, as an array in the order of the awards: what the columns
-- value_n of its view say, with what lines gave that have left.  Multipliers of lines are in the points that they multiply.
CREATE FUNCTION _loyalty.parts_sql(program name, terms int, expressions jsonb, with_lines boolean, remaining text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH rules AS (
		SELECT r.award, expressions ->> (r.award - 1) IS NOT NULL AND (r.per = 'order' OR (with_lines AND NOT r.multiplies)) AS is_given, with_lines AND r.per = 'line' AND NOT r.multiplies AS may_leave,
		       format(CASE WHEN r.per = 'line' AND remaining IS NOT NULL AND r.stacking = 'add' AND num_nonnulls(r.every, r.at_most, r.rounding) = 0 THEN remaining ELSE '%s' END,
		              format('given.value_%s', r.award)) AS value,
		       format(coalesce(remaining, '%s'), format('kept.parts[%s]', r.award)) AS left_behind,
		       CASE WHEN expressions ->> (r.gate - 1) IS NOT NULL THEN format(' OR given.value_%s IS NULL', r.gate) ELSE '' END AS is_closed
		  FROM _loyalty.stacked_rules(program, terms) r)
	SELECT format('ARRAY[%s]::numeric[]', string_agg(CASE WHEN NOT r.is_given THEN 'NULL'
	                                                      WHEN r.may_leave THEN format('CASE WHEN kept.parts[%1$s] IS NULL%4$s THEN %2$s ELSE coalesce(%2$s, 0) + %3$s END', r.award, r.value, r.left_behind, r.is_closed)
	                                                      ELSE r.value END, ', ' ORDER BY r.award))
	  FROM rules r
$$;
COMMENT ON FUNCTION _loyalty.parts_sql(name, int, jsonb, boolean, text) IS 'what each rule of a version of the terms gives to an order, as SQL for an array';
