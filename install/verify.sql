-- verify --------------------------------------------------------------------------
--
-- verify() recomputes a program from its tracked tables and its entries, in plain SQL that
-- shares no code with recording and posting.  What is recomputed, and of what only what must
-- hold is checked, is told where it is done: of orders in verify_orders.sql, of entries,
-- accounts and members in verify_entries.sql, of histories in verify_histories.sql, of calls in verify_calls.sql, of merges in verify_merges.sql, of dated points in
-- verify_lots.sql and verify_wallets.sql, of what refunds take in verify_refunds.sql, of cards in verify_cards.sql, of rewards and vouchers in verify_rewards.sql.
-- Here are the parts of the program themselves.
--
-- The settings it takes to be right and fast in every session are made by src/act/verify.c.
-- It writes nothing, so that it works on a standby and in transactions that are read only.

-- What makes an expression fail is for verify() to tell; that the server cannot
-- go on, is asked to stop, or had to choose between transactions, is not.
CREATE FUNCTION _loyalty.only_expression_errors(state text, message text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF state ~ '^(25|40|53|55|57|58|XX)' THEN
		RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.only_expression_errors(text, text) IS
'raise an error again unless it can come from an expression of a program';

-- A part of what verify() does, a call of a function of this schema.  If it fails, the next
-- one is called instead.  If all do, that is told, "otherwise" is called, and the other parts are
-- verified nevertheless.
CREATE FUNCTION _loyalty.verify_part(parts text[], otherwise text DEFAULT NULL)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part text;
	error text;
BEGIN
	FOREACH part IN ARRAY parts
	LOOP
		BEGIN
			-- a function in FROM has returned all it returns before the first row is seen
			RETURN QUERY EXECUTE 'SELECT * FROM _loyalty.' || part;
			RETURN;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			error := SQLERRM;
		END;
	END LOOP;
	RETURN QUERY SELECT 'part of the program cannot be verified'::text, NULL::text, NULL::text, format('%s: %s', split_part(parts[1], '(', 1), error);
	IF otherwise IS NOT NULL THEN
		RETURN QUERY SELECT * FROM _loyalty.verify_part(ARRAY[otherwise]);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_part(text[], text) IS 'a part of verify(), or what is to be called if it fails, or a row that says so';

-- What helps if the view of a table of orders under some terms is lost: to correct the first
-- rule that names what is gone, or else to track the table again.
CREATE FUNCTION _loyalty.how_to_mend(program name, tracked_table int, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	again text;
	advice text;
	why text;
BEGIN
	-- a correction makes the view, if another tells what the table means
	again := CASE WHEN _loyalty.lacks_view(program, tracked_table, _loyalty.terms_with_view(program, tracked_table, terms))
	                   OR _loyalty.terms_with_view(program, tracked_table, terms) IS NULL THEN _loyalty.track_again(program, tracked_table)
	         ELSE format('call loyalty.reconcile(%L)', program) END;
	BEGIN
		EXECUTE format('SELECT count(_loyalty.award_of_terms($1, $2, r.version, r.name, coalesce(r.points, r.multiplier), r.applies_when, r.per)) FROM %I.terms_rule r WHERE r.version = $3 AND _loyalty.is_for_table($1, $2, r.event)', program)
			USING program, tracked_table, terms;
	EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
		GET STACKED DIAGNOSTICS advice = PG_EXCEPTION_HINT, why = PG_EXCEPTION_DETAIL;
		again := CASE WHEN SQLSTATE = '42501' THEN SQLERRM
		         ELSE concat(SQLERRM, ': ', rtrim(why, '.'), '; ', lower(left(advice, 1)), rtrim(substr(advice, 2), '.'), '; then ', again) END;
	END;
	RETURN CASE WHEN advice IS NULL THEN _loyalty.track_again(program, tracked_table) ELSE again END;
END
$$;
COMMENT ON FUNCTION _loyalty.how_to_mend(name, int, int) IS
'what to do if the view of a table of orders under some terms is lost';

-- The same for tiers, whose view is lost.
CREATE FUNCTION _loyalty.how_to_mend_tiers(program name, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	IF _loyalty.lacks_view_of_metrics(program, terms) THEN
		RETURN 'its metrics have none, and are to be mended first';
	END IF;
	FOR t IN EXECUTE format('SELECT name, qualifies FROM %I.terms_tier WHERE version = $1 ORDER BY rank', program) USING terms
	LOOP
		PERFORM _loyalty.parse_tier(program, t.name, t.qualifies, 'pg_catalog, pg_temp', false, terms);
	END LOOP;
	RETURN format('UPDATE %I.terms_tier SET qualifies = qualifies WHERE version = %s, which makes it', program, terms);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	RETURN format('the condition of the tier "%s" does not hold: %s; correct it: UPDATE %I.terms_tier SET qualifies = ''...'' WHERE version = %s AND name = %L, which makes it',
	              t.name, SQLERRM, program, terms, t.name);
END
$$;
COMMENT ON FUNCTION _loyalty.how_to_mend_tiers(name, int) IS 'what to do if the view of the tiers of some terms is lost';

-- A function that an expression calls was not volatile when the expression was written, but
-- may have been replaced by one that is.  Orders go on being recorded by it.
CREATE FUNCTION _loyalty.verify_volatility(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'expression calls a volatile function', NULL, NULL,
	       format('%s, in %s; declare it STABLE or IMMUTABLE, or change the expression', p.oid::regprocedure,
	              string_agg(DISTINCT 'view ' || c.relname, ', ' ORDER BY 'view ' || c.relname))
	  FROM pg_namespace n
	  JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'v' AND (_loyalty.is_definition(c.relname) OR c.relname = 'customer')
	  JOIN pg_rewrite w ON w.ev_class = c.oid
	  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
	  LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
	  JOIN pg_proc p ON p.oid = coalesce(o.oprcode, d.refobjid) AND p.provolatile = 'v' AND p.pronamespace <> '_loyalty'::regnamespace
	 WHERE n.nspname = program
	 GROUP BY p.oid
$$;
COMMENT ON FUNCTION _loyalty.verify_volatility(name) IS 'functions that expressions call and that became volatile after these were written';

-- Can an expression for joined_at be read?
CREATE FUNCTION _loyalty.means_something(customers regclass, joined_at text, time_zone text)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.parse_expression(joined_at, customers, NULL, NULL, 'timestamptz', 'joined_at', 'new', 'person', time_zone, 'pg_catalog, pg_temp', false,
	                                 any_settings => true);
	RETURN true;
EXCEPTION WHEN undefined_column OR undefined_table OR undefined_function OR undefined_object THEN
	RETURN false;
END
$$;
COMMENT ON FUNCTION _loyalty.means_something(regclass, text, text) IS 'does an expression over a table of customers name nothing that is not there?';

-- Reads find customers in the view "customer", which keeps to its columns whatever
-- they are called by now.
CREATE FUNCTION _loyalty.verify_customers(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customers regclass;
	customer_key name;
	joined_at text;
	time_zone text;
	said text := (SELECT v.expression FROM _loyalty.view_expression(format('%I.customer', program)::regclass, NULL, 'joined_at', false) v);
	present record;
BEGIN
	EXECUTE format('SELECT customers, customer_key, joined_at, time_zone FROM %I.program', program) INTO customers, customer_key, joined_at, time_zone;
	IF NOT EXISTS (SELECT FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
	                WHERE w.ev_class = format('%I.customer', program)::regclass
	                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = customers) THEN
		RETURN QUERY SELECT 'settings and customers differ'::text, NULL::text, NULL::text,
			format('customers is "%s", which the view "customer" does not read', customers);
		RETURN;
	END IF;
	-- a column that was renamed is in the settings by the name that it had
	SELECT p.key, p.joined_at INTO present FROM _loyalty.present_customers(program, customers, joined_at, time_zone) p;
	IF present.key <> customer_key AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = customers AND attname = customer_key AND attnum > 0 AND NOT attisdropped) THEN
		RETURN QUERY SELECT 'settings and customers differ'::text, NULL::text, NULL::text,
			format('customer_key is "%s", but the view "customer" takes "%s"; update customer_key in the table "program"', customer_key, present.key);
	END IF;
	-- what was renamed does not mean anything any more by its old name
	IF (joined_at IS NULL AND said NOT LIKE 'NULL::%')
	   OR (joined_at IS DISTINCT FROM present.joined_at AND _loyalty.means_something(customers, joined_at, time_zone)) THEN
		RETURN QUERY SELECT 'settings and customers differ'::text, NULL::text, NULL::text,
			format('joined_at is %s, but the view "customer" takes %s; update joined_at in the table "program"',
			       coalesce(quote_literal(joined_at), 'null'), coalesce(quote_literal(present.joined_at), said));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_customers(name) IS 'what the settings of a program say of customers against what reads find';

-- The tables of a program have the triggers that keep them, and nothing that cannot be
-- honoured.
CREATE FUNCTION _loyalty.verify_tables(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- the triggers that keep the program's own tables
	RETURN QUERY
	SELECT 'trigger missing or disabled'::text, NULL::text, NULL::text, format('%s of %I.%I', t.trigger, program, t.relation)
	  FROM (SELECT x.object, x.name, x.ordinal FROM _loyalty.templates() x WHERE x.kind = 'trigger') t (relation, trigger, place)
	 WHERE NOT EXISTS (SELECT FROM pg_trigger g
	                    WHERE g.tgrelid = to_regclass(format('%I.%I', program, t.relation))
	                      AND g.tgname = t.trigger AND g.tgenabled IN ('O', 'A'))
	 ORDER BY t.place;

	-- what was made while event triggers were disabled
	RETURN QUERY
	SELECT 'table of the program has what cannot be honoured'::text, NULL::text, NULL::text,
	       format('%I.%I has %s', program, r, _loyalty.cannot_be_kept(to_regclass(format('%I.%I', program, r))))
	  FROM unnest('{journal,ledger,account}'::text[]) r
	 WHERE _loyalty.cannot_be_kept(to_regclass(format('%I.%I', program, r))) IS NOT NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_tables(name) IS 'what the tables of a program lack, and what they have that cannot be honoured';

-- They are laid out as recording and posting write them, by place.
CREATE FUNCTION _loyalty.verify_layout(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT 'table of the program is not laid out as it must be'::text, NULL::text, NULL::text, format('%I.%I needs the column %I', program, t.relation, c.name)
	  FROM (VALUES ('journal'), ('ledger'), ('account')) t (relation)
	 CROSS JOIN LATERAL _loyalty.template_columns(t.relation) c
	 WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(format('%I.%I', program, t.relation))
	                                                AND (a.attnum = c.n OR t.relation = 'account') AND a.attname = c.name AND NOT a.attisdropped);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_layout(name) IS 'columns that journal and ledger lack in their places';

-- The terms in force are those that rules, tiers and settings say.
CREATE FUNCTION _loyalty.verify_terms(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT 'terms in force are not those configured'::text, NULL::text, NULL::text,
		       format('terms %%s; UPDATE %%I.earning_rule SET name = name, which makes new terms of what is configured', p.terms, $1)
		  FROM %1$I.program p
		 WHERE p.terms IS DISTINCT FROM (SELECT max(version) FROM %1$I.terms)
		    OR NOT EXISTS (SELECT FROM %1$I.terms t WHERE t.version = p.terms AND t.points_scale = p.points_scale
		                                              AND t.rounding = p.rounding AND t.time_zone = p.time_zone
		                                              AND t.refunds_take = p.refunds_take AND t.refund_shortfall = p.refund_shortfall
		                                              AND t.returns_paid_points = p.returns_paid_points)
		    OR %2$s
		UNION ALL
		SELECT 'earning rule of a version of the terms is lost', NULL, NULL, format('version %%s has none for column %%s of view %%s', t.version, a.attname, a.attrelid::regclass)
		  FROM %1$I.terms t CROSS JOIN %1$I.tracked_table s
		  JOIN pg_attribute a ON a.attrelid = _loyalty.view_of($1, 'orders', s.tracked_table, t.version) AND a.attname ~ '^award_[0-9]+$'
		 WHERE s.kind IN ('orders', 'credits', 'events') AND NOT EXISTS (SELECT FROM %1$I.terms_rule r WHERE r.version = t.version AND format('award_%%s', r.award) = a.attname)
		$sql$, program, _loyalty.terms_differ_sql(program, 'p.terms')) USING program;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_terms(name) IS 'terms in force that are not those configured';

-- What entries are of, and whether some orders have more than one, in one look at each table.
CREATE FUNCTION _loyalty.survey(program name)
RETURNS TABLE (relation text, tracked_table int, terms int, repeated boolean, entries bigint, dated boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT 'ledger'::text, l.tracked_table, l.terms, bool_or(l.revision > 1), count(*), bool_or(l.lots IS NOT NULL OR l.available_at IS NOT NULL) FROM %1$I.ledger l GROUP BY l.tracked_table, l.terms
		UNION ALL
		SELECT 'journal', j.tracked_table, j.terms, bool_or(j.revision > 1), count(*),
		       bool_or(j.available_at IS NOT NULL) OR EXISTS (SELECT FROM %1$I.terms_wallet w WHERE w.version = j.terms AND num_nonnulls(w.available_after, w.expires, w.extended) > 0)
		  FROM %1$I.journal j GROUP BY j.tracked_table, j.terms $sql$, program);
END
$$;
COMMENT ON FUNCTION _loyalty.survey(name) IS 'tracked tables and terms of the entries of a program, in journal and ledger, with their number, and whether they have dated points';

-- The rows that an index of a table finds in the order of its key, and how many of them are not
-- in order: what a change of a collation below a database makes of an index.  If two indexes
-- have one key, one of them is asked.
CREATE FUNCTION _loyalty.rows_by_key(relation regclass, key text, sorted boolean, OUT entries bigint, OUT misplaced bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET max_parallel_workers_per_gather = 0
AS $$
BEGIN
	IF sorted THEN
		EXECUTE format('SELECT count(*), 0 FROM (SELECT FROM %s ORDER BY %s OFFSET 0) x', relation, key) INTO entries, misplaced;
	ELSE
		EXECUTE format('SELECT count(*), count(*) FILTER (WHERE y.this <= y.before) FROM (SELECT x.this, lag(x.this) OVER (ORDER BY %2$s) AS before FROM (SELECT %2$s, ROW(%2$s) AS this FROM %1$s) x) y',
		               relation, key) INTO entries, misplaced;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.rows_by_key(regclass, text, boolean) IS
'the number of rows that an index of a table finds, and, unless they are known to be sorted, of those that are not in order';

-- The btree indexes of the tables that are written past SQL find all rows, and the primary
-- keys, by which recording and posting look entries up, in order.  No other check of verify()
-- takes from an index what is recorded.  Partial indexes, and those over expressions or of
-- other kinds, cannot be asked for in plain SQL: for these, there is the extension amcheck.
CREATE FUNCTION _loyalty.verify_indexes(program name, ledger bigint, journal bigint)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	i record;
	k record;
	accounts bigint;
	-- bytes do not change their order
	sorted boolean := coalesce((SELECT c.collname IN ('C', 'POSIX') FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation
	                             WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer'), true);
BEGIN
	EXECUTE format('SELECT count(*) FROM %I.account', program) INTO accounts;
	FOR i IN SELECT t.relation, t.rows, x.indexrelid::regclass AS name, x.indisprimary AS is_primary,
	                (SELECT string_agg(quote_ident(a.attname) || CASE WHEN c.option & 1 <> 0 THEN ' DESC' ELSE '' END
	                                   || CASE c.option & 3 WHEN 1 THEN ' NULLS LAST' WHEN 2 THEN ' NULLS FIRST' ELSE '' END, ', ' ORDER BY c.n)
	                   FROM unnest(x.indkey::int2[], x.indoption::int2[]) WITH ORDINALITY c (attnum, option, n)
	                   JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum = c.attnum WHERE c.n <= x.indnkeyatts) AS key
	           FROM (SELECT format('%I.%I', program, v.name)::regclass AS relation, v.rows
	                   FROM (VALUES ('ledger', ledger), ('journal', journal), ('account', accounts)) v (name, rows)) t
	           LEFT JOIN (pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree')
	             ON x.indrelid = t.relation AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
	          ORDER BY t.relation::text, x.indisprimary DESC, x.indexrelid::regclass::text
	LOOP
		IF i.is_primary IS NOT TRUE AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = i.relation AND x.indisprimary AND x.indisvalid) THEN
			RETURN QUERY SELECT 'table of the program is not laid out as it must be'::text, NULL::text, NULL::text, format('%s needs its primary key', i.relation);
		END IF;
		CONTINUE WHEN i.name IS NULL;
		SELECT * INTO k FROM _loyalty.rows_by_key(i.relation, i.key, sorted OR NOT i.is_primary);
		IF k.entries <> i.rows OR k.misplaced > 0 THEN
			RETURN QUERY SELECT 'index does not agree with its table'::text, NULL::text, NULL::text,
				format('%s finds %s of %s rows, %s of them not in order; REINDEX INDEX %1$s, then call loyalty.reconcile(%5$L)',
				       i.name, k.entries, i.rows, k.misplaced, program);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_indexes(name, bigint, bigint) IS
'indexes of a program that do not find all rows of their tables, of which there are so many, or not in order, and primary keys that are not there';

-- Every tracked table, with its lines and refunds, is there and has its view, and its triggers,
-- enabled, on every partition.
CREATE FUNCTION _loyalty.verify_tracking(program name, tracked_table int)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = on	-- few rows of the catalogs
AS $$
DECLARE
	s record;
	part record;
BEGIN
	EXECUTE format('SELECT s.*, p.terms AS newest FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE s.tracked_table = $1', program) INTO s USING tracked_table;
	FOR part IN EXECUTE format('SELECT s.tracked_table, s.relation, s.kind, s.definition FROM %1$I.tracked_table s WHERE s.active AND $1 IN (s.tracked_table, s.of_tracked_table) ORDER BY s.tracked_table', program)
		USING s.tracked_table
	LOOP
		IF NOT EXISTS (SELECT FROM pg_class WHERE oid = part.relation) THEN
			RETURN QUERY SELECT 'tracked table does not exist'::text, NULL::text, NULL::text,
				format('%1$s of tracked table %2$s, was relation %3$s; if another table took its place: UPDATE %4$I.tracked_table SET relation = ''...'' WHERE tracked_table = %2$s; else call loyalty.untrack(%5$L, %3$s)',
				       part.kind, part.tracked_table, part.relation::oid, program, program);
			CONTINUE;
		END IF;
		IF _loyalty.view_of(program, part.kind, part.tracked_table) IS NULL
		   OR (part.tracked_table = s.tracked_table AND _loyalty.view_of(program, part.kind, part.tracked_table, s.newest) IS NULL) THEN
			RETURN QUERY SELECT CASE WHEN part.definition IS NULL THEN 'tracked table has no view' ELSE 'tracked table is paused' END::text, NULL::text, NULL::text,
				format('%s of table %s; %s', part.kind, part.relation,
				       CASE WHEN part.definition IS NOT NULL THEN format('call loyalty.resume(%L, %s)', program, _loyalty.table_arguments(s.relation::text, s.event))
				            WHEN part.tracked_table = s.tracked_table THEN _loyalty.how_to_mend(program, s.tracked_table, s.newest)
				            ELSE _loyalty.track_again(program, s.tracked_table) END);
		END IF;
		RETURN QUERY
		SELECT 'table is part of one that is not tracked'::text, NULL::text, NULL::text, format('%s of %s', o.child, o.parent)
		  FROM _loyalty.outside_parents(part.relation) o;
		RETURN QUERY
		SELECT 'trigger missing or disabled'::text, NULL::text, NULL::text, format('%s of %s', e.event, r.rel)
		  FROM _loyalty.descendants(part.relation) AS r (rel)
		 CROSS JOIN (VALUES ('insert', 4), ('delete', 8), ('update', 16), ('truncate', 32)) e (event, bit)
		 WHERE NOT EXISTS (SELECT FROM pg_trigger g
		                    WHERE g.tgrelid = r.rel AND g.tgfoid = '_loyalty.record'::regproc AND g.tgenabled IN ('O', 'A') AND g.tgtype & e.bit <> 0 AND g.tgqual IS NULL AND g.tgattr = ''
		                      AND (_loyalty.trigger_arguments(g.tgargs))[1:2] = ARRAY[program::text, part.tracked_table::text]);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_tracking(name, int) IS 'what a tracked table, its lines and its refunds lack to be recorded';

-- One table of orders.  Of orders whose expressions fail, the others are verified without them.
CREATE FUNCTION _loyalty.verify_tracked_table(program name, tracked_table int, terms int[], repeated boolean, alone boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	newest int;
	versions int[];
BEGIN
	EXECUTE format('SELECT p.terms FROM %I.program p', program) INTO newest;
	RETURN QUERY SELECT * FROM _loyalty.verify_tracking(program, tracked_table);
	IF _loyalty.lacks_view(program, tracked_table, newest) THEN
		RETURN;
	END IF;
	RETURN QUERY SELECT * FROM _loyalty.verify_views(program, tracked_table, terms);
	IF FOUND THEN
		RETURN;
	END IF;
	versions := ARRAY(SELECT DISTINCT v FROM unnest(terms || newest) v ORDER BY v);
	RETURN QUERY SELECT * FROM _loyalty.verify_part(ARRAY[
		format('verify_orders(%L, %s, %L, %L, %L)', program, tracked_table, versions, repeated, alone),
		format('verify_failing_orders(%L, %s, %L, %L)', program, tracked_table, versions, repeated)]);
	RETURN QUERY SELECT * FROM _loyalty.verify_part(ARRAY[format('verify_refunds(%L, %s)', program, tracked_table)]);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_tracked_table(name, int, int[], boolean, boolean) IS
'what is wrong with a table of orders, and with what is recorded of it: by the terms of its entries, and whether orders have several, and other tables some';

-- What entries are of must be there, or nothing of the rest can be computed.  Calls are of no
-- tracked table, and never wait in the journal.
CREATE FUNCTION _loyalty.verify_references(program name, terms int[], tables int[])
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	no_terms int[];
	no_tables int[];
BEGIN
	EXECUTE format('SELECT ARRAY(SELECT x FROM unnest($1) x WHERE NOT EXISTS (SELECT FROM %1$I.terms t WHERE t.version = x)),
	                       ARRAY(SELECT x FROM unnest($2) x WHERE NOT EXISTS (SELECT FROM %1$I.tracked_table s WHERE s.tracked_table = x))', program)
	   INTO no_terms, no_tables USING terms, tables;
	IF no_terms <> '{}' THEN
		RETURN QUERY EXECUTE format($sql$
			SELECT 'entries have terms that do not exist'::text, e.customer::text, e.order_key::text, format('terms %%s', e.terms)
			  FROM (SELECT customer, order_key, terms FROM %1$I.ledger UNION ALL SELECT customer, order_key, terms FROM %1$I.journal) e
			 WHERE e.terms = ANY ($1) $sql$, program) USING no_terms;
	END IF;
	IF no_tables <> '{}' THEN
		RETURN QUERY EXECUTE format($sql$
			SELECT 'entries have a tracked table that does not exist'::text, NULL::text, NULL::text, format('tracked table %%s: %%s entries', e.tracked_table, count(*))
			  FROM (SELECT tracked_table FROM %1$I.ledger WHERE tracked_table > 0 UNION ALL SELECT tracked_table FROM %1$I.journal) e
			 WHERE e.tracked_table = ANY ($1) GROUP BY e.tracked_table $sql$, program) USING no_tables;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_references(name, int[], int[]) IS 'entries whose terms or tracked table, out of those that there are, do not exist';

CREATE FUNCTION _loyalty.verify_program(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	missing text[];
	of_customers CONSTANT text[] := '{customer, members, former_members, member_facts, metrics, ratings, customer_rows}';
	surveyed jsonb;
	dated boolean;
	versions int[];
	lost int[];
	lost_rules int[];
	lost_metrics int[];
	repeated boolean;
	s record;
	arguments text;
BEGIN
	PERFORM _loyalty.require_program(program);
	-- a view goes if the customer table was dropped with CASCADE
	SELECT coalesce(array_agg(x.r ORDER BY x.n), '{}') INTO missing
	  FROM (SELECT t.object::text, t.ordinal FROM _loyalty.templates() t WHERE t.kind IN ('table', 'view')
	        UNION ALL VALUES ('customer', 0), ('metrics', 0), ('ratings', 0), ('customer_rows', 0)) x (r, n)
	 WHERE to_regclass(format('%I.%I', program, x.r)) IS NULL;
	RETURN QUERY
	SELECT 'relation of the program is missing'::text, NULL::text, NULL::text,
	       format('%I.%I; ', program, r)
	       || CASE WHEN r = ANY (of_customers) AND 'customer' = ANY (missing) THEN format('UPDATE %I.program SET customers = ''...'', customer_key = ''...'', joined_at = ''...'', which makes it', program)
	          ELSE format('nothing else can be verified without it; SELECT loyalty.upgrade_program(%L) makes it', program) END
	  FROM unnest(missing) r;
	IF NOT missing <@ of_customers THEN
		RETURN;
	END IF;
	RETURN QUERY
	SELECT 'function of the program is missing'::text, NULL::text, NULL::text, format('%I.%I; SELECT loyalty.upgrade_program(%L) makes it', program, m.name, program)
	  FROM _loyalty.missing_objects(program) m WHERE m.kind = 'function' ORDER BY m.ordinal;
	RETURN QUERY SELECT * FROM _loyalty.verify_tables(program);
	RETURN QUERY SELECT * FROM _loyalty.verify_layout(program);
	IF FOUND THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format('SELECT ''program has no settings''::text, NULL::text, NULL::text,
		''the table "program" has no row; restore the data of the program''::text WHERE NOT EXISTS (SELECT FROM %I.program)', program);
	IF FOUND THEN
		RETURN;
	END IF;
	RETURN QUERY SELECT * FROM _loyalty.verify_terms(program);

	SELECT coalesce(jsonb_agg(to_jsonb(x)), '[]') INTO surveyed FROM _loyalty.survey(program) x;
	EXECUTE format('SELECT array_agg(DISTINCT v), coalesce(bool_or(r), false) FROM (SELECT terms, false FROM %I.program
	                UNION ALL SELECT x.terms, x.repeated FROM jsonb_to_recordset($1) x (tracked_table int, terms int, repeated boolean) WHERE x.tracked_table > 0) y (v, r)', program)
	   INTO versions, repeated USING surveyed;
	RETURN QUERY SELECT * FROM _loyalty.verify_references(program, versions, ARRAY(SELECT DISTINCT (x ->> 'tracked_table')::int FROM jsonb_array_elements(surveyed) x
	                                                                            WHERE (x ->> 'tracked_table')::int > 0 OR x ->> 'relation' = 'journal'));
	IF EXISTS (SELECT FROM unnest(versions) v WHERE v NOT IN (SELECT t FROM _loyalty.terms_of(program, 0) t)) THEN
		RETURN;		-- nothing of the rest can be computed
	END IF;
	RETURN QUERY EXECUTE format($sql$
		SELECT 'terms of posted entries are not noted'::text, NULL::text, NULL::text, format('terms %%s; INSERT INTO %%I.posted_terms VALUES (%%s)', x.terms, $2, x.terms)
		  FROM (SELECT DISTINCT y.terms FROM jsonb_to_recordset($1) y (relation text, tracked_table int, terms int) WHERE y.relation = 'ledger' AND y.tracked_table > 0) x
		 WHERE NOT EXISTS (SELECT FROM %1$I.posted_terms p WHERE p.version = x.terms) $sql$, program) USING surveyed, program;
	EXECUTE format('SELECT coalesce(array_agg(DISTINCT version), ''{}'') FROM %I.terms_tier WHERE _loyalty.view_is_lost($1, ''tiers'', version)', program)
	   INTO lost USING program;
	EXECUTE format('SELECT coalesce(array_agg(DISTINCT version), ''{}'') FROM %I.terms_rule WHERE for_members IS NOT NULL AND _loyalty.view_is_lost($1, ''for_members'', version)', program)
	   INTO lost_rules USING program;
	EXECUTE format('SELECT coalesce(array_agg(DISTINCT version), ''{}'') FROM %I.terms_metric WHERE _loyalty.view_is_lost($1, ''metrics'', version)', program)
	   INTO lost_metrics USING program;
	RETURN QUERY
	SELECT 'tiers have no view'::text, NULL::text, NULL::text, format('terms %s; %s', t, _loyalty.how_to_mend_tiers(program, t))
	  FROM unnest(lost) t
	UNION ALL
	SELECT 'metrics have no view', NULL, NULL, format('terms %s; %s', t, _loyalty.how_to_mend_metrics(program, t))
	  FROM unnest(lost_metrics) t
	UNION ALL
	SELECT 'conditions of earning rules have no view', NULL, NULL, format('terms %s; %s', t, _loyalty.how_to_mend_for_members(program, t))
	  FROM unnest(lost_rules) t;
	lost := ARRAY(SELECT x FROM unnest(lost || lost_rules) x GROUP BY x ORDER BY x);
	RETURN QUERY SELECT * FROM _loyalty.verify_volatility(program);
	RETURN QUERY SELECT * FROM _loyalty.verify_part(ARRAY[
		(SELECT format('verify_indexes(%L, %s, %s)', program, coalesce(sum((x ->> 'entries')::bigint) FILTER (WHERE x ->> 'relation' = 'ledger'), 0),
		               coalesce(sum((x ->> 'entries')::bigint) FILTER (WHERE x ->> 'relation' = 'journal'), 0)) FROM jsonb_array_elements(surveyed) x)]);

	FOR s IN EXECUTE format('SELECT s.tracked_table FROM %1$I.tracked_table s WHERE s.active AND s.kind IN (''orders'', ''credits'', ''events'') ORDER BY s.tracked_table', program)
	LOOP
		RETURN QUERY SELECT v.*
		  FROM (SELECT coalesce(array_agg(DISTINCT x.terms), '{}') AS terms, coalesce(bool_or(x.repeated), false) AS repeated,
		               (SELECT count(*) FROM jsonb_array_elements(surveyed) y WHERE (y ->> 'tracked_table')::int <> s.tracked_table) = 0 AS alone
		          FROM jsonb_to_recordset(surveyed) x (tracked_table int, terms int, repeated boolean) WHERE x.tracked_table = s.tracked_table) x
		 CROSS JOIN LATERAL _loyalty.verify_tracked_table(program, s.tracked_table, x.terms, x.repeated, x.alone) v;
	END LOOP;

	RETURN QUERY SELECT * FROM _loyalty.verify_part(ARRAY[format('verify_ledger(%L, %L, false)', program, versions), format('verify_ledger(%L, %L, true)', program, versions)]);
	-- conditions of tiers may fail, and sums overflow; without members, if these cannot be read
	EXECUTE format('SELECT EXISTS (SELECT FROM %1$I.account WHERE lots IS NOT NULL) OR EXISTS (SELECT FROM %1$I.held WHERE lots IS NOT NULL)', program) INTO dated;
	dated := dated OR surveyed @> '[{"dated": true}]' OR EXISTS (SELECT FROM unnest(versions) v CROSS JOIN LATERAL _loyalty.rule_wallets(program, v));
	arguments := format('%L, %L, %L, %L, %L, %L', program, versions, surveyed @> '[{"relation": "journal"}]', repeated, lost, dated);
	RETURN QUERY SELECT * FROM _loyalty.verify_part(
		ARRAY[format('verify_entries(%s, false)', arguments), format('verify_entries(%s, true)', arguments), format('verify_entries(%s, true, true)', arguments)],
		format('verify_entries(%s, true, true, false)', arguments));
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_histories(%L, %L, %L, %L)', program, surveyed @> '[{"relation": "journal"}]' AND lost = '{}', repeated, lost = '{}')]) v;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_limits(%L, %L, %L, false)', program, versions, surveyed @> '[{"relation": "journal"}]' AND lost = '{}'),
	                                                        format('verify_limits(%L, %L, %L, true)', program, versions, surveyed @> '[{"relation": "journal"}]' AND lost = '{}')]) v;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_apart(%L, %L, %L, false)', program, versions, lost = '{}'), format('verify_apart(%L, %L, %L, true)', program, versions, lost = '{}')]) v;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_budgets(%L)', program)]) v;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_campaigns(%L, %L)', program, versions)]) v WHERE lost = '{}';
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_calls(%L, %L)', program, surveyed @> '[{"tracked_table": 0}]')]) v;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_merges(%L)', program)]) v;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_shortfalls(%L, %L)', program, lost = '{}')]) v;
	IF surveyed @> '[{"tracked_table": 0}]' THEN
		RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_paid(%L, %L)', program, lost = '{}')]) v;
		RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_given(%L)', program)]) v;
	END IF;
	IF dated THEN
		RETURN QUERY SELECT v.* FROM unnest('{verify_lots, verify_wallets}'::text[]) f CROSS JOIN LATERAL _loyalty.verify_part(ARRAY[format('%s(%L, %L)', f, program, lost = '{}')]) v;
	END IF;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_cards(%L)', program)]) v WHERE missing = '{}';
	RETURN QUERY SELECT v.* FROM unnest('{verify_redemptions, verify_vouchers, verify_date_rules, verify_date_grants, verify_write_back}'::text[]) f CROSS JOIN LATERAL _loyalty.verify_part(ARRAY[format('%s(%L)', f, program)]) v;
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(ARRAY[format('verify_customers(%L)', program)]) v WHERE missing = '{}';
END
$$;
COMMENT ON FUNCTION _loyalty.verify_program(name) IS
'what loyalty.verify does, with the rights of the caller';

-- As the owner of the program, whose expressions it evaluates.
CREATE FUNCTION loyalty.verify(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_verify';
COMMENT ON FUNCTION loyalty.verify(name) IS
'recompute a program from its tracked tables and entries; one row per violation, none on a healthy program';

-- Versions of the terms of a program, from one on.
CREATE FUNCTION _loyalty.terms_of(program name, since int)
RETURNS SETOF int
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT version FROM %I.terms WHERE version >= $1 ORDER BY version', program) USING since;
END
$$;
COMMENT ON FUNCTION _loyalty.terms_of(name, int) IS 'versions of the terms of a program, from one on';
