-- What has left its table with a partition, and keeps its points ------------------

-- An archived order is kept as it is recorded, with what was refunded of it by then: what is
-- refunded later is taken off.  Runs as the owner.
CREATE FUNCTION _loyalty.archive(program name, tracked_table int, keep boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	view regclass := _loyalty.view_of(program, 'orders', tracked_table);
	k record;
	r record;
	archived bigint := 0;
BEGIN
	IF keep THEN
		SELECT * INTO k FROM _loyalty.view_expression(view, NULL, 'key', false);
		SELECT * INTO r FROM _loyalty.refunds_join(program, tracked_table, _loyalty.key_of_text('o.order_key', k.type, k.collation), k.type, k.collation);
		EXECUTE format($sql$
			INSERT INTO %1$I.archived (tracked_table, order_key, customer, at, amount, awards, currency, rate, refunded, available_at, terms, parts)
			SELECT o.tracked_table, o.order_key, o.customer, o.at, o.amount, o.awards, o.currency, o.rate, %3$s, o.available_at,
			       CASE WHEN o.parts IS NOT NULL THEN o.terms END, o.parts
			  FROM (SELECT DISTINCT ON (r.order_key) r.* FROM %1$I.recorded_orders r
			         WHERE r.tracked_table = $1 AND r.counts
			           AND NOT EXISTS (SELECT FROM %2$s v WHERE v.order_key = r.order_key)
			           AND NOT EXISTS (SELECT FROM %1$I.archived a WHERE a.tracked_table = $1 AND a.order_key = r.order_key)
			         ORDER BY r.order_key, r.recorded_at DESC) o %4$s
			    ON CONFLICT DO NOTHING
			$sql$, program, view, coalesce(r.refunded, '0'), r.joins) USING tracked_table;
		GET DIAGNOSTICS archived = ROW_COUNT;
	END IF;
	EXECUTE format('DELETE FROM %1$I.archived a USING %2$s v WHERE a.tracked_table = $1 AND v.order_key = a.order_key', program, view) USING tracked_table;
	RETURN archived;
END
$$;
COMMENT ON FUNCTION _loyalty.archive(name, int, boolean) IS
'note the recorded orders of a tracked table that have no row as archived, with keep, and forget those that have one again; returns how many were noted';

-- The rows of lines and refunds that have left their tables since the program looked last,
-- with a partition or child that is still there: it has the program's triggers.  What they
-- give to each order is SQL for FROM; null if there are none.  One that looks otherwise by
-- now, or that the owner may not read, is left out.  Runs as the owner.
CREATE FUNCTION _loyalty.rows_that_left(program name, tracked_table int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parts text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(format(CASE s.kind WHEN 'lines' THEN
		                              'SELECT (%%1$s)::text COLLATE "C" AS order_key, (%%2$s)::numeric AS lines, 0::numeric AS refunds FROM ONLY %%3$s AS line'
		                         ELSE 'SELECT (%%1$s)::text COLLATE "C" AS order_key, 0::numeric AS lines, CASE WHEN (%%4$s) THEN (%%2$s)::numeric END AS refunds FROM ONLY %%3$s AS refund' END,
		                         d ->> 'key', coalesce(d ->> 'amount', 'NULL'), t.relation, d ->> 'counts'), ' UNION ALL ' ORDER BY s.kind, s.tracked_table, t.relation)
		  FROM %I.tracked_table s
		 CROSS JOIN LATERAL (SELECT DISTINCT x.relation FROM _loyalty.tracked_table_triggers($1, s.tracked_table) x) t
		  JOIN pg_class c ON c.oid = t.relation AND c.relkind = 'r'
		 CROSS JOIN LATERAL (SELECT _loyalty.definition_of($1, s.tracked_table, NULL)
		                      WHERE t.relation NOT IN (SELECT _loyalty.descendants(s.relation))) d (d)
		 WHERE s.of_tracked_table = $2 AND s.active AND s.kind IN ('lines', 'refunds')
		   AND has_table_privilege(t.relation, 'SELECT') AND NOT row_security_active(t.relation)
		   AND NOT EXISTS (SELECT FROM pg_attribute a
		                    WHERE a.attrelid = s.relation AND a.attnum > 0 AND NOT a.attisdropped
		                      AND NOT EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = t.relation AND o.attname = a.attname AND o.atttypid = a.atttypid))
		$sql$, program) INTO parts USING program, tracked_table;
	-- values that are not finite were never counted
	RETURN CASE WHEN parts IS NOT NULL THEN format('(SELECT order_key, coalesce(sum(lines) FILTER (WHERE abs(lines) < 1e131000), 0) AS lines,
	                       coalesce(sum(refunds) FILTER (WHERE abs(refunds) < 1e131000), 0) AS refunds FROM (%s) p GROUP BY 1)', parts) END;
