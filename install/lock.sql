-- Locks ---------------------------------------------------------------------------

-- Hosts lock the tables of a program in orders of their own, and some read one before they
-- write to another.  Whoever waited for a table while he holds others would be in a deadlock
-- with them, which may end their transaction instead of this one.  So nothing is held while
-- this waits: if the next table is not to be had at once, all are let go of, and it begins
-- with that one.  Where there is always somebody on one of them, it waits in the given order
-- in the end.  Each lock is written as in LOCK TABLE.
CREATE FUNCTION _loyalty.lock_at_once(locks text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	attempts CONSTANT int := 20;
	begin_with text := locks[1];
	tried text;
	waits boolean;
	l text;
BEGIN
	IF begin_with IS NULL THEN
		RETURN;
	END IF;
	FOR attempt IN 1 .. attempts
	LOOP
		BEGIN
			waits := true;
			EXECUTE format('LOCK TABLE %s', begin_with);
			waits := false;
			FOREACH tried IN ARRAY locks
			LOOP
				EXECUTE format('LOCK TABLE %s NOWAIT', tried);
			END LOOP;
			RETURN;
		EXCEPTION WHEN lock_not_available THEN
			-- the lock_timeout of whoever calls is his
			IF waits THEN
				RAISE;
			END IF;
			begin_with := tried;
		END;
	END LOOP;
	FOREACH l IN ARRAY locks
	LOOP
		EXECUTE format('LOCK TABLE %s', l);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.lock_at_once(text[]) IS
'lock some tables, without holding one of them while another is waited for';

-- The tables of some tracked tables, or of all, in the order in which most hosts write to
-- them: orders, then their lines, then their refunds.
CREATE FUNCTION _loyalty.tables_in_order(program name, tracked_tables int[])
RETURNS TABLE (relation regclass, place bigint)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid::regclass, min(x.n)
	  FROM _loyalty.as_owner(program, format($sql$
		SELECT s.relation::oid FROM %1$I.tracked_table s
		 WHERE $1 IS NULL OR s.tracked_table = ANY ($1::int[]) OR (s.of_tracked_table = ANY ($1::int[]) AND s.active)
		 ORDER BY coalesce(s.of_tracked_table, s.tracked_table), s.of_tracked_table IS NOT NULL, s.kind, s.tracked_table
		$sql$, program), tracked_tables::text) WITH ORDINALITY x (r, n)
	  JOIN pg_class c ON c.oid = x.r[1]::oid
	 GROUP BY c.oid ORDER BY 2
$$;
COMMENT ON FUNCTION _loyalty.tables_in_order(name, int[]) IS
'tables of orders, lines and refunds of some tracked tables, or of all of a program, in the order of locks';

-- From here to the end of the transaction nobody writes orders, their lines or
-- their refunds, and all are read with a snapshot that is taken afterwards.
CREATE FUNCTION _loyalty.lock_tracked_tables(program name, tracked_tables int[], more regclass[] DEFAULT '{}', from_readers regclass[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	locks text[];
BEGIN
	PERFORM _loyalty.require_triggers(program, t.relation) FROM _loyalty.tables_in_order(program, tracked_tables) t;
	SELECT array_agg(format('%s IN %s MODE', x.relation, x.mode) ORDER BY x.kind, x.place) INTO locks
	  FROM (SELECT y.relation, min(y.kind) AS kind, min(y.place) AS place,
	               CASE WHEN bool_or(y.kind = 3) THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE ROW EXCLUSIVE' END AS mode
	          FROM (SELECT 1 AS kind, t.relation, t.place FROM _loyalty.tables_in_order(program, tracked_tables) t
	                UNION ALL
	                SELECT 2, m, n FROM unnest(more) WITH ORDINALITY m (m, n) WHERE m IS NOT NULL
	                UNION ALL
	                SELECT 3, m, n FROM unnest(from_readers) WITH ORDINALITY m (m, n)) y
	         GROUP BY y.relation) x;
	PERFORM _loyalty.lock_at_once(locks);
END
$$;
COMMENT ON FUNCTION _loyalty.lock_tracked_tables(name, int[], regclass[], regclass[]) IS
'lock the tables of some tracked tables, and more, against writers, and some of them against readers, too';

-- The tables whose triggers are to be dropped, of some tracked tables or of all.  Those of
-- others are left out, of which the command that drops them tells.
CREATE FUNCTION _loyalty.tables_to_let_go(program name, tracked_tables int[])
RETURNS regclass[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(x.relation ORDER BY o.place, x.relation), '{}')
	  FROM (SELECT DISTINCT t.relation
	          FROM unnest(coalesce(tracked_tables, '{NULL}')) n CROSS JOIN LATERAL _loyalty.tracked_table_triggers(program, n) t) x
	  JOIN pg_class c ON c.oid = x.relation AND pg_has_role(c.relowner, 'USAGE')
	  LEFT JOIN _loyalty.tables_in_order(program, tracked_tables) o ON o.relation = x.relation
$$;
COMMENT ON FUNCTION _loyalty.tables_to_let_go(name, int[]) IS
'tables of the caller with triggers of some tracked tables, or of all of a program, in the order of locks';

-- Triggers of a tracked table on what is no part of it any more.
CREATE FUNCTION _loyalty.detached_triggers(program name, tracked_table int, relation regclass)
RETURNS TABLE (relation regclass, trigger name)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x.relation, x.trigger FROM _loyalty.tracked_table_triggers(program, tracked_table) x
	 WHERE x.relation NOT IN (SELECT _loyalty.descendants($3))
$$;
COMMENT ON FUNCTION _loyalty.detached_triggers(name, int, regclass) IS
'triggers of a tracked table on tables that are no part of it any more';

-- All that is reconciled is locked before anything is recorded, which may be what others
-- wait for.
CREATE FUNCTION _loyalty.lock_to_reconcile(program name, resumed int DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tracked_tables int[];
	detached regclass[];
BEGIN
	SELECT coalesce(array_agg(r[1]::int), '{}') INTO tracked_tables
	  FROM _loyalty.as_owner(program, format('SELECT s.tracked_table FROM %1$I.tracked_table s CROSS JOIN %1$I.program p
	                                          WHERE s.tracked_table = $2::int
	                                             OR (s.active AND s.kind IN (''orders'', ''credits'', ''events'') AND EXISTS (SELECT FROM pg_class c WHERE c.oid = s.relation)
	                                                 AND NOT _loyalty.lacks_view($1::name, s.tracked_table, p.terms))', program), program::text, resumed::text) r;
	SELECT coalesce(array_agg(DISTINCT t.relation), '{}') INTO detached
	  FROM _loyalty.as_owner(program, format('SELECT s.tracked_table, s.relation::oid FROM %I.tracked_table s WHERE s.active', program)) r
	 CROSS JOIN LATERAL _loyalty.detached_triggers(program, r[1]::int, r[2]::oid::regclass) t
	  JOIN pg_class c ON c.oid = t.relation AND pg_has_role(c.relowner, 'USAGE');
	PERFORM _loyalty.lock_tracked_tables(program, tracked_tables, from_readers => detached);
END
$$;
COMMENT ON FUNCTION _loyalty.lock_to_reconcile(name, int) IS
'lock all that loyalty.reconcile looks at, and a table that is resumed before';

-- Nobody records, posts or reads a program from here to the end of the transaction.
CREATE FUNCTION _loyalty.lock_program(program name, tables regclass[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.as_owner(program, 'SELECT 1');	-- an error for whoever may not act as the owner
	-- whoever records begins with the journal
	PERFORM _loyalty.lock_at_once(ARRAY(SELECT format('%s IN ACCESS EXCLUSIVE MODE', t) FROM unnest(tables) t)
		|| ARRAY(SELECT format('%s IN ACCESS EXCLUSIVE MODE', c.oid::regclass) FROM pg_class c
		          WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind IN ('r', 'p')
		          ORDER BY c.relname <> 'journal', c.oid));
END
$$;
COMMENT ON FUNCTION _loyalty.lock_program(name, regclass[]) IS 'lock all tables of a program, and others before, against everybody';
