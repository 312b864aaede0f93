-- Earning rules that are for some members -----------------------------------------------
--
-- What depends on the purchase alone is found out when an order is recorded, and what depends on
-- the customer when its entries are folded.  So under terms that have rules for some members, or
-- rules whose points are a bonus, an entry has what each rule gives, in its column "parts", and the fold
-- puts them together (src/config/member_rules.c): rules whose condition did not hold just before the
-- order are left out, and those that are left stack as they do everywhere.  Bonuses are added after the tier.
--
-- The conditions of a version of the terms are the columns rule_<award> of the view for_members_<terms>, over the
-- type "rule_facts".  Which of them held is found out for the first entry of an order, and stays.

CREATE FUNCTION _loyalty.require_member_rule(what text, has_multiplier boolean, per text, for_members text, bonus boolean, member_limit numeric, limit_unit text, limit_period text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF bonus AND has_multiplier THEN
		RAISE EXCEPTION 'the % is a multiplier, which cannot be a bonus', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'A bonus is points that are not multiplied.', HINT = 'Set bonus to false.';
	ELSIF for_members IS NOT NULL AND has_multiplier AND per = 'line' THEN
		RAISE EXCEPTION 'the % multiplies points of lines, and must be for all members', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Points of lines are multiplied when the order is recorded, before it is known what its customer had.',
			      HINT = 'Set for_members to null, or write a rule with points per line that is for these members.';
	ELSIF member_limit IS NOT NULL AND has_multiplier THEN
		RAISE EXCEPTION 'the % is a multiplier, which gives no points of its own that member_limit could be about', what
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set member_limit of the rules whose points it multiplies, or write a rule with points that gives the difference.';
	ELSIF member_limit = 'NaN' OR abs(member_limit) >= 1e20 THEN
		RAISE EXCEPTION 'member_limit of the % must be a number below 1e20', what
			USING ERRCODE = 'numeric_value_out_of_range', DETAIL = format('It is %s.', member_limit);
	ELSIF member_limit < 0 THEN
		RAISE EXCEPTION 'member_limit of the % must be at least 0', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', member_limit);
	ELSIF limit_unit = 'times' AND member_limit <> trunc(member_limit) THEN
		RAISE EXCEPTION 'member_limit of the % must be a whole number where it counts times', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', member_limit), HINT = 'Set limit_unit to ''points'' if points are meant.';
	ELSIF limit_unit = 'times' AND member_limit IS NULL THEN
		RAISE EXCEPTION 'limit_unit of the % is that of member_limit, which it does not say', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'limit_unit is ''times''.', HINT = 'Say how many orders of a member may get points by the rule, or set limit_unit to ''points''.';
	ELSIF limit_period IS NOT NULL AND member_limit IS NULL THEN
		RAISE EXCEPTION 'limit_period of the % is that of member_limit, which it does not say', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('limit_period is %s.', quote_literal(limit_period)), HINT = 'Say how many points a member may get in each such period, or set limit_period to null.';
	END IF;
	PERFORM _loyalty.require_choice(format('limit_unit of the %s', what), limit_unit, 'points', 'times');
	IF limit_period IS NOT NULL THEN
		PERFORM _loyalty.require_choice(format('limit_period of the %s', what), limit_period, 'day', 'week', 'month', 'quarter', 'year');
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_member_rule(text, boolean, text, text, boolean, numeric, text, text) IS 'an error if an earning rule cannot be for some members, a bonus, or have such a limit per member';

-- Do entries under a version of the terms have what each rule gives?
CREATE FUNCTION _loyalty.terms_fold(program name, terms int)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.answer(format('SELECT EXISTS (SELECT FROM %1$I.terms_rule r LEFT JOIN %1$I.terms_wallet w ON w.version = r.version AND w.name = r.wallet
	                                               WHERE r.version = $1 AND (r.for_members IS NOT NULL OR r.bonus OR r.member_limit IS NOT NULL OR w.wallet <> 1))', program), terms)::boolean
$$;
COMMENT ON FUNCTION _loyalty.terms_fold(name, int) IS 'has a version of the terms rules for some members, bonuses, limits per member, or wallets of rules, so that its rules stack when entries are folded?';

-- A tier of another name is nobody's.
CREATE FUNCTION _loyalty.tell_of_unknown_tiers(program name, rule text, tiers text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unknown text;
	known text;
BEGIN
	EXECUTE format('SELECT n.tier FROM unnest($1) WITH ORDINALITY n (tier, place) WHERE NOT EXISTS (SELECT FROM %I.tier t WHERE t.name = n.tier) ORDER BY n.place LIMIT 1', program)
	   INTO unknown USING tiers;
	IF unknown IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT string_agg(format(''"%%s"'', t.name), '', '' ORDER BY t.rank) FROM %I.tier t', program) INTO known;
	RAISE NOTICE 'for_members of the % names a tier that there is not', _loyalty.rule_label(rule)
		USING DETAIL = format('It is "%s"; the tiers are: %s.', unknown, coalesce(known, 'none')), HINT = 'Write the tier as its name is, or make one of this name; until then, nobody has it.';
END
$$;
COMMENT ON FUNCTION _loyalty.tell_of_unknown_tiers(name, text, text[]) IS 'a notice if for_members of an earning rule compares the tier with the name of none';

-- The condition of a rule, as SQL with every name qualified.
CREATE FUNCTION _loyalty.parse_for_members(program name, rule text, condition text, search_path text, warn boolean, terms int DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
	newest int;
	parsed record;
BEGIN
	EXECUTE format('SELECT time_zone, terms FROM %I.program', program) INTO zone, newest;
	SELECT p.expression, p.tiers INTO parsed FROM _loyalty.parse_expression(condition, NULL, NULL, format('%I.rule_facts', program)::regclass, 'boolean',
	                                                          format('for_members of the %s', _loyalty.rule_label(rule)), NULL, NULL, zone, search_path, warn,
	                                                          parts => _loyalty.condition_parts(program, coalesce(terms, newest))) p;
	IF warn THEN
		PERFORM _loyalty.tell_of_unknown_tiers(program, rule, parsed.tiers);
	END IF;
	RETURN parsed.expression;
END
$$;
COMMENT ON FUNCTION _loyalty.parse_for_members(name, text, text, text, boolean, int) IS 'check the condition by which an earning rule is for a member, under the terms in force or others, and return it with every name qualified';

-- The conditions of the rules of one version of the terms, as its view has them.
CREATE FUNCTION _loyalty.member_conditions(program name, terms int, flat boolean DEFAULT false)
RETURNS TABLE (award int, rule text, expression text, columns text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT r.award, r.name, v.expression, v.columns
	                               FROM %I.terms_rule r
	                              CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, ''for_members'', $2), NULL, format(''rule_%%s'', r.award), false, $3) v
	                              WHERE r.version = $2 AND r.for_members IS NOT NULL ORDER BY r.award', program) USING program, terms, flat;
END
$$;
COMMENT ON FUNCTION _loyalty.member_conditions(name, int, boolean) IS
'the conditions by which the earning rules of one version of the terms are for a member, as SQL, with the columns that they use; flat: over facts alone';

-- The condition of a rule as it is now.
CREATE FUNCTION _loyalty.present_for_members(program name, terms int, rule text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.expression FROM _loyalty.member_conditions(program, terms) c WHERE c.rule = present_for_members.rule
$$;
COMMENT ON FUNCTION _loyalty.present_for_members(name, int, text) IS 'the condition by which an earning rule is for a member, as it is now, as SQL';

-- The condition of a rule of some terms, as written; null, with a warning, if it names what
-- is gone: then these terms have no view of conditions.
CREATE FUNCTION _loyalty.for_members_of_terms(program name, terms int, rule text, condition text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN _loyalty.parse_for_members(program, rule, condition, 'pg_catalog, pg_temp', false, terms);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	IF SQLSTATE = '42501' THEN
		RAISE;
	END IF;
	RAISE WARNING 'the earning rules of terms % have no view: for_members of the % does not hold', terms, _loyalty.rule_label(rule)
		USING DETAIL = format('%s It says %L.', _loyalty.as_sentence(SQLERRM), condition),
		      HINT = format('Correct it: UPDATE %I.terms_rule SET for_members = ''...'' WHERE version = %s AND name = %L.', program, terms, rule);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.for_members_of_terms(name, int, text, text) IS
'the condition by which an earning rule of some terms is for a member, as written; null, with a warning, if it does not hold any more';

-- The view of the conditions of one version of the terms; none without conditions, or where
-- one is null.
CREATE FUNCTION _loyalty.make_for_members_view(program name, terms int, awards int[], conditions text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF cardinality(conditions) > 0 AND array_position(conditions, NULL) IS NULL THEN
		PERFORM _loyalty.make_view(program, _loyalty.view_name('for_members', terms),
			format('SELECT %s FROM %s', (SELECT string_agg(format('(%s) AS rule_%s', c, a), ', ' ORDER BY a) FROM unnest(awards, conditions) x (a, c)),
			       _loyalty.facts_sql(program, terms, 'rule_facts')),
			format('for whom earning rules are under version %s of the terms', terms));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.make_for_members_view(name, int, int[], text[]) IS 'make the view that has the conditions by which the earning rules of one version of the terms are for a member';

-- That view for new terms: of a rule that did not change, its condition is what the view of the terms before says.
CREATE FUNCTION _loyalty.make_next_for_members(program name, before int, version int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		SELECT _loyalty.make_for_members_view($1, $3, array_agg(r.award ORDER BY r.award),
		                                      array_agg(coalesce(c.expression, _loyalty.for_members_of_terms($1, $3, r.name, r.for_members)) ORDER BY r.award))
		  FROM %1$I.terms_rule r
		  LEFT JOIN %1$I.terms_rule o ON o.version = $2 AND (o.name, o.for_members) = (r.name, r.for_members)
		  LEFT JOIN _loyalty.member_conditions($1, $2) c ON c.award = o.award
		 WHERE r.version = $3 AND r.for_members IS NOT NULL
		$sql$, program) USING program, before, version;
END
$$;
COMMENT ON FUNCTION _loyalty.make_next_for_members(name, int, int) IS 'make the view of the conditions of earning rules under new terms';

-- The same of terms, one of whose rules was corrected.
CREATE FUNCTION _loyalty.correct_for_members(program name, version int, rule text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		SELECT _loyalty.make_for_members_view($1, $2, array_agg(r.award ORDER BY r.award),
		                                      array_agg(CASE WHEN r.name IS DISTINCT FROM $3 AND c.expression IS NOT NULL THEN c.expression
		                                                ELSE _loyalty.for_members_of_terms($1, $2, r.name, r.for_members) END ORDER BY r.award))
		  FROM %1$I.terms_rule r LEFT JOIN _loyalty.member_conditions($1, $2) c ON c.award = r.award
		 WHERE r.version = $2 AND r.for_members IS NOT NULL
		$sql$, program) USING program, version, rule;
END
$$;
COMMENT ON FUNCTION _loyalty.correct_for_members(name, int, text) IS 'make the view of the conditions of earning rules under some terms anew, one of whose rules was corrected';

-- All of these views anew, from conditions that are checked once more; returns their names.
CREATE FUNCTION _loyalty.renew_for_members(program name)
RETURNS name[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v record;
	made name[] := '{}';
BEGIN
	FOR v IN EXECUTE format('SELECT t.version, array_agg(c.award ORDER BY c.award) AS awards, array_agg(p.expression ORDER BY c.award) AS conditions
	                           FROM %1$I.terms t CROSS JOIN LATERAL _loyalty.member_conditions($1, t.version) c
	                          CROSS JOIN LATERAL _loyalty.parse_expression(c.expression, NULL, NULL, %2$L::regclass, ''boolean'', ''for_members of an earning rule'',
	                                     NULL, NULL, NULL, ''pg_catalog, pg_temp'', false, parts => _loyalty.condition_parts($1, t.version)) p
	                          WHERE _loyalty.view_of($1, ''for_members'', t.version) IS NOT NULL
	                          GROUP BY t.version', program, format('%I.rule_facts', program)) USING program
	LOOP
		PERFORM _loyalty.make_for_members_view(program, v.version, v.awards, v.conditions);
		made := made || _loyalty.view_name('for_members', v.version);
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION _loyalty.renew_for_members(name) IS 'make the views of the conditions of earning rules anew, from conditions that are checked once more; their names';

-- What is shown of conditions, after renames.
CREATE FUNCTION _loyalty.refresh_for_members(program name, newest int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE format('SELECT t.name, c.expression, CASE WHEN t.is_campaign THEN t.campaign END AS campaign FROM %I.terms_rule t JOIN _loyalty.member_conditions($1, $2) c ON c.award = t.award
	                          WHERE t.version = $2 AND c.expression IS NOT NULL AND t.for_members <> c.expression', program) USING program, newest
	LOOP
		IF r.campaign IS NOT NULL THEN
			PERFORM _loyalty.refresh_campaign(program, newest, r.campaign, 'for_members', r.expression);
			CONTINUE;
		END IF;
		EXECUTE format('UPDATE %I.terms_rule SET for_members = $1 WHERE version = $2 AND name = $3', program) USING r.expression, newest, r.name;
		EXECUTE format('UPDATE %I.earning_rule SET for_members = $1 WHERE name = $2', program) USING r.expression, r.name;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.refresh_for_members(name, int) IS 'bring the conditions of earning rules up to what the view of the terms in force says, after renames';

-- What helps if the view of conditions under some terms is lost.
CREATE FUNCTION _loyalty.how_to_mend_for_members(program name, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
BEGIN
	IF _loyalty.lacks_view_of_metrics(program, terms) THEN
		RETURN 'its metrics have none, and are to be mended first';
	END IF;
	FOR r IN EXECUTE format('SELECT name, for_members FROM %I.terms_rule WHERE version = $1 AND for_members IS NOT NULL ORDER BY award', program) USING terms
	LOOP
		PERFORM _loyalty.parse_for_members(program, r.name, r.for_members, 'pg_catalog, pg_temp', false, terms);
	END LOOP;
	RETURN format('UPDATE %I.terms_rule SET for_members = for_members WHERE version = %s, which makes it', program, terms);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	RETURN format('for_members of the %s does not hold: %s; correct it: UPDATE %I.terms_rule SET for_members = ''...'' WHERE version = %s AND name = %L, which makes it',
	              _loyalty.rule_label(r.name), SQLERRM, program, terms, r.name);
END
$$;
COMMENT ON FUNCTION _loyalty.how_to_mend_for_members(name, int) IS 'what to do if the view of the conditions of earning rules under some terms is lost';