END
$$;
COMMENT ON FUNCTION _loyalty.rows_that_left(name, int) IS
'what lines and refunds give to each order that have left their tables with a partition or child that is still there, as SQL for FROM; null if there are none';

-- So much of what was noted of lines and refunds explains why a difference is another one:
-- lines or refunds are back.
CREATE FUNCTION _loyalty.come_back(INOUT unexplained numeric, INOUT lines numeric, INOUT refunds numeric)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	back numeric;
BEGIN
	back := CASE WHEN unexplained < 0 THEN least(-unexplained, greatest(lines, 0)) ELSE greatest(-unexplained, least(lines, 0)) END;
	lines := lines - back;
	unexplained := unexplained + back;
	back := CASE WHEN unexplained > 0 THEN least(unexplained, greatest(refunds, 0)) ELSE greatest(unexplained, least(refunds, 0)) END;
	refunds := refunds - back;
	unexplained := unexplained - back;
END
$$;
COMMENT ON FUNCTION _loyalty.come_back(numeric, numeric, numeric) IS
'what is left of lines and refunds, of which some must be back, and what that does not explain';

-- What lines add to an order, and refunds take off, that are not there, if only the
-- difference is sure: so much was noted before, and so much was seen where it went.  What
-- that does not explain has come back, or with "more", it has left with partitions that
-- were dropped; else more was seen than left.  Null if it is explained by none of these.
CREATE FUNCTION _loyalty.tell_apart(difference numeric, noted_lines numeric, noted_refunds numeric, left_lines numeric, left_refunds numeric,
                                   more_lines boolean, more_refunds boolean, OUT lines numeric, OUT refunds numeric)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unexplained numeric := difference - (noted_lines + left_lines - noted_refunds - left_refunds);
BEGIN
	-- the difference may be that of a division by a rate
	IF abs(unexplained) < 1e-12 THEN
		lines := noted_lines + left_lines;
		refunds := noted_refunds + left_refunds;
		RETURN;
	END IF;
	SELECT b.unexplained, b.lines, b.refunds INTO unexplained, noted_lines, noted_refunds FROM _loyalty.come_back(unexplained, noted_lines, noted_refunds) b;
	IF unexplained > 0 AND more_lines THEN
		left_lines := left_lines + unexplained;
	ELSIF unexplained < 0 AND more_refunds THEN
		left_refunds := left_refunds - unexplained;
	ELSE
		SELECT b.unexplained, b.lines, b.refunds INTO unexplained, left_lines, left_refunds FROM _loyalty.come_back(unexplained, left_lines, left_refunds) b;
		IF unexplained <> 0 THEN
			RETURN;
		END IF;
	END IF;
	lines := noted_lines + left_lines;
	refunds := noted_refunds + left_refunds;
END
$$;
COMMENT ON FUNCTION _loyalty.tell_apart(numeric, numeric, numeric, numeric, numeric, boolean, boolean) IS
'what lines and refunds gave to an order that have left their tables, from what is known of them and the difference; null if that is not explained';

