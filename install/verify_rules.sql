-- verify(): rules for some members, and bonuses ---------------------------------------
--
-- Where rules stack when entries are folded, what they come to is computed anew out of the parts of each
-- entry, and for whom they are out of the sums of the entries before it, as the tier is.

-- The numbers of the awards whose conditions hold, each of which may fail: then it does not.
CREATE FUNCTION _loyalty.try_rules(facts anyelement, awards int[], rules text[], conditions text[], OUT held_rules int[], OUT failed text[], OUT errors text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	holds boolean;
BEGIN
	held_rules := '{}';
	FOR i IN 1 .. coalesce(cardinality(awards), 0) LOOP
		BEGIN
			EXECUTE format('SELECT (%s) FROM (SELECT ($1).*) AS facts', conditions[i]) INTO holds USING facts;
			IF holds THEN
				held_rules := held_rules || awards[i];
			END IF;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			failed := failed || rules[i];
			errors := errors || SQLERRM;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.try_rules(anyelement, int[], text[], text[]) IS
'the awards whose conditions hold for a member, and the rules whose conditions fail, with the errors';

-- How verify() finds which rules are for a member under versions of the terms, from facts, as SQL for FROM:
-- they are in ruled.held_rules.  Looked for where "wanted" says so.
CREATE FUNCTION _loyalty.rules_sql(program name, versions int[], guarded boolean, wanted text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v int;
	plain text[] := '{}';
	awards text[] := '{}';
	rules text[] := '{}';
	conditions text[] := '{}';
	r record;
BEGIN
	FOREACH v IN ARRAY versions
	LOOP
		SELECT string_agg(format('CASE WHEN (%s) THEN %s END', c.expression, c.award), ', ' ORDER BY c.award) AS cases,
		       array_agg(c.award ORDER BY c.award) AS awards, array_agg(c.rule ORDER BY c.award) AS rules, array_agg(c.expression ORDER BY c.award) AS conditions
		  INTO r FROM _loyalty.member_conditions(program, v, true) c;
		plain := plain || format('array_remove(ARRAY[%s]::int[], NULL)', coalesce(r.cases, ''));
		awards := awards || format('%L::int[]', coalesce(r.awards, '{}'));
		rules := rules || format('%L::text[]', coalesce(r.rules, '{}'));
		conditions := conditions || format('%L::text[]', coalesce(r.conditions, '{}'));
	END LOOP;
	IF NOT guarded THEN
		RETURN format('CROSS JOIN LATERAL (SELECT CASE WHEN %s THEN %s END AS held_rules, NULL::text[] AS failed, NULL::text[] AS errors) AS ruled', wanted, _loyalty.by_terms(versions, plain));
	END IF;
	RETURN format('CROSS JOIN LATERAL _loyalty.try_rules(ROW(facts.spend, facts.orders, facts.points_earned, facts.tenure, facts.first_order_at,
	                                                        facts.last_order_at, facts.today, facts.at, facts.joined_at, facts.purchases, facts.events, NULL, facts.tier)::%I.rule_facts, CASE WHEN %s THEN %s ELSE ''{}'' END, %s, %s) AS ruled',
	              program, wanted, _loyalty.by_terms(versions, awards), _loyalty.by_terms(versions, rules), _loyalty.by_terms(versions, conditions));
END
$$;
COMMENT ON FUNCTION _loyalty.rules_sql(name, int[], boolean, text) IS
'how verify() finds which earning rules are for a member, as SQL for FROM; guarded against conditions that fail';

