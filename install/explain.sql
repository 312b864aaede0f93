-- Why an order has the points that it has ----------------------------------------------
--
-- Steps from nothing to the points that are recorded: each rule, whether it counts or why it does
-- not, the multipliers, the tier, and rounding.  What the steps add up to is what is recorded,
-- also where that is not what the rows of the order say now.

CREATE TYPE loyalty.explanation AS (
	step int,
	what text,
	name text,
	status text,
	value numeric,
	points numeric
);
COMMENT ON TYPE loyalty.explanation IS 'a step from nothing to the points of an order: result of explain of a program';
COMMENT ON COLUMN loyalty.explanation.step IS 'number of the step';
COMMENT ON COLUMN loyalty.explanation.what IS
'order, event, customer: what there is to say of it as a whole; points, line multiplier, multiplier, bonus: a rule; tier; limit: what the rule would give above its limit per member; rounding; lot: points of a wallet that wait or expire; lines that left: what was kept of lines that are deleted or archived; all rules: of an order whose row is gone, or whose rules used the row of a customer who was erased; forgiven: points that a refund was to take, and that were not there; difference: what is recorded is not what the rows say now';
COMMENT ON COLUMN loyalty.explanation.name IS 'the rule, the tier, or the wallet of a lot';
COMMENT ON COLUMN loyalty.explanation.status IS
'counts, or why not; of an order that does not count: why; of one that counts, though an expression fails for it by now: what; and of one that counts under terms without rules: that there is no rule; of a customer: not in the customer table, so no member; of a lot: when its points become available, and expire, in the time zone of the program; of a rule: does not apply, has no value (it applies, and its points or its multiplier are null), not in force, order too small, not for this member, the same of the campaign that it belongs to, left out (an exclusive rule came before), or not the best (of its group)';
COMMENT ON COLUMN loyalty.explanation.value IS 'what the rule says: points, before steps, a limit and rounding of its own, or a factor; null of a multiplier of lines, which may say another for each; of a lot: its points';
COMMENT ON COLUMN loyalty.explanation.points IS 'by how much the step changes the points';

-- The rules as they stack, each with what it says of an order: "said" has the columns of the view of
-- its table.  Line multipliers are among the points of rules per line, which they multiply.  Under terms that fold, what each
-- rule gives is in "parts", and the rules that are for the customer are in "held_rules"; of an archived order, nothing else is known.
CREATE FUNCTION _loyalty.rules_of_order(program name, terms int, said jsonb, parts numeric[], held_rules int[])
RETURNS TABLE (place int, award int, name text, what text, stacking text, "group" int, status text, value numeric, points numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	plain CONSTANT boolean := _loyalty.rules_are_plain(program, terms);
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH rules AS (
			SELECT r.*, t.name, CASE WHEN r.bonus THEN 'bonus' WHEN NOT r.multiplies THEN 'points' WHEN r.per = 'line' THEN 'line multiplier' ELSE 'multiplier' END AS what,
			       coalesce(($3 ->> format('award_%%s', r.award))::numeric, $5[r.award]) AS said, CASE WHEN $5 IS NOT NULL AND NOT (r.multiplies AND r.per = 'line') THEN $5[r.award] ELSE ($3 ->> format(CASE WHEN $4 OR (r.multiplies AND r.per = 'line') THEN 'award_%%s' ELSE 'value_%%s' END, r.award))::numeric END AS comes_to,
			       ($3 ->> format('applies_%%s', r.award))::boolean AS applies, ($3 ->> 'at')::timestamptz AS at, ($3 ->> 'amount')::numeric AS amount, coalesce(($3 ->> format('award_%%s', r.gate))::numeric, $5[r.gate]) AS gate_said
			  FROM _loyalty.stacked_rules($1, $2) r JOIN %I.terms_rule t ON t.version = $2 AND t.award = r.award
			 WHERE (NOT (r.multiplies AND r.per = 'line') OR $3 ? format('award_%%s', r.award)) AND t.event IS NOT DISTINCT FROM $7 AND NOT r.is_campaign),
		judged AS (
			SELECT r.*, CASE WHEN r.at < r.gate_starts OR r.at >= r.gate_ends THEN 'campaign not in force' WHEN r.gate IS NOT NULL AND r.gate_said IS NULL THEN 'campaign does not apply'
			                 WHEN r.at < r.starts OR r.at >= r.ends THEN 'not in force' WHEN r.amount < r.minimum_order THEN 'order too small' WHEN r.said IS NULL THEN CASE WHEN r.applies THEN 'has no value' ELSE 'does not apply' END
			                 WHEN r.gate_for_members AND r.gate <> ALL (coalesce($6, '{}')) THEN 'campaign not for this member'
			                 WHEN r.for_members AND r.award <> ALL (coalesce($6, '{}')) THEN 'not for this member' END AS why
			  FROM rules r),
		-- of multipliers of lines, each line has its own
		left_over AS (
			SELECT j.*, coalesce(j.why, CASE WHEN j.what <> 'line multiplier' AND j.budget IS NULL AND EXISTS (SELECT FROM judged e WHERE e.what <> 'line multiplier' AND e.multiplies = j.multiplies AND e.why IS NULL AND e.stacking = 'exclusive' AND e.place < j.place AND e."group" IN (0, j."group"))
			                                 THEN 'left out' END) AS reason
			  FROM judged j)
		SELECT l.place, l.award, l.name, l.what, l.stacking, l."group",
		       coalesce(l.reason, CASE WHEN l.what <> 'line multiplier' AND l.stacking = 'best_of'
		                                    AND EXISTS (SELECT FROM left_over b WHERE b.what <> 'line multiplier' AND b.multiplies = l.multiplies AND b.reason IS NULL AND b.stacking = 'best_of' AND b."group" = l."group"
		                                                 AND (b.comes_to > l.comes_to OR (b.comes_to = l.comes_to AND b.place < l.place))) THEN 'not the best' ELSE 'counts' END),
		       CASE WHEN l.what <> 'line multiplier' THEN l.said END, l.comes_to
		  FROM left_over l ORDER BY l.what = 'multiplier', l.what = 'points', l.place
		$sql$, program) USING program, terms, said, plain, parts, held_rules, said ->> 'event';
END
$$;
COMMENT ON FUNCTION _loyalty.rules_of_order(name, int, jsonb, numeric[], int[]) IS 'each rule of a version of the terms, with what it says of an order, whether it counts there, and why not';