-- What each rule gave by lines that have left: the difference between what is recorded of an order and what
-- its view says without them, before refunds, of which so much is left of so much.  What a rule gave that
-- gives nothing any more is known, but not the other way round.
CREATE FUNCTION _loyalty.parts_that_left(recorded numeric[], said numeric[], gross numeric, net numeric)
RETURNS numeric[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN count(d.difference) > 0 THEN array_agg(d.difference ORDER BY d.n) END
	  FROM (SELECT p.n, nullif(trim_scale(round(CASE WHEN gross = net THEN p.recorded - coalesce(p.said, 0) ELSE (p.recorded - coalesce(p.said, 0)) * gross / net END, 12)), 0) AS difference
	          FROM unnest(recorded, said) WITH ORDINALITY p (recorded, said, n)) d
$$;
COMMENT ON FUNCTION _loyalty.parts_that_left(numeric[], numeric[], numeric, numeric) IS 'what each rule gave by lines that have left, before refunds; null: nothing';

-- What lines and refunds that have left their tables gave to orders that are there: the
-- difference between what is recorded of an order and what its view says without them, as
-- _loyalty.tell_apart() has it.  With "more", it is noted of orders of which nothing was noted,
-- too.  Rows that are back end it.  Runs as the owner.
CREATE FUNCTION _loyalty.keep(program name, tracked_table int, more boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	eq text := _loyalty.customer_equality(program);
	of_lines boolean;
	of_amounts boolean;
	of_refunds boolean;
	v record;
	n bigint;
	noted bigint := 0;
	before jsonb;
	that_left text := '(SELECT NULL::text AS order_key, NULL::numeric AS lines, NULL::numeric AS refunds)';
BEGIN
	-- nothing leaves a table that has, and had, no partitions or children
	EXECUTE format('SELECT coalesce(bool_or(s.kind = ''lines''), false), coalesce(bool_or(s.kind = ''lines'' AND _loyalty.definition_of($3, s.tracked_table, NULL) ? ''amount''), false),
	                       coalesce(bool_or(s.kind = ''refunds''), false)
	                  FROM %I.tracked_table s JOIN pg_class c ON c.oid = s.relation
	                 WHERE s.of_tracked_table = $1 AND s.active AND (NOT $2 OR c.relkind = ''p'' OR c.relhassubclass)', program)
		INTO of_lines, of_amounts, of_refunds USING tracked_table, more, program;
	EXECUTE format('SELECT coalesce(jsonb_object_agg(order_key, jsonb_build_array(amount, refunded, awards, parts)), ''{}'') FROM %I.kept WHERE tracked_table = $1', program)
		INTO before USING tracked_table;
	IF before = '{}' AND NOT (more AND (of_lines OR of_refunds)) THEN
		RETURN 0;
	END IF;
	IF more THEN
		that_left := coalesce(_loyalty.rows_that_left(program, tracked_table), that_left);
	END IF;
	FOR v IN SELECT t AS terms, _loyalty.view_of(program, 'orders', tracked_table, t) AS view FROM _loyalty.recorded_terms(program, tracked_table) t
	LOOP
		CONTINUE WHEN v.view IS NULL;
		-- refunds are back if an order is refunded wholly without what was noted of them
		EXECUTE format($sql$
			UPDATE %1$I.kept k SET refunded = 0 FROM %2$s v, %1$I.recorded_orders r
			 WHERE k.tracked_table = $1 AND r.tracked_table = $1 AND r.terms = $2 AND r.order_key = k.order_key AND v.order_key = k.order_key AND v.customer %3$s r.customer
			   AND k.refunded > 0 AND NOT r.counts AND NOT v.counts AND v.refunded > k.refunded AND v.gross <= v.refunded - k.refunded
			$sql$, program, v.view, eq) USING tracked_table, v.terms;
		-- orders that stand as they are recorded, with what was noted, are left alone
		EXECUTE format($sql$
			DELETE FROM %1$I.kept k USING %2$s v, %1$I.recorded_orders r
			 WHERE k.tracked_table = $1 AND r.tracked_table = $1 AND r.terms = $2 AND r.order_key = k.order_key AND v.order_key = k.order_key AND v.customer %3$s r.customer
			   AND (r.counts IS DISTINCT FROM v.counts OR (r.counts AND (r.amount, r.awards, r.parts) IS DISTINCT FROM (v.amount, v.awards, v.parts)))
			$sql$, program, v.view, eq) USING tracked_table, v.terms;
		-- an order without a difference has all back; one that was refunded wholly tells none
		EXECUTE format($sql$
			INSERT INTO %1$I.kept (tracked_table, order_key, amount, refunded)
			SELECT $1, d.order_key, CASE WHEN $3 AND (t.lines <> 0 OR d.gross IS NULL) THEN t.lines END, t.refunds
			  FROM (SELECT v.order_key, v.gross, v.refunded, v.awards, v.parts, r.counts AS recorded_counts, r.awards AS recorded_awards, r.parts AS recorded_parts, r.counts OR v.counts AS tells,
			               trim_scale(CASE WHEN r.counts THEN r.amount / r.rate ELSE 0 END - (coalesce(v.gross, 0) - v.refunded)) AS difference,
			               coalesce(($5 -> v.order_key ->> 0)::numeric, 0) AS noted_lines, coalesce(($5 -> v.order_key ->> 1)::numeric, 0) AS noted_refunds,
			               coalesce(l.lines, 0) AS left_lines, coalesce(l.refunds, 0) AS left_refunds
			          FROM %2$s v JOIN %1$I.recorded_orders r ON r.customer %3$s v.customer AND r.tracked_table = $1 AND r.order_key = v.order_key AND r.terms = $2
			          LEFT JOIN %4$s l ON l.order_key = v.order_key
			         WHERE v.at IS NOT NULL AND ($6 OR $5 ? v.order_key)) d
			 CROSS JOIN LATERAL (SELECT d.left_lines <> 0 OR d.left_refunds <> 0 AS any_left) a
			 CROSS JOIN LATERAL (SELECT CASE WHEN any_left OR d.difference <> 0 THEN d.noted_lines ELSE 0 END AS lines,
			                            CASE WHEN any_left OR d.difference <> 0 THEN d.noted_refunds ELSE 0 END AS refunds) k
			 CROSS JOIN LATERAL _loyalty.tell_apart(
			            CASE WHEN NOT d.recorded_counts AND coalesce(d.gross, 0) + k.lines + d.left_lines <= d.refunded + k.refunds + d.left_refunds
			                      AND d.refunded + k.refunds + d.left_refunds > 0
			                 THEN k.lines + d.left_lines - k.refunds - d.left_refunds ELSE d.difference END,
			            k.lines, k.refunds, d.left_lines, d.left_refunds, $6 AND $3 AND d.recorded_counts, $6 AND $4) t
			 WHERE t.lines IS NOT NULL AND d.difference - d.difference = 0 AND (any_left OR (d.tells AND (d.difference <> 0 OR (d.awards, d.parts) IS DISTINCT FROM (d.recorded_awards, d.recorded_parts))))
			   AND (d.recorded_counts OR $4 OR d.left_lines <> 0)
			ON CONFLICT DO NOTHING
			$sql$, program, v.view, eq, that_left) USING tracked_table, v.terms, of_amounts, of_refunds, before, more;
		GET DIAGNOSTICS n = ROW_COUNT;
		noted := noted + n;
		EXECUTE format($sql$
			UPDATE %1$I.kept k SET awards = x.awards
			  FROM (SELECT v.order_key,
			               trim_scale(round(CASE WHEN v.refunded = 0 OR v.gross IN (0, v.refunded) THEN r.awards - v.awards
			                          ELSE (r.awards - v.awards) * v.gross / (v.gross - v.refunded) END, 12)) AS awards
			          FROM %2$s v JOIN %1$I.recorded_orders r ON r.customer %3$s v.customer AND r.tracked_table = $1 AND r.order_key = v.order_key AND r.terms = $2
			         WHERE r.counts AND v.counts) x
			 WHERE k.tracked_table = $1 AND k.awards = 0 AND k.order_key = x.order_key AND x.awards <> 0
			   AND ($4 OR x.awards BETWEEN least(0, ($3 -> k.order_key ->> 2)::numeric) AND greatest(0, ($3 -> k.order_key ->> 2)::numeric))
			$sql$, program, v.view, eq) USING tracked_table, v.terms, before, more;
		CONTINUE WHEN NOT _loyalty.terms_fold(program, v.terms);
		EXECUTE format($sql$
			UPDATE %1$I.kept k SET parts = x.parts
			  FROM (SELECT v.order_key, _loyalty.parts_that_left(r.parts, v.parts, v.gross, CASE WHEN v.gross IN (0, v.refunded) THEN v.gross ELSE v.gross - v.refunded END) AS parts
			          FROM %2$s v JOIN %1$I.recorded_orders r ON r.customer %3$s v.customer AND r.tracked_table = $1 AND r.order_key = v.order_key AND r.terms = $2
			         WHERE r.counts AND v.counts) x
			 WHERE k.tracked_table = $1 AND k.parts IS NULL AND k.order_key = x.order_key AND x.parts IS NOT NULL
			   AND ($4 OR NOT EXISTS (SELECT FROM unnest(x.parts) WITH ORDINALITY p (part, n) CROSS JOIN LATERAL (SELECT ($3 -> k.order_key -> 3 ->> (p.n - 1)::int)::numeric) b (noted)
			                           WHERE p.part <> 0 AND (p.part BETWEEN least(0, b.noted) AND greatest(0, b.noted)) IS NOT TRUE))
			$sql$, program, v.view, eq) USING tracked_table, v.terms, before, more;
	END LOOP;
	EXECUTE format('DELETE FROM %I.kept WHERE tracked_table = $1 AND amount IS NULL AND refunded = 0 AND awards = 0 AND parts IS NULL', program) USING tracked_table;
	RETURN noted;
END
$$;
COMMENT ON FUNCTION _loyalty.keep(name, int, boolean) IS
'note what lines and refunds that have left their tables gave to orders that are there, and forget it where they are back; returns for how many orders';

-- Runs as the owner.
CREATE FUNCTION _loyalty.forget_kept(program name, tracked_table int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
BEGIN
	EXECUTE format('DELETE FROM %I.kept WHERE tracked_table = $1', program) USING tracked_table;
END
$$;
COMMENT ON FUNCTION _loyalty.forget_kept(name, int) IS 'forget what lines and refunds gave that have left their tables';