-- The condition that rule "award" is the best of its group, of rules with points that are to be the best: "values" has what counts of each.
CREATE FUNCTION _loyalty.is_best_sql(program name, terms int, award int, "values" text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws(' AND ', format('%I.value_%s IS NOT NULL', "values", r.award),
	                 string_agg(format('(%1$I.value_%2$s %4$s %1$I.value_%3$s) IS NOT FALSE', "values", r.award, o.award, CASE WHEN o.place < r.place THEN '>' ELSE '>=' END), ' AND ' ORDER BY o.place) FILTER (WHERE o.award IS NOT NULL))
	  FROM _loyalty.stacked_rules(program, terms) r
	  LEFT JOIN _loyalty.stacked_rules(program, terms) o ON o.stacking = 'best_of' AND NOT o.multiplies AND o."group" = r."group" AND o.award <> r.award
	 WHERE r.award = is_best_sql.award
	 GROUP BY r.award
$$;
COMMENT ON FUNCTION _loyalty.is_best_sql(name, int, int, text) IS 'the condition that a rule gives most points of its group, as SQL';

-- What a rule gives to an entry, where it and its campaign are for the customer: each has a number that must be among those of the rules that are, or a null if it is for all.
CREATE FUNCTION _loyalty.counting_sql(value text, award int, gate int)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN num_nonnulls(award, gate) = 0 THEN value
	            ELSE format('CASE WHEN %s THEN %s END', concat_ws(' AND ', award || ' = ANY (facts.held_rules)', gate || ' = ANY (facts.held_rules)'), value) END
$$;
COMMENT ON FUNCTION _loyalty.counting_sql(text, int, int) IS 'what a rule gives to an entry if it, and its campaign, are for the customer, as SQL for verify()';

-- What is left of an entry's parts, as SQL over "facts": "source" for FROM, and by what points are multiplied that are
-- no bonus.
CREATE FUNCTION _loyalty.folded_sql(program name, terms int, OUT source text, OUT factor text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	points int[];
	multipliers int[];
	parts text;
	counting text;
BEGIN
	SELECT array_agg(r.award ORDER BY r.place) FILTER (WHERE NOT r.multiplies), array_agg(r.award ORDER BY r.place) FILTER (WHERE r.multiplies AND r.per = 'order'),
	       string_agg(format('%s AS value_%s', _loyalty.counting_sql(format(CASE WHEN r.budget IS NOT NULL THEN 'facts.allotted[%s]' ELSE 'facts.parts[%s]' END, r.award), CASE WHEN r.for_members THEN r.award END, CASE WHEN r.gate_for_members THEN r.gate END), r.award), ', ' ORDER BY r.place)
	  INTO points, multipliers, parts FROM _loyalty.stacked_rules(program, terms) r;
	SELECT string_agg(format(CASE WHEN x.condition IS NULL THEN 'part.value_%1$s AS value_%1$s' ELSE 'CASE WHEN %2$s THEN part.value_%1$s END AS value_%1$s' END, x.award, x.condition), ', ')
	  INTO counting FROM _loyalty.exclusions_sql(program, terms, points, 'part') x;
	source := format('(SELECT %s) AS part CROSS JOIN LATERAL (SELECT %s) AS counting', parts, coalesce(counting, 'NULL'));
	factor := concat_ws(' * ', _loyalty.stacked_sql(program, terms, multipliers, multipliers, 'part'), 'facts.multiplier');
END
$$;
COMMENT ON FUNCTION _loyalty.folded_sql(name, int) IS 'what is left of the parts of an entry, and by what it is multiplied, as SQL for verify()';

-- What each rule with points gives there before it is multiplied; null: nothing.
CREATE FUNCTION _loyalty.given_sql(program name, terms int)
RETURNS TABLE (place int, award int, bonus boolean, member_limit numeric, limit_unit text, limit_period text, wallet int, apart boolean, given text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.place, r.award, r.bonus, r.member_limit, r.limit_unit, r.limit_period, r.wallet, r.apart,
	       CASE WHEN r.stacking = 'best_of' THEN format('CASE WHEN %s THEN counting.value_%s END', _loyalty.is_best_sql(program, terms, r.award, 'counting'), r.award)
	            ELSE format('counting.value_%s', r.award) END
	  FROM _loyalty.stacked_rules(program, terms) r WHERE NOT r.multiplies
$$;
COMMENT ON FUNCTION _loyalty.given_sql(name, int) IS 'what each rule with points gives to an entry, as SQL over what folded_sql() has';

-- What a rule gives there after all that multiplies it, before it is rounded.
CREATE FUNCTION _loyalty.share_sql(bonus boolean, given text, factor text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN bonus THEN format('(%s)', given) ELSE format('((%s) * %s)', given, factor) END $$;
COMMENT ON FUNCTION _loyalty.share_sql(boolean, text, text) IS 'what a rule gives to an entry, multiplied unless it is a bonus, as SQL for verify()';

-- What an entry under some terms is worth before rounding, as SQL over "facts": its awards, or what its parts come to, at its tier; without what rules
-- with limits or wallets give, which is rounded already.
CREATE FUNCTION _loyalty.worth_sql(program name, terms int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN NOT _loyalty.terms_fold(program, terms) THEN 'facts.awards * facts.multiplier'
	            ELSE (SELECT format('(SELECT (%s) * %s + (%s) FROM %s)',
	                                coalesce(string_agg(format('coalesce(%s, 0)', g.given), ' + ' ORDER BY g.place) FILTER (WHERE NOT g.bonus AND NOT g.apart), '0'), f.factor,
	                                coalesce(string_agg(format('coalesce(%s, 0)', g.given), ' + ' ORDER BY g.place) FILTER (WHERE g.bonus AND NOT g.apart), '0'), f.source)
	                    FROM _loyalty.folded_sql(program, terms) f LEFT JOIN _loyalty.given_sql(program, terms) g ON true
	                   GROUP BY f.factor, f.source) END
$$;
COMMENT ON FUNCTION _loyalty.worth_sql(name, int) IS 'what an entry under a version of the terms is worth before rounding, as SQL for verify()';

-- The points of an entry that are rounded there: without those that were forgiven, and what rules with limits or wallets give, which is taken as it is written:
-- verify_limits() and verify_apart() look at that.
CREATE FUNCTION _loyalty.rounded_points_sql(program name, terms int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws(' - ', 'facts.order_points', 'coalesce(facts.forgiven, 0)',
	                 string_agg(format('coalesce(facts.apart[%s], 0)', r.award), ' - ' ORDER BY r.award) FILTER (WHERE r.apart))
	  FROM _loyalty.stacked_rules(program, terms) r
$$;
COMMENT ON FUNCTION _loyalty.rounded_points_sql(name, int) IS 'the points of an entry that come of rounding what worth_sql() says, as SQL for verify()';

-- What rules that give their points into wallets of their own give is what they would, rounded; verify_limits() looks at those that have a limit, too.
CREATE FUNCTION _loyalty.verify_apart(program name, versions int[], readable boolean, without_large boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	items text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(format('SELECT facts.customer, facts.order_key, facts.revision, facts.entry, %%L::text AS rule, facts.apart[%%s] AS gives, CASE WHEN facts.parts IS NOT NULL THEN (SELECT %%s FROM (SELECT %%s AS points FROM %%s OFFSET 0) AS worth) END AS would
		                            FROM e facts WHERE facts.terms = %%s AND facts.tracked_table > 0',
		                         r.name, g.award, _loyalty.rounded_sql('worth.points', t.rounding, t.points_scale), _loyalty.share_sql(g.bonus, g.given, f.factor), f.source, t.version), ' UNION ALL ')
		  FROM %1$I.terms t CROSS JOIN LATERAL _loyalty.given_sql($1, t.version) g CROSS JOIN LATERAL _loyalty.folded_sql($1, t.version) f
		  JOIN %1$I.terms_rule r ON r.version = t.version AND r.award = g.award
		 WHERE t.version = ANY ($2) AND g.apart AND g.member_limit IS NULL
		$sql$, program) INTO items USING program, versions;
	IF items IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format($sql$
		WITH %s
		SELECT 'points of a rule that go into its wallet are not what it gives'::text, i.customer::text, i.order_key::text,
		       format('revision %%s (entry %%s), rule "%%s": %%s, should be %%s', i.revision, i.entry, i.rule, coalesce(i.gives::text, 'none'), coalesce(i.would::text, 'none'))
		  FROM (%s) i WHERE i.gives IS DISTINCT FROM i.would $sql$, _loyalty.entries_sql(program, readable, without_large), items);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_apart(name, int[], boolean, boolean) IS 'the part of verify() that looks at what rules give into wallets of their own';

-- What rules with a budget give is there where they give something, and is no more than that, rounded; as SQL over "facts".
CREATE FUNCTION _loyalty.allotted_fits_sql(program name, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($sql$
		SELECT CASE WHEN count(r.budget) = 0 THEN 'facts.allotted IS NULL'
		            ELSE concat_ws(' AND ', string_agg(CASE WHEN r.budget IS NULL THEN format('facts.allotted[%%s] IS NULL', r.award)
		                                                    ELSE format('(facts.parts[%%1$s] IS NULL) = (facts.allotted[%%1$s] IS NULL) AND (facts.allotted[%%1$s] <= %%2$s) IS NOT FALSE', r.award,
		                                                                _loyalty.rounded_sql(format('facts.parts[%%s]', r.award), t.rounding, t.points_scale)) END, ' AND ' ORDER BY r.award)) END
		  FROM %1$I.terms_rule r JOIN %1$I.terms t ON t.version = r.version WHERE r.version = $1 $sql$, program) INTO result USING terms;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.allotted_fits_sql(name, int) IS 'the condition that an entry fits the budgets of the rules of its terms, as SQL for verify()';

-- Rules of a campaign give something only where the campaign holds, which is so within its window alone; as SQL over "facts".
CREATE FUNCTION _loyalty.gates_fit_sql(program name, terms int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, MDY'
AS $$
	-- of who was erased, an order keeps what it was worth, wherever it goes
	SELECT coalesce('((facts.member ? '''') IS TRUE OR (' || string_agg(CASE WHEN r.gate IS NOT NULL THEN format('(facts.parts[%s] IS NULL OR facts.parts[%s] IS NOT NULL)', r.award, r.gate)
	                                ELSE format('(facts.parts[%s] IS NULL OR (facts.parts[%1$s] = 0 AND (facts.at >= %2$L::timestamptz) IS NOT FALSE AND (facts.at < %3$L::timestamptz) IS NOT FALSE))',
	                                            r.award, r.starts, r.ends) END, ' AND ' ORDER BY r.award) || '))', 'true')
	  FROM _loyalty.stacked_rules(program, terms) r WHERE r.gate IS NOT NULL OR r.is_campaign
$$;
COMMENT ON FUNCTION _loyalty.gates_fit_sql(name, int) IS 'the condition that an entry fits the campaigns of its terms, as SQL for verify()';

-- Does an entry not fit the rules of its terms, as SQL over "facts"?
CREATE FUNCTION _loyalty.misfit_sql(program name, terms int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN NOT _loyalty.terms_fold(program, terms) THEN 'num_nonnulls(facts.parts, facts.held_rules, facts.rooms, facts.apart, facts.allotted) > 0'
	            ELSE format('(facts.held_rules <@ %L::int[] AND (facts.parts IS NOT NULL) = facts.counts AND coalesce(cardinality(facts.parts), %s) = %2$s AND facts.awards = 0 AND %3$s AND %4$s AND %5$s) IS NOT TRUE',
	                        coalesce(array_agg(r.award) FILTER (WHERE r.for_members), '{}'), count(*),
	                        CASE WHEN NOT bool_or(r.apart) THEN 'num_nonnulls(facts.rooms, facts.apart) = 0'
	                             ELSE format('(facts.parts IS NOT NULL) = (facts.apart IS NOT NULL) AND %3$s
	                                          AND coalesce(cardinality(facts.rooms), %1$s) = %1$s AND coalesce(cardinality(facts.apart), %1$s) = %1$s AND num_nonnulls(NULL%2$s) = 0',
	                                         count(*), string_agg(concat(CASE WHEN r.member_limit IS NULL THEN format(', facts.rooms[%s]', r.award) END, CASE WHEN NOT r.apart THEN format(', facts.apart[%s]', r.award) END), ''),
	                                         CASE WHEN count(r.member_limit) = 0 THEN 'facts.rooms IS NULL' ELSE '(facts.parts IS NULL OR facts.rooms IS NOT NULL)' END) END,
	                        _loyalty.allotted_fits_sql(program, terms), _loyalty.gates_fit_sql(program, terms)) END
	  FROM _loyalty.stacked_rules(program, terms) r
$$;
COMMENT ON FUNCTION _loyalty.misfit_sql(name, int) IS 'the condition that an entry does not fit the earning rules of its terms, as SQL for verify()';