-- The awards that are null for an order of which the view of its table says so much may be those of rules that apply, and whose points or
-- multiplier are null: whether they apply is what this query tells, a jsonb with a boolean applies_n for each.  Null: there is nothing to ask.
-- Of a rule per order that always applies it is known, and one that gives a number has a value.
CREATE FUNCTION _loyalty.applying_sql(program name, tracked_table int, terms int, d jsonb, said jsonb, condition text, row_source text DEFAULT NULL, line_source text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	view CONSTANT regclass := _loyalty.view_of(program, 'orders', tracked_table, terms);
	awards jsonb;
	answers text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(format('%%L, v.award_%%s IS NOT NULL', 'applies_' || r.award, r.award), ', ') FILTER (WHERE x.is_asked),
		       jsonb_agg(CASE WHEN x.is_asked THEN (SELECT format('CASE WHEN %%s THEN 1 ELSE NULL::numeric END', p.applies_when)
		                                              FROM _loyalty.award_parts($1, CASE r.per WHEN 'line' THEN 'line_awards' END, format('award_%%s', r.award), 'tracked') p)
		                      WHEN r.is_campaign THEN a.expression END ORDER BY r.award)
		  FROM %I.terms_rule r JOIN _loyalty.awards_of($2, $3, $4) a ON a.award = r.award
		 CROSS JOIN LATERAL (SELECT a.expression IS NOT NULL AND NOT r.is_campaign AND $5 ->> format('award_%%s', r.award) IS NULL AND coalesce(r.points, r.multiplier) !~ '^\s*[0-9.]+\s*$' AS is_asked) x
		 WHERE r.version = $4 $sql$, program) INTO answers, awards USING view, program, tracked_table, terms, said;
	RETURN format('SELECT jsonb_build_object(%s) FROM (%s) v%s', answers, _loyalty.orders_sql(program, tracked_table, terms, d, awards, row_source, line_source), condition);
END
$$;
COMMENT ON FUNCTION _loyalty.applying_sql(name, int, int, jsonb, jsonb, text, text, text) IS
'whether rules apply whose awards are null for an order, as SQL over the rows of a tracked table or over another source; null if there is none';

