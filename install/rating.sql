-- Ratings ----------------------------------------------------------------------------------
--
-- A rating gives each customer a grade, such as A, B and C: the one of highest rank whose condition holds, moved up or down by
-- steps whose conditions hold.  It decides nothing about points, so its conditions see all that metrics do, the customer's row
-- included, and it is right whenever it is read.  Its conditions are with the metrics of the terms (install/metric.sql).

CREATE FUNCTION _loyalty.rating_of(program regclass, terms int, rating text, spend numeric, orders bigint, points_earned numeric, joined_at timestamptz,
                                  first_order_at timestamptz, last_order_at timestamptz, at timestamptz, reader uuid, purchases loyalty.history, events _loyalty.event_history[], customer_row jsonb)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'loyalty_rating_of';
COMMENT ON FUNCTION _loyalty.rating_of(regclass, int, text, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz, uuid, loyalty.history, _loyalty.event_history[], jsonb) IS
'the grade by a rating of some terms, of a customer of whom these facts are known; null if none qualifies';

CREATE TYPE loyalty.rating_explanation AS (
	step text,
	name text,
	part int[],
	condition text,
	holds boolean,
	value text,
	wanted text,
	distance numeric,
	changes_on date,
	grade text
);
COMMENT ON TYPE loyalty.rating_explanation IS 'one part of why a customer has a grade: result of the function explain_rating of a program';
COMMENT ON COLUMN loyalty.rating_explanation.step IS 'grade: a grade that may qualify, from the highest on; step: what moves the rating, in the order in which that is done';
COMMENT ON COLUMN loyalty.rating_explanation.name IS 'the grade, or the reason of the step';
COMMENT ON COLUMN loyalty.rating_explanation.part IS 'which part of the condition: {} is all of it, {1} its first part, {1,2} of that the second one';
COMMENT ON COLUMN loyalty.rating_explanation.condition IS 'SQL condition, as it is now';
COMMENT ON COLUMN loyalty.rating_explanation.holds IS 'does it hold now? null: it is unknown, or fails';
COMMENT ON COLUMN loyalty.rating_explanation.value IS 'of a comparison: what is compared, as it is now';
COMMENT ON COLUMN loyalty.rating_explanation.wanted IS 'of a comparison: with what it is compared';
COMMENT ON COLUMN loyalty.rating_explanation.distance IS 'of a comparison: what is missing, as of a tier';
COMMENT ON COLUMN loyalty.rating_explanation.changes_on IS 'the first day on which holds is otherwise if nothing happens until then; null: none of those that were looked at';
COMMENT ON COLUMN loyalty.rating_explanation.grade IS 'the grade from here on; null: none, or a part';

CREATE FUNCTION _loyalty.explain_rating(program regclass, terms int, rating text, spend numeric, orders bigint, points_earned numeric, joined_at timestamptz,
                                       first_order_at timestamptz, last_order_at timestamptz, at timestamptz, reader uuid, purchases loyalty.history, events _loyalty.event_history[], customer_row jsonb)
RETURNS TABLE (number int, holds boolean, grade text)
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_explain_rating';
COMMENT ON FUNCTION _loyalty.explain_rating(regclass, int, text, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz, uuid, loyalty.history, _loyalty.event_history[], jsonb) IS
'the conditions of a rating by their numbers, whether each holds, and the grade from there on';