-- What the view of its table says of an order, with whether rules apply whose awards are null.
CREATE FUNCTION _loyalty.with_applying(program name, tracked_table int, terms int, said jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	query CONSTANT text := _loyalty.applying_sql(program, tracked_table, terms, _loyalty.definition_of(program, tracked_table, terms), said,
	                                             ' WHERE ' || _loyalty.is_order_sql(_loyalty.view_of(program, 'orders', tracked_table)));
	applying jsonb;
BEGIN
	IF query IS NOT NULL THEN
		EXECUTE query INTO applying USING said ->> 'order_key';
	END IF;
	RETURN said || coalesce(applying, '{}');
END
$$;
COMMENT ON FUNCTION _loyalty.with_applying(name, int, int, jsonb) IS 'the row of an order in the view of its table, with whether rules apply that give nothing';

-- Multipliers that are added come to no less than 0 together, so one that would take them below that changes less.
CREATE FUNCTION _loyalty.factor_step(added numeric, multiplier numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT greatest(added + multiplier - 1, 0) - greatest(added, 0) $$;
COMMENT ON FUNCTION _loyalty.factor_step(numeric, numeric) IS 'by how much a multiplier that is added changes the factor, where those before it come to so much';

-- From nothing to what the rows of an order say, before the tier; the last row has the sum alone.
CREATE FUNCTION _loyalty.explain_rules(program name, terms int, said jsonb)
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	awards CONSTANT numeric := said ->> 'awards';
	total numeric := 0;
	base numeric;
	added numeric := 1;

	e loyalty.explanation;
	r record;
BEGIN
	-- multipliers that are added come after those that multiply
	FOR r IN SELECT x.*, x.what = 'multiplier' AND x.stacking = 'add' AS is_added FROM _loyalty.rules_of_order(program, terms, said, NULL, NULL) x
	          ORDER BY x.what = 'multiplier', x.what = 'points', x.what = 'multiplier' AND x.stacking = 'add', x.place
	LOOP
		e := ROW(coalesce(e.step, 0) + 1, r.what, r.name, r.status, r.value, 0);
		IF r.is_added AND base IS NULL THEN
			base := total;
		END IF;
		IF r.status = 'counts' AND r.what <> 'line multiplier' THEN
			e.points := CASE WHEN r.what = 'points' THEN r.points WHEN r.is_added THEN base * _loyalty.factor_step(added, r.points) ELSE total * (r.points - 1) END;
			total := total + e.points;
			added := added + CASE WHEN r.is_added THEN r.points - 1 ELSE 0 END;
		END IF;
		RETURN NEXT e;
	END LOOP;
	-- the shares that refunds leave are divided once for all rules, which may differ in the last digit
	IF abs(awards - total) > 1e-9 THEN
		e := ROW(coalesce(e.step, 0) + 1, 'lines that left', NULL, 'counts', NULL, awards - total);
		total := awards;
		RETURN NEXT e;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.explain_rules(name, int, jsonb) IS 'the steps from nothing to the points that rules give to an order';

-- What the view of a table says of an order under some terms, or, without terms, which orders there are; null if there is
-- none of the key.
CREATE FUNCTION _loyalty.order_as_it_is(program name, tracked_table int, terms int, order_key text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	view CONSTANT regclass := _loyalty.view_of(program, 'orders', tracked_table, terms);
	said jsonb;
	is_none boolean;
	type regtype;
BEGIN
	IF view IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM _loyalty.require_own_view(view);
	SELECT a.atttypid INTO type FROM pg_attribute a WHERE a.attrelid = view AND a.attname = 'key';
	BEGIN
		EXECUTE format('SELECT ($1::%s) IS NULL', type) INTO is_none USING order_key;
	EXCEPTION WHEN data_exception THEN
		RETURN NULL;		-- no key of that type
	END;
	EXECUTE format('SELECT to_jsonb(v) FROM %s v WHERE v.key %s $1::%s AND v.order_key = $1 LIMIT 1', view, _loyalty.equality_operator(type), type) INTO said USING order_key;
	RETURN said;
END
$$;
COMMENT ON FUNCTION _loyalty.order_as_it_is(name, int, int, text) IS 'the row of an order in the view of its table, or null';

-- How an order is recorded: its terms, points, tier and multiplier.
CREATE FUNCTION _loyalty.order_as_recorded(program name, tracked_table int, order_key text, customer text)
RETURNS TABLE (terms int, counts boolean, at timestamptz, awards numeric, tier text, multiplier numeric, points numeric, forgiven numeric, parts numeric[], held_rules int[], apart numeric[], allotted numeric[], available_at timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT x.terms, x.counts, x.at, x.awards, x.tier, x.multiplier, x.order_points, x.forgiven, x.parts, x.held_rules, x.apart, x.allotted, x.available_at
		  FROM (SELECT l.revision, l.terms, l.counts, l.at, l.awards, l.tier, l.multiplier, l.order_points, l.forgiven, l.parts, l.held_rules, l.apart, l.allotted, l.available_at FROM %1$I.ledger l
		         WHERE l.customer %2$s $3::%3$s AND l.tracked_table = $1 AND l.order_key = $2
		        UNION ALL
		        SELECT u.revision, u.terms, u.counts, u.at, u.awards, u.tier, u.multiplier, u.order_points, u.forgiven, u.parts, u.held_rules, u.apart, u.allotted, u.available_at FROM %1$I.unposted u
		         WHERE u.customer %2$s $3::%3$s AND u.tracked_table = $1 AND u.order_key = $2) x
		 ORDER BY x.revision DESC LIMIT 1
		$sql$, program, _loyalty.customer_equality(program), format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1)) USING tracked_table, order_key, customer;
END
$$;
COMMENT ON FUNCTION _loyalty.order_as_recorded(name, int, text, text) IS 'the newest entry of an order of a customer, whose key is written as text';

-- The table that has an order, and whose it is.  Of one that has no row that could be read, what is recorded is known: it is archived, or else
-- it counts still, since its table is not tracked any more, or paused, or no trigger saw how the row went.
CREATE FUNCTION _loyalty.find_order(program name, order_key text, tracked regclass, INOUT event text, OUT tracked_table int, OUT customer text, OUT gone text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	found_in regclass;
	found_event text;
	said jsonb;
	whose text;
	why text;
	by_record boolean;
	kinds text[];
BEGIN
	IF tracked IS NOT NULL THEN
		PERFORM _loyalty.require_tracks(program, tracked, '{orders,credits,events}');
	END IF;
	-- orders come before events, whose keys may be the same
	FOR s IN EXECUTE format('SELECT t.tracked_table, t.relation, t.event, r.recorded, CASE WHEN NOT r.recorded THEN ''archived'' WHEN NOT t.active THEN ''not tracked any more'' WHEN t.definition IS NOT NULL THEN ''paused'' ELSE ''not in its table'' END AS why
	                           FROM %I.tracked_table t CROSS JOIN (VALUES (false), (true)) r (recorded) WHERE t.kind IN (''orders'', ''credits'', ''events'') AND ($1 IS NULL OR t.relation = $1) AND ($2 IS NULL OR t.event = $2)
	                         ORDER BY r.recorded, t.event IS NOT NULL, 1', program) USING tracked, event
	LOOP
		EXIT WHEN found_in IS NOT NULL AND ((s.recorded AND NOT by_record) OR (s.event IS NOT NULL AND found_event IS NULL));
		said := CASE WHEN NOT s.recorded THEN _loyalty.order_as_it_is(program, s.tracked_table, NULL, order_key) END;
		why := CASE WHEN said IS NULL THEN s.why END;
		whose := said ->> 'customer';		-- maybe nobody's
		IF said IS NULL THEN
			EXECUTE format(CASE WHEN s.recorded THEN 'SELECT r.customer::text FROM %I.recorded_orders r WHERE r.tracked_table = $1 AND r.order_key = $2 AND r.counts ORDER BY r.recorded_at DESC LIMIT 1'
			               ELSE 'SELECT a.customer::text FROM %I.archived a WHERE a.tracked_table = $1 AND a.order_key = $2' END, program) INTO whose USING s.tracked_table, order_key;
		END IF;
		CONTINUE WHEN said IS NULL AND whose IS NULL;
		IF found_in IS NOT NULL AND found_event <> s.event THEN
			RAISE EXCEPTION 'there are events "%" of several kinds', order_key
				USING ERRCODE = 'ambiguous_parameter', DETAIL = format('They are "%s" and "%s".', found_event, s.event),
				      HINT = format('Name the kind, as in %I.explain(%L, event => %L).', program, order_key, found_event);
		ELSIF found_in IS NOT NULL THEN
			RAISE EXCEPTION 'several tables have an order "%"', order_key
				USING ERRCODE = 'ambiguous_parameter', DETAIL = format('They are "%s" and "%s".', found_in, s.relation),
				      HINT = format('Name the table, as in %I.explain(%L, tracked => %L).', program, order_key, found_in::text);
		END IF;
		found_in := s.relation;
		found_event := s.event;
		tracked_table := s.tracked_table;
		customer := whose;
		gone := why;
		by_record := s.recorded;
	END LOOP;
	IF found_in IS NULL THEN
		EXECUTE format('SELECT array_agg(DISTINCT t.event) FROM %I.tracked_table t WHERE t.event IS NOT NULL HAVING $1 IS NOT NULL AND NOT bool_or(t.event = $1)', program) INTO kinds USING event;
		RAISE EXCEPTION 'there is no % "%"', CASE WHEN event IS NULL THEN 'order' ELSE 'event' END, order_key
			USING ERRCODE = 'no_data_found',
			      DETAIL = CASE WHEN event IS NOT NULL THEN format('No table that loyalty program "%s" tracks has an event of the kind "%s" with this key.', program, event)
			               WHEN tracked IS NULL THEN format('No table that loyalty program "%s" tracks has an order with this key.', program)
			               ELSE format('Table "%s" has none with this key.', tracked) END,
			      HINT = concat_ws(' ', format('The key is the text that the column order_key of %I.order_points shows.', program),
			                       'Kinds of events are: ' || (SELECT string_agg(format('"%s"', k), ', ' ORDER BY k) FROM unnest(kinds) k) || '.');
	END IF;
	event := found_event;
END
$$;
COMMENT ON FUNCTION _loyalty.find_order(name, text, regclass, text) IS 'the number of the tracked table that has an order, or had it, and its customer as text, and why there is no row of it, or null if there is one; else an error';

CREATE FUNCTION _loyalty.round_points(program name, terms int, points numeric)
RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT _loyalty.rounded_sql(''x.points'', t.rounding, t.points_scale) FROM %I.terms t WHERE t.version = $1', program) INTO result USING terms;
	EXECUTE format('SELECT %s FROM (SELECT $1 AS points) x', result) INTO result USING points;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.round_points(name, int, numeric) IS 'points as a version of the terms rounds them';

-- From what rules come to, and the sum of the steps so far, which may differ in the last digit, to the points of the order.
CREATE FUNCTION _loyalty.explain_tier(program name, terms int, step int, awards numeric, total numeric, tier text, multiplier numeric)
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e loyalty.explanation;
	sum numeric := total;
	worth numeric;
BEGIN
	IF multiplier <> 1 THEN
		e := ROW(step + 1, 'tier', tier, 'counts', multiplier, awards * (multiplier - 1));
		sum := sum + e.points;
		RETURN NEXT e;
	END IF;
	worth := _loyalty.round_points(program, terms, awards * multiplier);
	IF worth <> sum THEN
		e := ROW(coalesce(e.step, step) + 1, 'rounding', NULL, 'counts', NULL, worth - sum);
		RETURN NEXT e;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.explain_tier(name, int, int, numeric, numeric, text, numeric) IS
'the steps from what rules come to to the points of an order: tier and rounding; what was summed up so far may differ from that in the last digit';

-- The lots that an order gives its points to, each as a step of no points: what the wallets of the terms say of its time.  What is in
-- wallet 1, and neither waits nor expires, is not told, nor what is less than nothing.
CREATE FUNCTION _loyalty.explain_lots(program name, terms int, said jsonb, wallets int[], points numeric[])
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
SET DateStyle = 'ISO, MDY'
AS $$
DECLARE
	w record;
	lot record;
	failure text;
BEGIN
	FOR w IN EXECUTE format('SELECT v.wallet, v.name, t.time_zone, sum(g.points) AS points FROM unnest($2, $3) g (wallet, points)
	                           JOIN %1$I.terms_wallet v ON v.version = $1 AND v.wallet = g.wallet JOIN %1$I.terms t ON t.version = $1
	                          GROUP BY v.wallet, v.name, t.time_zone HAVING sum(g.points) > 0 ORDER BY v.wallet', program) USING terms, wallets, points
	LOOP
		PERFORM set_config('TimeZone', w.time_zone, true);
		BEGIN
			EXECUTE 'SELECT wallet.* FROM (SELECT $1 AS at, $2 AS available_at, $3 AS event) m ' || _loyalty.wallet_sql(program, terms, w.wallet)
			   INTO lot USING (said ->> 'at')::timestamptz, (said ->> 'available_at')::timestamptz, said ->> 'event';
			failure := NULL;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			failure := format('never expires, since an expression of the wallet fails: %s', SQLERRM);
		END;
		IF failure IS NOT NULL THEN
			RETURN NEXT ROW(0, 'lot', w.name, failure, w.points, 0)::loyalty.explanation;
		ELSIF w.wallet <> 1 OR lot.available_at <> '-infinity' OR lot.expires_at <> 'infinity' THEN
			RETURN NEXT ROW(0, 'lot', w.name, CASE WHEN lot.available_at = '-infinity' THEN 'available at once' ELSE format('available at %s', lot.available_at) END
			                                  || CASE WHEN lot.expires_at = 'infinity' THEN '' ELSE format(', expires at %s', lot.expires_at) END, w.points, 0)::loyalty.explanation;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.explain_lots(name, int, jsonb, int[], numeric[]) IS 'the lots that an order gives points to, as steps of no points: when they become available and expire, in the time zone of the program';

-- What is left of the points of a rule with so much room under its limit: what is less than nothing needs none.
CREATE FUNCTION _loyalty.limited_points(points numeric, room numeric, limit_unit text)
RETURNS numeric
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN limit_unit = 'points' THEN least(points, room) WHEN points <= 0 OR room >= 1 THEN points ELSE 0 END
$$;
COMMENT ON FUNCTION _loyalty.limited_points(numeric, numeric, text) IS 'what a rule with a limit per member gives, whose room is so many points or times';

-- The same under terms whose rules stack when entries are folded, from nothing to the points of the order: bonuses come after the tier, and
-- then what limits per member and budgets take off.  What rules with limits or wallets give is in "apart", or found out of the rooms that are left.
CREATE FUNCTION _loyalty.explain_folded(program name, terms int, said jsonb, parts numeric[], held_rules int[], tier text, multiplier numeric, apart numeric[], rooms numeric[], allotted numeric[])
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e loyalty.explanation;
	r record;
	total numeric := 0;
	base numeric;
	has_tier boolean := multiplier = 1;
	worth numeric;
	factor numeric := 1;
	added numeric := 1;
	free numeric;
	gives numeric;
	under_limits numeric := 0;
	wallets int[] := '{}';
	lots numeric[] := '{}';
BEGIN
	-- multipliers that are added come after those that multiply, then the tier, then bonuses
	FOR r IN SELECT x.*, x.what = 'multiplier' AND x.stacking = 'add' AS is_added, x.what = 'bonus' AS is_bonus
	           FROM (SELECT * FROM _loyalty.rules_of_order(program, terms, said, parts, held_rules) UNION ALL SELECT NULL, NULL, NULL, 'end', NULL, NULL, NULL, NULL, NULL) x
	          ORDER BY x.what = 'end', x.what = 'bonus', x.what = 'multiplier', x.what = 'points', x.what = 'multiplier' AND x.stacking = 'add', x.place
	LOOP
		IF NOT has_tier AND (r.is_bonus OR r.what = 'end') THEN
			e := ROW(coalesce(e.step, 0) + 1, 'tier', tier, 'counts', multiplier, total * (multiplier - 1));
			total := total + e.points;
			has_tier := true;
			RETURN NEXT e;
		END IF;
		EXIT WHEN r.what = 'end';
		e := ROW(coalesce(e.step, 0) + 1, r.what, r.name, r.status, r.value, 0);
		IF r.is_added AND base IS NULL THEN
			base := total;
		END IF;
		IF r.status = 'counts' AND r.what <> 'line multiplier' THEN
			e.points := CASE WHEN r.what <> 'multiplier' THEN r.points WHEN r.is_added THEN base * _loyalty.factor_step(added, r.points) ELSE total * (r.points - 1) END;
			total := total + e.points;
			factor := factor * CASE WHEN r.what = 'multiplier' AND NOT r.is_added THEN r.points ELSE 1 END;
			added := added + CASE WHEN r.is_added THEN r.points - 1 ELSE 0 END;
		END IF;
		RETURN NEXT e;
	END LOOP;
	free := total;
	FOR r IN SELECT x.award, x.name, s.wallet, s.apart, s.budget IS NOT NULL AS has_budget, s.limit_unit, x.points * CASE WHEN x.what = 'bonus' THEN 1 ELSE factor * greatest(added, 0) * multiplier END AS share
	           FROM _loyalty.rules_of_order(program, terms, said, parts, held_rules) x JOIN _loyalty.stacked_rules(program, terms) s ON s.award = x.award
	          WHERE (s.apart OR s.budget IS NOT NULL) AND x.status = 'counts' ORDER BY x.place
	LOOP
		worth := _loyalty.round_points(program, terms, r.share);
		gives := CASE WHEN r.has_budget THEN coalesce(allotted[r.award], worth) ELSE coalesce(apart[r.award], _loyalty.limited_points(worth, rooms[r.award], r.limit_unit)) END;
		free := free - r.share;
		IF r.apart THEN
			under_limits := under_limits + gives;
			wallets := wallets || r.wallet;
			lots := lots || gives;
		ELSE
			free := free + gives;		-- rounded once more, with all that others give
		END IF;
		IF gives <> worth THEN
			e := ROW(coalesce(e.step, 0) + 1, CASE WHEN r.has_budget THEN 'budget' ELSE 'limit' END, r.name, 'counts', gives, gives - r.share);
			total := total + e.points;
			RETURN NEXT e;
		END IF;
	END LOOP;
	free := _loyalty.round_points(program, terms, free);
	IF free + under_limits <> total THEN
		e := ROW(coalesce(e.step, 0) + 1, 'rounding', NULL, 'counts', NULL, free + under_limits - total);
		RETURN NEXT e;
	END IF;
	RETURN QUERY SELECT * FROM _loyalty.explain_lots(program, terms, said, wallets || 1, lots || free);
END
$$;
COMMENT ON FUNCTION _loyalty.explain_folded(name, int, jsonb, numeric[], int[], text, numeric, numeric[], numeric[], numeric[]) IS
'the steps from nothing to the points of an order whose rules stack when entries are folded, out of what each rule gives';

-- The order of the reasons is that in which the view asks.  "said" has its columns, "d" is what it was made of.
CREATE FUNCTION _loyalty.why_not_counted(d jsonb, said jsonb, counts_when boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'does not count: ' || CASE WHEN said ->> 'customer' IS NULL THEN 'it has no customer'
	                                  WHEN counts_when IS NULL THEN 'counts_when is null'
	                                  WHEN NOT counts_when THEN 'counts_when is false'
	                                  WHEN said ->> 'at' IS NULL THEN 'it has no time'
	                                  WHEN said ->> 'gross' IS NULL AND d ? 'amount' THEN 'it has no amount'
	                                  WHEN said ->> 'gross' IS NULL THEN 'no line has an amount'
	                                  WHEN said ->> 'rate' IS NULL THEN 'its currency has no exchange rate'
	                                  ELSE 'it is refunded' END
$$;
COMMENT ON FUNCTION _loyalty.why_not_counted(jsonb, jsonb, boolean) IS 'why an order does not count, by what the view of its table says of it, and whether its counts_when holds';

-- Numbers that recording refuses.
CREATE FUNCTION _loyalty.is_out_of_range(said jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(NOT isfinite((said ->> 'at')::timestamptz) OR x.amount - x.amount <> 0 OR x.awards - x.awards <> 0 OR abs(x.amount) >= 1e20 OR abs(x.awards) >= 1e20
	                OR EXISTS (SELECT FROM jsonb_array_elements_text(nullif(said -> 'parts', 'null')) p (part) WHERE NOT abs(p.part::numeric) < 1e20), false)
	  FROM (SELECT (said ->> 'amount')::numeric AS amount, (said ->> 'awards')::numeric AS awards) x
$$;
COMMENT ON FUNCTION _loyalty.is_out_of_range(jsonb) IS 'is the time of an order infinite, or its amount, or what rules make of it, not finite or too large?';

-- How an order stands by its rows, or what fails where that cannot be computed.
CREATE FUNCTION _loyalty.try_order(program name, tracked_table int, terms int, order_key text, OUT said jsonb, OUT failure text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	message text;
BEGIN
	said := _loyalty.order_as_it_is(program, tracked_table, terms, order_key);
EXCEPTION WHEN OTHERS THEN
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	message := SQLERRM;
	SELECT format('%s failed: %s', coalesce(f.part, 'an expression'), coalesce(f.error, message)) INTO failure
	  FROM _loyalty.failing_part(program, tracked_table, terms, order_key) f;
END
$$;
COMMENT ON FUNCTION _loyalty.try_order(name, int, int, text) IS 'the row of an order in the view of its table, or null, and then what fails for it if that is why';

-- Why an order of a tracked table is not recorded, or as one that does not count.
CREATE FUNCTION _loyalty.status_of_order(program name, tracked_table int, terms int, order_key text, is_recorded boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	said jsonb;
	failure text;
	d jsonb;
	relation regclass;
	counts_when boolean;
BEGIN
	SELECT * INTO said, failure FROM _loyalty.try_order(program, tracked_table, terms, order_key);
	IF failure IS NOT NULL THEN
		RETURN 'does not count: ' || failure;
	END IF;
	IF said IS NULL OR (said ->> 'counts')::boolean THEN
		RETURN CASE WHEN _loyalty.is_out_of_range(said)
		            THEN 'does not count: ' || coalesce((SELECT format('the %s comes to %s', u.rule, u.points) FROM _loyalty.uncountable_part(program, terms, said) u WHERE u.rule IS NOT NULL),
		                                                'its time or a number is not finite, or too large')
		            WHEN is_recorded THEN 'does not count' ELSE 'not recorded' END;
	END IF;
	d := _loyalty.definition_of(program, tracked_table, terms);
	EXECUTE format('SELECT t.relation FROM %I.tracked_table t WHERE t.tracked_table = $1', program) INTO relation USING tracked_table;
	EXECUTE format('SELECT (%s) FROM %s AS tracked WHERE tracked.tableoid = $1 AND tracked.ctid = $2', d ->> 'counts', relation)
	   INTO counts_when USING (said ->> 'row_table')::oid, (said ->> 'row_id')::tid;
	RETURN _loyalty.why_not_counted(d, said, counts_when);
END
$$;
COMMENT ON FUNCTION _loyalty.status_of_order(name, int, int, text, boolean) IS 'why an order does not count, or that it is not recorded though it does';

-- Who is neither in the customer table nor stands for somebody who is.
CREATE FUNCTION _loyalty.is_no_member(program name, customer text)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_known boolean;
BEGIN
	IF to_regclass(format('%I.customer', program)) IS NULL THEN
		RETURN false;		-- lost with the customer table, of which verify() tells
	END IF;
	EXECUTE format('SELECT EXISTS (SELECT FROM %1$I.customer c WHERE c.customer %2$s k.customer) OR EXISTS (SELECT FROM %1$I.merged m WHERE m.customer %2$s k.customer)
	                  FROM (SELECT $1::%3$s AS customer) k', program, _loyalty.customer_equality(program), format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1))
	   INTO is_known USING customer;
	RETURN NOT is_known;
END
$$;
COMMENT ON FUNCTION _loyalty.is_no_member(name, text) IS 'is a customer, whose key is written as text, not in the customer table, nor merged into somebody? Nobody is if the view of the customers is lost';

-- What is to be said of an order that counts, beside its rules.
CREATE FUNCTION _loyalty.explain_remarks(program name, terms int, customer text, event text)
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	has_rules boolean;
BEGIN
	IF _loyalty.is_no_member(program, customer) THEN
		RETURN NEXT ROW(0, 'customer', NULL, 'not in the customer table', NULL, 0)::loyalty.explanation;
	END IF;
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.terms_rule r WHERE r.version = $1 AND r.event IS NOT DISTINCT FROM $2)', program) INTO has_rules USING terms, event;
	IF NOT has_rules THEN
		RETURN NEXT ROW(0, CASE WHEN event IS NULL THEN 'order' ELSE 'event' END, NULL, 'no rule', NULL, 0)::loyalty.explanation;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.explain_remarks(name, int, text, text) IS 'steps of no points for an order that counts: its customer is not in the customer table, and its terms have no rule';

CREATE FUNCTION _loyalty.explain_order(settings regclass, order_key text, tracked regclass, event text)
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	o record;
	recorded record;
	said jsonb;
	failure text;
	total numeric := 0;
	worth numeric;
	current_terms int;
	e loyalty.explanation;
BEGIN
	SELECT n.nspname AS program, format_type(_loyalty.base_type(_loyalty.customer_type(n.nspname)), -1) AS customer_type INTO STRICT p
	  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = settings;
	PERFORM _loyalty.require_layout(p.program);
	PERFORM _loyalty.require_given('{order_key}', ARRAY[order_key IS NULL]);
	SELECT * INTO o FROM _loyalty.find_order(p.program, order_key, tracked, event);
	SELECT * INTO recorded FROM _loyalty.order_as_recorded(p.program, o.tracked_table, order_key, o.customer);
	IF recorded.counts IS NOT TRUE THEN
		EXECUTE format('SELECT terms FROM %I.program', p.program) INTO current_terms;
		RETURN QUERY SELECT 1, CASE WHEN o.event IS NULL THEN 'order' ELSE 'event' END, NULL::text, _loyalty.status_of_order(p.program, o.tracked_table, coalesce(recorded.terms, current_terms), order_key, recorded.terms IS NOT NULL),
		                    NULL::numeric, 0::numeric;
		-- it may keep points that were not there to be taken back
		IF recorded.points <> 0 THEN
			RETURN NEXT ROW(2, 'forgiven', NULL, 'counts', NULL, recorded.points)::loyalty.explanation;
		END IF;
		RETURN;
	END IF;
	RETURN QUERY SELECT * FROM _loyalty.explain_remarks(p.program, recorded.terms, o.customer, o.event);
	IF o.gone IS NULL THEN
		SELECT * INTO said, failure FROM _loyalty.try_order(p.program, o.tracked_table, recorded.terms, order_key);
	END IF;
	IF (said ->> 'counts')::boolean THEN
		said := _loyalty.with_applying(p.program, o.tracked_table, recorded.terms, said);
	END IF;
	IF failure IS NOT NULL THEN
		e := ROW(1, CASE WHEN o.event IS NULL THEN 'order' ELSE 'event' END, NULL, failure, NULL, 0);
		RETURN NEXT e;
	END IF;
	IF recorded.parts IS NOT NULL AND (o.gone IS NOT NULL OR (said ->> 'counts')::boolean) THEN
		FOR e IN SELECT * FROM _loyalty.explain_folded(p.program, recorded.terms, coalesce(said, jsonb_build_object('at', recorded.at, 'available_at', recorded.available_at)) || jsonb_build_object('event', o.event),
		                                               CASE WHEN o.gone IS NOT NULL THEN recorded.parts ELSE ARRAY(SELECT j.part::numeric FROM jsonb_array_elements_text(said -> 'parts') WITH ORDINALITY j (part, n) ORDER BY j.n) END,
		                                               recorded.held_rules, recorded.tier, recorded.multiplier, recorded.apart, NULL, recorded.allotted)
		LOOP
			total := total + e.points;
			RETURN NEXT e;
		END LOOP;
	ELSIF (said ->> 'counts')::boolean AND said -> 'member' ? '' THEN
		e := ROW(1, 'all rules', NULL, 'customer erased', NULL, (said ->> 'awards')::numeric);
		total := e.points;
		worth := e.points;
		RETURN NEXT e;
	ELSIF (said ->> 'counts')::boolean THEN
		FOR e IN SELECT * FROM _loyalty.explain_rules(p.program, recorded.terms, said || jsonb_build_object('event', o.event))
		LOOP
			total := total + e.points;
			RETURN NEXT e;
		END LOOP;
		worth := said ->> 'awards';
	ELSIF o.gone IS NOT NULL THEN
		e := ROW(1, 'all rules', NULL, o.gone, NULL, recorded.awards);
		total := recorded.awards;
		worth := recorded.awards;
		RETURN NEXT e;
	END IF;
	FOR e IN SELECT * FROM _loyalty.explain_tier(p.program, recorded.terms, coalesce(e.step, 0), coalesce(worth, 0), total, recorded.tier, recorded.multiplier) WHERE recorded.parts IS NULL
	LOOP
		total := total + e.points;
		RETURN NEXT e;
	END LOOP;
	IF recorded.parts IS NULL THEN
		RETURN QUERY SELECT * FROM _loyalty.explain_lots(p.program, recorded.terms, jsonb_build_object('at', recorded.at, 'available_at', recorded.available_at, 'event', o.event), '{1}', ARRAY[total]);
	END IF;
	worth := total;
	IF recorded.forgiven <> 0 THEN
		e := ROW(coalesce(e.step, 0) + 1, 'forgiven', NULL, 'counts', NULL, recorded.forgiven);
		worth := worth + recorded.forgiven;
		RETURN NEXT e;
	END IF;
	IF worth <> recorded.points THEN
		e := ROW(coalesce(e.step, 0) + 1, 'difference', NULL, 'recorded otherwise', NULL, recorded.points - worth);
		RETURN NEXT e;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.explain_order(regclass, text, regclass, text) IS 'the steps from nothing to the points that an order has';

CREATE FUNCTION _loyalty.explain(settings regclass, order_key text, tracked regclass, event text)
RETURNS SETOF loyalty.explanation
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_explain';
COMMENT ON FUNCTION _loyalty.explain(regclass, text, regclass, text) IS 'what the function explain of a program does, for its owner';

-- The tier that multiplies an order that is made now: as of its time, with all that is recorded.
CREATE FUNCTION _loyalty.tier_of_order(settings regclass, program name, customer anyelement, at timestamptz, OUT tier text, OUT multiplier numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		SELECT t.name, t.multiplier
		  FROM (SELECT p.terms, _loyalty.tier_for($1, p.terms, coalesce((j.state).spend, a.spend, 0), coalesce((j.state).orders, a.orders, 0), coalesce((j.state).points_earned, a.points_earned, 0),
		                                          (SELECT c.joined_at FROM %1$I.customer c WHERE c.customer %2$s k.own),
		                                          CASE WHEN j.state IS NULL THEN a.first_order_at ELSE (j.state).first_order_at END,
		                                          CASE WHEN j.state IS NULL THEN a.last_order_at ELSE (j.state).last_order_at END, $3, p.reader,
		                                          coalesce((j.state).purchases, a.purchases), coalesce((j.state).events, a.events), NULL) AS tier
		          FROM %1$I.program p
		         CROSS JOIN (SELECT $2 AS own, coalesce((SELECT m.survivor FROM %1$I.merged m WHERE m.customer %2$s $2), $2) AS customer) k
		          LEFT JOIN %1$I.account a ON a.customer %2$s k.customer
		         CROSS JOIN LATERAL (SELECT _loyalty.state_of($1, p.terms, k.customer, a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots, p.reader, a.merged, a.purchases, a.events) AS state OFFSET 0) j) x
		  JOIN %1$I.terms_tier t ON t.version = x.terms AND t.name = x.tier
		$sql$, program, _loyalty.customer_equality(program)) INTO tier, multiplier USING settings, customer, at;
	multiplier := coalesce(multiplier, 1);
END
$$;
COMMENT ON FUNCTION _loyalty.tier_of_order(regclass, name, anyelement, timestamptz) IS 'the tier that a customer has for an order of a time that is made now, and its multiplier';

-- The rules that are for a customer, of those that are for some, by an order that is made now.
CREATE FUNCTION _loyalty.rules_of_member(settings regclass, program name, customer anyelement, at timestamptz, tier text)
RETURNS int[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	held int[];
BEGIN
	EXECUTE format($sql$
		SELECT r.held_rules
		  FROM %1$I.program p
		 CROSS JOIN (SELECT $2 AS own, coalesce((SELECT m.survivor FROM %1$I.merged m WHERE m.customer %2$s $2), $2) AS customer) k
		  LEFT JOIN %1$I.account a ON a.customer %2$s k.customer
		 CROSS JOIN LATERAL (SELECT _loyalty.state_of($1, p.terms, k.customer, a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots, p.reader, a.merged, a.purchases, a.events) AS state OFFSET 0) j
		 CROSS JOIN LATERAL (SELECT ROW(coalesce((j.state).spend, a.spend, 0), coalesce((j.state).orders, a.orders, 0), coalesce((j.state).points_earned, a.points_earned, 0),
		                                _loyalty.tenure((SELECT c.joined_at FROM %1$I.customer c WHERE c.customer %2$s k.own), $3, p.time_zone),
		                                CASE WHEN j.state IS NULL THEN a.first_order_at ELSE (j.state).first_order_at END, CASE WHEN j.state IS NULL THEN a.last_order_at ELSE (j.state).last_order_at END,
		                                CASE WHEN isfinite($3) THEN ($3 AT TIME ZONE p.time_zone)::date END, $3,
		                                (SELECT c.joined_at FROM %1$I.customer c WHERE c.customer %2$s k.own), coalesce((j.state).purchases, a.purchases, loyalty.during(loyalty.history_of('2000-01-01', 0), NULL, '2000-01-01')),
		                                coalesce((j.state).events, a.events, '{}'), NULL, $4)::%1$I.rule_facts AS facts) x
		 CROSS JOIN LATERAL (SELECT array_agg(c.award) AS awards, array_agg(c.rule) AS rules, array_agg(c.expression) AS conditions FROM _loyalty.member_conditions($5, p.terms, true) c) c
		 CROSS JOIN LATERAL _loyalty.try_rules(x.facts, c.awards, c.rules, c.conditions) r
		$sql$, program, _loyalty.customer_equality(program)) INTO held USING settings, customer, at, tier, program;
	RETURN held;
END
$$;
COMMENT ON FUNCTION _loyalty.rules_of_member(regclass, name, anyelement, timestamptz, text) IS 'the numbers of the rules for some members that are for a customer, for an order of a time that is made now';

-- What is left of the limits of rules for an order of a time that is made now, by their numbers.  What rules of that name gave in the period
-- is what the newest entries of all orders of the account say.
CREATE FUNCTION _loyalty.rooms_of_member(program name, terms int, customer anyelement, at timestamptz)
RETURNS numeric[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rooms numeric[] := '{}';
	r record;
	used numeric;
BEGIN
	FOR r IN EXECUTE format('SELECT x.award, x.name, x.member_limit, x.limit_unit, t.points_scale, _loyalty.period_sql(''$3'', x.limit_period, t.time_zone) AS began, _loyalty.period_sql(''n.at'', x.limit_period, t.time_zone) AS order_began
	                           FROM %1$I.terms_rule x JOIN %1$I.terms t ON t.version = x.version WHERE x.version = $1 AND x.member_limit IS NOT NULL', program) USING terms
	LOOP
		EXECUTE format($sql$
			WITH account AS (SELECT coalesce((SELECT m.survivor FROM %1$I.merged m WHERE m.customer %2$s $1), $1) AS customer),
			keys AS (SELECT a.customer FROM account a UNION ALL SELECT m.customer FROM account a JOIN %1$I.merged m ON m.survivor %2$s a.customer)
			SELECT sum(CASE WHEN $4 = 'points' THEN greatest(n.apart[x.award], 0) WHEN n.apart[x.award] > 0 THEN 1 ELSE 0 END)
			  FROM (SELECT DISTINCT ON (e.customer, e.tracked_table, e.order_key) e.at, e.terms, e.apart
			          FROM (SELECT l.customer, l.tracked_table, l.order_key, l.revision, l.at, l.terms, l.apart FROM keys k JOIN %1$I.ledger l ON l.customer %2$s k.customer WHERE l.tracked_table > 0
			                UNION ALL
			                SELECT u.customer, u.tracked_table, u.order_key, u.revision, u.at, u.terms, u.apart FROM keys k JOIN %1$I.unposted u ON u.customer %2$s k.customer WHERE u.tracked_table > 0) e
			         ORDER BY e.customer, e.tracked_table, e.order_key, e.revision DESC) n
			  JOIN %1$I.terms_rule x ON x.version = n.terms AND x.name = $2
			 WHERE n.apart IS NOT NULL AND %3$s = %4$s
			$sql$, program, _loyalty.customer_equality(program), r.order_began, r.began) INTO used USING customer, r.name, at, r.limit_unit;
		rooms[r.award] := trunc(greatest(r.member_limit - coalesce(used, 0), 0), r.points_scale);
	END LOOP;
	RETURN rooms;
END
$$;
COMMENT ON FUNCTION _loyalty.rooms_of_member(name, int, anyelement, timestamptz) IS 'what is left of the limits that rules have per member, for an order of a time that is made now';

-- The tracked table whose row a value is.
CREATE FUNCTION _loyalty.table_of_row(program name, type regtype, INOUT event text, OUT tracked_table int, OUT relation regclass, OUT lines regclass)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kinds text;
	named CONSTANT text := event;
BEGIN
	-- a row that is an order, and an event besides, is asked about as the order
	EXECUTE format('SELECT t.tracked_table, t.relation, l.relation, t.event FROM %1$I.tracked_table t JOIN pg_class c ON c.oid = t.relation
	                  LEFT JOIN %1$I.tracked_table l ON l.of_tracked_table = t.tracked_table AND l.kind = ''lines'' AND l.active
	                 WHERE t.kind IN (''orders'', ''events'') AND t.active AND t.definition IS NULL AND c.reltype = $1
	                   AND ($2 IS NULL OR t.event = $2) ORDER BY t.event IS NOT NULL, t.tracked_table LIMIT 1', program) INTO tracked_table, relation, lines, event USING type, named;
	IF event IS NOT NULL AND named IS NULL THEN
		EXECUTE format('SELECT string_agg(format(''"%%s"'', t.event), '', '' ORDER BY t.tracked_table) FROM %I.tracked_table t WHERE t.relation = $1 AND t.kind = ''events'' AND t.active HAVING count(*) > 1', program)
		   INTO kinds USING relation;
		IF kinds IS NOT NULL THEN
			RAISE EXCEPTION 'rows of table "%" are events of several kinds', relation
				USING ERRCODE = 'ambiguous_parameter', DETAIL = format('They are %s.', kinds), HINT = format('Name one, as in event => %L.', event);
		END IF;
	END IF;
	IF tracked_table IS NULL AND named IS NOT NULL THEN
		RAISE EXCEPTION 'an event must be a row of a table that loyalty program "%" tracks for events of the kind "%"', program, named
			USING ERRCODE = 'datatype_mismatch', DETAIL = format('It is of type %s.', type),
			      HINT = 'Write it as ROW(...)::shop.reviews with the name of your table, and the kind as loyalty.track_events() was told.';
	ELSIF tracked_table IS NULL THEN
		RAISE EXCEPTION 'an order must be a row of a table of orders that loyalty program "%" tracks', program
			USING ERRCODE = 'datatype_mismatch', DETAIL = format('It is of type %s.', type),
			      HINT = 'Write it as ROW(...)::shop.orders, or jsonb_populate_record(NULL::shop.orders, ''{...}'') with the name of your table.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.table_of_row(name, regtype, text) IS 'the tracked table of orders, or of events of a kind, that has rows of a type, and the table of its lines; else an error';

CREATE FUNCTION _loyalty.explain_row(settings regclass, "order" anyelement, lines anycompatiblearray, event text)
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	o record;
	t record;
	said jsonb;
	query text;
	row_source text;
	line_source text;
	total numeric := 0;
	e loyalty.explanation;
	current_terms int;
	held int[];
	rooms numeric[];
	parts numeric[];
	d jsonb;
	applying jsonb;
	counts_when boolean;
BEGIN
	SELECT n.nspname AS program, format_type(_loyalty.base_type(_loyalty.customer_type(n.nspname)), -1) AS customer_type INTO STRICT p
	  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = settings;
	PERFORM _loyalty.require_layout(p.program);
	SELECT * INTO o FROM _loyalty.table_of_row(p.program, pg_typeof("order"), event);
	IF lines IS NOT NULL AND (o.lines IS NULL OR pg_typeof(lines) <> (SELECT y.typarray::regtype FROM pg_class c JOIN pg_type y ON y.oid = c.reltype WHERE c.oid = o.lines)) THEN
		RAISE EXCEPTION 'lines must be an array of rows of the lines of table "%"', o.relation
			USING ERRCODE = 'datatype_mismatch', DETAIL = CASE WHEN o.lines IS NULL THEN 'Its orders have no lines.' ELSE format('They are of type %s, and not of %s[].', pg_typeof(lines), o.lines) END;
	END IF;
	EXECUTE format('SELECT terms FROM %I.program', p.program) INTO current_terms;
	PERFORM _loyalty.require_views(p.program, o.tracked_table, current_terms);
	PERFORM _loyalty.require_own_view(_loyalty.view_of(p.program, 'orders', o.tracked_table, current_terms));
	d := _loyalty.definition_of(p.program, o.tracked_table, current_terms);
	row_source := format('(SELECT ($1::%s).*, 1::oid AS tableoid, NULL::tid AS ctid)', o.relation);
	line_source := CASE WHEN o.lines IS NOT NULL THEN format('(SELECT (e.l).*, 1::oid AS tableoid, format(''(0,%%s)'', e.n)::tid AS ctid FROM (SELECT l, row_number() OVER () AS n FROM unnest(%s::%s[]) l) e)', CASE WHEN lines IS NULL THEN 'NULL' ELSE '$2' END, o.lines) END;
	query := _loyalty.orders_sql(p.program, o.tracked_table, current_terms, d,
		(SELECT coalesce(jsonb_agg(a.expression ORDER BY a.award), '[]') FROM _loyalty.awards_of(p.program, o.tracked_table, current_terms) a), row_source, line_source);
	BEGIN
		EXECUTE format('SELECT to_jsonb(v) FROM (%s) v', query) INTO said USING "order", lines;
	EXCEPTION WHEN OTHERS THEN
		PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
		RAISE EXCEPTION '% failed for such an order', coalesce(_loyalty.failing_part_of_row(p.program, o.tracked_table, current_terms, d, row_source, line_source, "order", lines), 'an expression of the tracked table')
			USING ERRCODE = SQLSTATE, DETAIL = SQLERRM || '.',
			      HINT = format('Correct it or the order. With on_invalid ''skip'' in the table "program" of the loyalty program "%s", such an order would not count.', p.program);
	END;
	said := said || jsonb_build_object('event', o.event);
	IF _loyalty.is_out_of_range(said) THEN
		RAISE EXCEPTION 'such an order would be refused'
			USING ERRCODE = 'numeric_value_out_of_range', DETAIL = coalesce((SELECT format('The %s comes to %s.', u.rule, u.points) FROM _loyalty.uncountable_part(p.program, current_terms, said) u WHERE u.rule IS NOT NULL),
				                format('Its time is %s, its amount %s, and it has %s points before the multiplier of the tier.', said ->> 'at', said ->> 'amount', said ->> 'awards')),
			      HINT = 'Each must be finite, and numbers below 1e20.';
	END IF;
	IF (said ->> 'counts')::boolean IS NOT TRUE THEN
		EXECUTE format('SELECT (%s) FROM (SELECT ($1::%s).*, 1::oid AS tableoid, NULL::tid AS ctid) AS tracked', d ->> 'counts', o.relation) INTO counts_when USING "order";
		RETURN QUERY SELECT 1, CASE WHEN o.event IS NULL THEN 'order' ELSE 'event' END, NULL::text, _loyalty.why_not_counted(d, said, counts_when), NULL::numeric, 0::numeric;
		RETURN;
	END IF;
	query := _loyalty.applying_sql(p.program, o.tracked_table, current_terms, d, said, '', row_source, line_source);
	IF query IS NOT NULL THEN
		EXECUTE query INTO applying USING "order", lines;
		said := said || applying;
	END IF;
	RETURN QUERY SELECT * FROM _loyalty.explain_remarks(p.program, current_terms, said ->> 'customer', o.event);
	EXECUTE format('SELECT * FROM _loyalty.tier_of_order($1, $2, $3::%s, $4)', p.customer_type) INTO t USING settings, p.program, said ->> 'customer', (said ->> 'at')::timestamptz;
	IF _loyalty.terms_fold(p.program, current_terms) THEN
		EXECUTE format('SELECT _loyalty.rules_of_member($1, $2, $3::%s, $4, $5)', p.customer_type) INTO held USING settings, p.program, said ->> 'customer', (said ->> 'at')::timestamptz, t.tier;
		EXECUTE format('SELECT _loyalty.rooms_of_member($1, $2, $3::%s, $4)', p.customer_type) INTO rooms USING p.program, current_terms, said ->> 'customer', (said ->> 'at')::timestamptz;
		parts := ARRAY(SELECT j.part::numeric FROM jsonb_array_elements_text(said -> 'parts') WITH ORDINALITY j (part, n) ORDER BY j.n);
		RETURN QUERY SELECT * FROM _loyalty.explain_folded(p.program, current_terms, said, parts, held, t.tier, t.multiplier, NULL, rooms, _loyalty.allotted_now(p.program, current_terms, parts));
		RETURN;
	END IF;
	FOR e IN SELECT * FROM _loyalty.explain_rules(p.program, current_terms, said)
	LOOP
		total := total + e.points;
		RETURN NEXT e;
	END LOOP;
	FOR e IN SELECT * FROM _loyalty.explain_tier(p.program, current_terms, coalesce(e.step, 0), (said ->> 'awards')::numeric, total, t.tier, t.multiplier)
	LOOP
		total := total + e.points;
		RETURN NEXT e;
	END LOOP;
	RETURN QUERY SELECT * FROM _loyalty.explain_lots(p.program, current_terms, said, '{1}', ARRAY[total]);
END
$$;
COMMENT ON FUNCTION _loyalty.explain_row(regclass, anyelement, anycompatiblearray, text) IS 'the steps from nothing to the points that an order, or an event, would have that is not there';

CREATE FUNCTION _loyalty.simulate_order(settings regclass, "order" anyelement, lines anycompatiblearray, event text)
RETURNS SETOF loyalty.explanation
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_simulate_order';
COMMENT ON FUNCTION _loyalty.simulate_order(regclass, anyelement, anycompatiblearray, text) IS 'what the function simulate_order of a program does, for its owner';