CREATE FUNCTION _loyalty.rating_explained(settings regclass, customer anyelement, rating text, days int)
RETURNS SETOF loyalty.rating_explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	ratings text;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'explain_rating');
	PERFORM _loyalty.require_given('{days}', ARRAY[days IS NULL]);
	EXECUTE format('SELECT coalesce(string_agg(DISTINCT format(''"%%s"'', g.rating), '', ''), ''none'') FROM %1$I.rating g HAVING coalesce(bool_and(g.rating <> $1), true)', p.program) INTO ratings USING rating;
	IF ratings IS NOT NULL THEN
		RAISE EXCEPTION 'loyalty program "%" has no rating "%"', p.program, left(rating, 100)
			USING ERRCODE = 'undefined_object', DETAIL = format('Its ratings are %s.', ratings), HINT = format('The table %I.rating has their grades.', p.program);
	END IF;
	RETURN QUERY EXECUTE format($sql$
		SELECT m.kind, m.name, c.part, c.condition, c.holds, c.value, c.wanted, c.distance, c.changes_on, CASE WHEN c.part = '{}' THEN e.grade END
		  FROM %1$I.member_facts f
		 CROSS JOIN LATERAL _loyalty.explain_rating($2, f.terms, $3, f.spend, f.orders, f.points_earned, f.joined_at, f.first_order_at, f.last_order_at, now(), f.reader, f.purchases, f.events, f.customer_row) e
		  JOIN %1$I.terms_metric m ON m.version = f.terms AND m.number = e.number
		 CROSS JOIN LATERAL _loyalty.explain_condition($2, f.terms, 'metric', e.number, $4, f.spend, f.orders, f.points_earned, f.joined_at, f.first_order_at, f.last_order_at, now(), f.reader, f.purchases, f.events, f.customer_row) c
		 WHERE %2$s ORDER BY e.number, c.part $sql$, p.program, _loyalty.is_member(settings, p.program, customer, p.is_customer, p.customer_type))
		USING customer, settings, rating, days;
END
$$;
COMMENT ON FUNCTION _loyalty.rating_explained(regclass, anyelement, text, int) IS 'what the function explain_rating of a program does, for its owner';

CREATE FUNCTION _loyalty.check_rating()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	version int;
	column_name text;
BEGIN
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' OR num_nulls(NEW.rating, NEW.grade, NEW.rank, NEW.qualifies) > 0 THEN
		RETURN NEW;		-- nulls are refused by the table
	END IF;
	column_name := (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass(format('%I.member_facts', tg_table_schema)) AND a.attnum = 1);
	IF NEW.rating = '' OR octet_length(NEW.rating) > 63 OR NEW.rating = column_name THEN
		RAISE EXCEPTION 'a rating cannot be called "%"', NEW.rating
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The view "ratings" has a column of this name, of 1 to 63 bytes, beside the key of the customer.', HINT = 'Give it another name.';
	ELSIF NEW.grade = '' THEN
		RAISE EXCEPTION 'a grade of the rating "%" must have a name', NEW.rating
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Customers without a grade are those for whom none qualifies.';
	END IF;
	PERFORM _loyalty.require_short_name('a grade', NEW.grade);
	IF tg_op = 'UPDATE' AND (NEW.rating, NEW.grade) <> (OLD.rating, OLD.grade) AND NEW.qualifies = OLD.qualifies THEN
		EXECUTE format('SELECT terms FROM %I.program', tg_table_schema) INTO version;
		NEW.qualifies := coalesce((SELECT m.expression FROM _loyalty.metrics_of(tg_table_schema, version) m WHERE (m.kind, m.rating, m.name) = ('grade', OLD.rating, OLD.grade)), NEW.qualifies);
	ELSIF tg_op = 'INSERT' OR NEW.qualifies <> OLD.qualifies THEN
		NEW.qualifies := (SELECT p.expression FROM _loyalty.parse_metric(tg_table_schema, 'grade', NEW.rating, NEW.grade, NEW.qualifies, current_setting('loyalty.search_path', true), true) p);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_rating() IS 'trigger: check the condition of a grade, and store it with every name qualified';

CREATE FUNCTION _loyalty.check_rating_step()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	version int;
	grades text;
	is_known boolean;
BEGIN
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' OR num_nulls(NEW.rating, NEW.reason, NEW.condition, NEW.steps, NEW.priority) > 0 THEN
		RETURN NEW;		-- nulls are refused by the table
	END IF;
	PERFORM _loyalty.require_short_name('the reason of a step', NEW.reason);
	EXECUTE format('SELECT string_agg(format(''"%%s"'', g.grade), '', '' ORDER BY g.rank DESC), coalesce(bool_or(g.grade = $2), false) FROM %I.rating g WHERE g.rating = $1', tg_table_schema)
	   INTO grades, is_known USING NEW.rating, NEW.bound;
	IF grades IS NULL THEN
		RAISE EXCEPTION 'there is no rating "%"', NEW.rating
			USING ERRCODE = 'undefined_object', HINT = format('Insert its grades into %I.rating first.', tg_table_schema);
	ELSIF NEW.bound IS NOT NULL AND NOT is_known THEN
		RAISE EXCEPTION 'the rating "%" has no grade "%"', NEW.rating, NEW.bound
			USING ERRCODE = 'undefined_object', DETAIL = format('Its grades are %s.', grades), HINT = 'bound is the grade beyond which the step does not move the rating, or null.';
	END IF;
	IF tg_op = 'UPDATE' AND (NEW.rating, NEW.reason) <> (OLD.rating, OLD.reason) AND NEW.condition = OLD.condition THEN
		EXECUTE format('SELECT terms FROM %I.program', tg_table_schema) INTO version;
		NEW.condition := coalesce((SELECT m.expression FROM _loyalty.metrics_of(tg_table_schema, version) m WHERE (m.kind, m.rating, m.name) = ('step', OLD.rating, OLD.reason)), NEW.condition);
	ELSIF tg_op = 'INSERT' OR NEW.condition <> OLD.condition THEN
		NEW.condition := (SELECT p.expression FROM _loyalty.parse_metric(tg_table_schema, 'step', NEW.rating, NEW.reason, NEW.condition, current_setting('loyalty.search_path', true), true) p);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_rating_step() IS 'trigger: check the condition of a step of a rating, and store it with every name qualified';

-- Steps go by grades that there are.
CREATE FUNCTION _loyalty.require_grades(program name, version int)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	EXECUTE format($sql$
		SELECT s.rating, s.name AS reason, s.bound, EXISTS (SELECT FROM %1$I.terms_metric g WHERE (g.version, g.kind, g.rating) = ($1, 'grade', s.rating)) AS any_left
		  FROM %1$I.terms_metric s
		 WHERE s.version = $1 AND s.kind = 'step'
		   AND NOT EXISTS (SELECT FROM %1$I.terms_metric g WHERE (g.version, g.kind, g.rating) = ($1, 'grade', s.rating) AND (s.bound IS NULL OR g.name = s.bound))
		 ORDER BY 1, 2 LIMIT 1 $sql$, program) INTO s USING version;
	IF s.rating IS NOT NULL THEN
		RAISE EXCEPTION '%', CASE WHEN s.any_left THEN format('the grade "%s" of the rating "%s" is used', s.bound, s.rating) ELSE format('the rating "%s" has steps', s.rating) END
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = format('The step "%s" goes by it.', s.reason), HINT = format('Change or delete the step in %I.rating_step first.', program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_grades(name, int) IS 'an error if a step of a rating names a grade that new terms lack';

-- The view "ratings", in which columns keep their places, as in "metrics".
CREATE FUNCTION _loyalty.make_ratings(program name, terms int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known CONSTANT regclass := to_regclass(format('%I.ratings', program));
	columns text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(format(', _loyalty.rating_of(%%L::regclass, f.terms, %%L, f.spend, f.orders, f.points_earned, f.joined_at, f.first_order_at, f.last_order_at, now(), f.reader, f.purchases, f.events, f.customer_row) AS %%I',
		                         $1, g.rating, g.rating), '' ORDER BY a.attnum, g.rating)
		  FROM (SELECT DISTINCT m.rating FROM %I.terms_metric m WHERE m.version = $2 AND m.kind = 'grade') g
		  LEFT JOIN pg_attribute a ON a.attrelid = $3 AND a.attname = g.rating $sql$, program) INTO columns USING format('%I.program', program), terms, known;
	PERFORM _loyalty.make_shown(program, 'ratings', columns, 'the ratings of each customer, at this moment');
END
$$;
COMMENT ON FUNCTION _loyalty.make_ratings(name, int) IS 'make the view of the ratings in force';
