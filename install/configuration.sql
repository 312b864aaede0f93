-- Configuration: plain tables, checked by triggers ----------------------------

CREATE FUNCTION loyalty.canonical_expression(expression text, "row" regclass, facts regclass,
                                             type regtype, what text, time_zone text,
                                             row_name text DEFAULT 'new', line regclass DEFAULT NULL,
                                             any_settings boolean DEFAULT false)
RETURNS text
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_canonical_expression';
COMMENT ON FUNCTION loyalty.canonical_expression(text, regclass, regclass, regtype, text, text, text, regclass, boolean) IS
'parse an SQL expression over a table row and a composite type, and return it with every name qualified and local times in the time zone; any_settings: refuse one whose value depends on settings';

CREATE FUNCTION loyalty.expression_columns(expression text, "row" regclass, facts regclass, row_name text, line regclass, program name, type regtype)
RETURNS int[]
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_expression_columns';
COMMENT ON FUNCTION loyalty.expression_columns(text, regclass, regclass, text, regclass, name, regtype) IS
'columns of the row that a qualified expression uses, by number; an error unless it may run with the rights of the current user';

-- Runs a command with the rights of a program's owner, for those who have them
-- anyway.  Whatever administration reads or writes in a program goes through it:
-- none of the owner's code runs with the rights of a superuser who calls.
CREATE FUNCTION loyalty.as_owner(program name, command text, VARIADIC arguments text[] DEFAULT '{}')
RETURNS SETOF text[]
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_as_owner';
COMMENT ON FUNCTION loyalty.as_owner(name, text, text[]) IS
'run a command with the rights of the owner of a program, in a security-restricted operation; its parameters and results are texts';

CREATE FUNCTION loyalty.configuration()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_configuration';
COMMENT ON FUNCTION loyalty.configuration() IS
'trigger on the configuration of a program: calls the trigger function that its argument names, with the rights of the program''s owner';

CREATE FUNCTION loyalty.owner_only()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_owner_only';
COMMENT ON FUNCTION loyalty.owner_only() IS
'trigger: only the owner of a program writes this table, whatever was granted';

CREATE FUNCTION loyalty.expression_tells(expression text, "row" regclass, program name)
RETURNS boolean
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_expression_tells';
COMMENT ON FUNCTION loyalty.expression_tells(text, regclass, name) IS
'whether rows that differ in the columns of a qualified expression differ in its value, or a unique index is over it';

CREATE FUNCTION loyalty.column_name(relation regclass, program name, number int)
RETURNS text
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_column_name';
COMMENT ON FUNCTION loyalty.column_name(regclass, name, int) IS
'the name by which expressions of a program know a column of a tracked table';

CREATE FUNCTION loyalty.tracked_table(relation regclass, program name, alias text)
RETURNS text
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_tracked_table';
COMMENT ON FUNCTION loyalty.tracked_table(regclass, name, text) IS
'a tracked table for FROM, with its columns under the names that expressions use; null if it is gone';

CREATE FUNCTION loyalty.columns()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_columns';
COMMENT ON FUNCTION loyalty.columns() IS
'trigger that never fires: holds on to the columns that expressions use';

CREATE FUNCTION loyalty.configuration_changed()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_configuration_changed';
COMMENT ON FUNCTION loyalty.configuration_changed() IS
'trigger: tell every session that the configuration of a program changed';

CREATE FUNCTION loyalty.restore_begin()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_restore_begin';
COMMENT ON FUNCTION loyalty.restore_begin() IS
'trigger on journal and ledger, for restores: nobody records while entries are inserted by SQL';

CREATE FUNCTION loyalty.restore_entry()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_restore_entry';
COMMENT ON FUNCTION loyalty.restore_entry() IS
'trigger on journal and ledger, for restores: an entry that is restored replaces what was recorded of its order without it';

CREATE FUNCTION loyalty.append_only()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_append_only';
COMMENT ON FUNCTION loyalty.append_only() IS
'trigger: refuse changes of recorded entries outside posting';

CREATE FUNCTION loyalty.record()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_record';
COMMENT ON FUNCTION loyalty.record() IS
'trigger on tracked tables: record how the touched orders stand; arguments are program and source';

-- One of a few words, or an error that lists them.
CREATE FUNCTION loyalty.require_choice(what text, value text, VARIADIC choices text[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	quoted text[] := ARRAY(SELECT format('"%s"', c) FROM unnest(choices) WITH ORDINALITY x (c, n) ORDER BY n);
BEGIN
	IF value IS NULL OR value <> ALL (choices) THEN
		RAISE EXCEPTION '% must be % or %', what,
			array_to_string(quoted[1:cardinality(quoted) - 1], ', '), quoted[cardinality(quoted)]
			USING ERRCODE = 'invalid_parameter_value',
			      DETAIL = CASE WHEN value IS NULL THEN 'It is null.' ELSE format('It is "%s".', value) END;
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.require_choice(text, text, text[]) IS 'an error that lists the choices, unless the value is one of them';

-- Names of POSIX zones such as CET+1 mean the opposite of what they say, and
-- abbreviations have no daylight saving time.
CREATE FUNCTION loyalty.require_time_zone(time_zone text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone_abbreviations = 'Default'
AS $$
DECLARE
	zone text;
BEGIN
	SELECT z.name INTO zone FROM pg_timezone_names z WHERE lower(z.name) = lower(time_zone)
	 ORDER BY z.name = time_zone DESC LIMIT 1;
	-- CET is the name of a zone with daylight saving time, but AT TIME ZONE takes it
	-- for the abbreviation, which has none
	IF zone IS NULL OR (zone NOT IN ('UTC', 'UCT', 'GMT', 'Zulu')
	                    AND EXISTS (SELECT FROM pg_timezone_abbrevs a WHERE lower(a.abbrev) = lower(zone))) THEN
		RAISE EXCEPTION 'time zone % is %', CASE WHEN time_zone IS NULL THEN 'null' ELSE format('"%s"', time_zone) END,
			CASE WHEN zone IS NULL THEN 'not known by name' ELSE 'an abbreviation' END
			USING ERRCODE = 'invalid_parameter_value',
			      DETAIL = 'Offsets, abbreviations and POSIX zones say nothing of daylight saving time, or mean the opposite of what they look like.',
			      HINT = 'Use a name of the view pg_timezone_names that is no abbreviation, such as time_zone => ''Europe/Berlin'' or ''UTC''.';
	END IF;
	RETURN zone;
END
$$;
COMMENT ON FUNCTION loyalty.require_time_zone(text) IS 'returns the name of a time zone as pg_timezone_names has it, else an error';

-- What is written by functions, or restored, is not refused to whoever writes it
-- by hand: functions say who they are with a setting, and pg_dump turns off
-- check_function_bodies for what it restores, as it does for functions, because
-- rows come before what they name.
CREATE FUNCTION loyalty.is_written_by_hand(program name)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	exists_already boolean;
BEGIN
	IF coalesce(current_setting('loyalty.tracking', true), '') = 'on' OR current_setting('check_function_bodies') = 'off' THEN
		RETURN false;
	END IF;
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.program)', program) INTO exists_already;
	RETURN exists_already;
END
$$;
COMMENT ON FUNCTION loyalty.is_written_by_hand(name) IS
'is a row of what is tracked changed by somebody, neither by a function of the extension nor by a restore?';

-- Tracked tables are noted by functions, which make their triggers, too.  By hand,
-- only the table itself can be changed for the one that took its place.
CREATE FUNCTION loyalty.check_source()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fixed text[] := '{relation,active,without_order}';
	row_name text;
	key_type regtype;
	orders regclass := CASE tg_op WHEN 'UPDATE' THEN OLD.relation END;
	e record;
BEGIN
	IF tg_table_name = 'part' THEN
		PERFORM loyalty.require_choice('kind', to_jsonb(NEW) ->> 'kind', 'lines', 'refunds');
		PERFORM loyalty.require_choice('without_order', to_jsonb(NEW) ->> 'without_order', 'error', 'skip', 'customer');
	END IF;
	IF NOT loyalty.is_written_by_hand(tg_table_schema) THEN
		RETURN NEW;
	END IF;
	IF tg_op = 'INSERT' THEN
		RAISE EXCEPTION 'rows of table "%" cannot be inserted directly', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = 'Call loyalty.track_orders() or loyalty.track_refunds(), which make the triggers, too.';
	END IF;
	IF to_jsonb(NEW) - fixed IS DISTINCT FROM to_jsonb(OLD) - fixed
	   OR (NOT NEW.active AND OLD.active)
	   OR (to_jsonb(NEW) ->> 'without_order' IS DISTINCT FROM to_jsonb(OLD) ->> 'without_order'
	       AND 'customer' IN (to_jsonb(NEW) ->> 'without_order', to_jsonb(OLD) ->> 'without_order')) THEN
		IF to_jsonb(OLD) ->> 'kind' = 'lines' THEN
			EXECUTE format('SELECT relation FROM %I.source WHERE source = $1', tg_table_schema) INTO orders USING OLD.source;
		END IF;
		RAISE EXCEPTION 'what is tracked of table "%" cannot be changed directly', OLD.relation
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = format('Call loyalty.untrack(%L, %L), and then loyalty.%s() with what shall hold from then on.',
			                    tg_table_schema, orders, CASE WHEN to_jsonb(NEW) ->> 'kind' = 'refunds' THEN 'track_refunds' ELSE 'track_orders' END);
	END IF;
	IF NEW.active AND (NEW.relation IS DISTINCT FROM OLD.relation OR NOT OLD.active) THEN
		-- the expressions must fit the table that takes the place
		PERFORM loyalty.require_trackable(NEW.relation, tg_table_schema);
		row_name := CASE to_jsonb(NEW) ->> 'kind' WHEN 'lines' THEN 'line' WHEN 'refunds' THEN 'refund' ELSE 'new' END;
		SELECT a.atttypid INTO key_type FROM pg_attribute a
		 WHERE a.attrelid = format('%I.journal', tg_table_schema)::regclass AND a.attname = 'customer';
		FOR e IN SELECT x.key, x.value FROM jsonb_each_text(to_jsonb(NEW)) x
		          WHERE x.key IN ('customer', 'at', 'amount', 'counts_when', 'order_key', 'currency') AND x.value IS NOT NULL
		LOOP
			PERFORM loyalty.canonical_expression(e.value, NEW.relation, NULL,
				CASE e.key WHEN 'customer' THEN key_type WHEN 'at' THEN 'timestamptz' WHEN 'amount' THEN 'numeric'
				           WHEN 'counts_when' THEN 'boolean' ELSE 'text' END::regtype,
				e.key, NULL, row_name);
		END LOOP;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION loyalty.check_source() IS
'trigger: refuse changes of what is tracked by hand, but for a table that takes the place of a tracked one';

-- Versions of the terms are written when rules, tiers or settings change.  By hand,
-- only expressions that fail can be corrected in them.
CREATE FUNCTION loyalty.check_terms()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	corrigible text[] := '{points,applies_when,qualifies}';
BEGIN
	IF pg_trigger_depth() > 1 OR NOT loyalty.is_written_by_hand(tg_table_schema) THEN
		RETURN NEW;
	END IF;
	IF tg_op = 'INSERT' THEN
		RAISE EXCEPTION 'rows of table "%" cannot be inserted directly', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = 'Change the tables earning_rule and tier, or points_scale and rounding in program: that makes new terms.';
	END IF;
	IF to_jsonb(NEW) - corrigible IS DISTINCT FROM to_jsonb(OLD) - corrigible THEN
		RAISE EXCEPTION 'a version of the terms cannot be changed'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'The orders that were recorded under it keep it.',
			      HINT = 'Only expressions can be corrected in it. Change the tables earning_rule and tier, or points_scale and rounding in program, for orders to come.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION loyalty.check_terms() IS 'trigger: refuse changes of the versions of the terms by hand, but for corrections of expressions';

-- An earning rule must fit every tracked table.
CREATE FUNCTION loyalty.check_earning_rule()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	facts regclass := format('%I.purchase', tg_table_schema)::regclass;
	src record;
	points text := NEW.points;
	applies_when text := NEW.applies_when;
	zone text;
BEGIN
	PERFORM loyalty.require_choice(format('per of the earning rule "%s"', NEW.name), NEW.per, 'order', 'line');
	EXECUTE format('SELECT time_zone FROM %I.program', tg_table_schema) INTO zone;
	-- Without a tracked table, a rule can use the purchase only.  A table that
	-- is gone, or an order table without lines, has no say in a rule.
	FOR src IN EXECUTE format($sql$
		SELECT s.relation, l.relation AS line
		  FROM %1$I.source s
		  LEFT JOIN %1$I.part l ON l.source = s.source AND l.active AND l.kind = 'lines' AND $1 = 'line'
		 WHERE s.active AND NOT s.refunds AND ($1 = 'order' OR l.relation IS NOT NULL)
		   AND EXISTS (SELECT FROM pg_class WHERE oid = s.relation)
		 UNION ALL
		SELECT NULL, NULL WHERE NOT EXISTS (SELECT FROM %1$I.source WHERE active AND NOT refunds) AND $1 = 'order'
		$sql$, tg_table_schema) USING NEW.per
	LOOP
		NEW.points := loyalty.canonical_expression(points, src.relation, facts, 'numeric',
			format('points of the earning rule "%s"', NEW.name), zone, 'new', src.line);
		NEW.applies_when := loyalty.canonical_expression(applies_when, src.relation, facts, 'boolean',
			format('applies_when of the earning rule "%s"', NEW.name), zone, 'new', src.line);
	END LOOP;
	IF NOT FOUND AND NEW.per = 'line' THEN
		RAISE EXCEPTION 'the earning rule "%" is per line, but no tracked table has lines', NEW.name
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = 'Name the lines in loyalty.track_orders(), or leave per => ''order''.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION loyalty.check_earning_rule() IS
'trigger: check the expressions of an earning rule and store them qualified';

CREATE FUNCTION loyalty.check_tier()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
BEGIN
	IF NEW.multiplier IS NULL OR NOT (NEW.multiplier >= 0 AND NEW.multiplier < 1000000) THEN
		RAISE EXCEPTION 'multiplier of the tier "%" must be at least 0 and less than 1000000', NEW.name
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(NEW.multiplier::text, 'null'));
	END IF;
	EXECUTE format('SELECT time_zone FROM %I.program', tg_table_schema) INTO zone;
	NEW.qualifies := loyalty.canonical_expression(NEW.qualifies, NULL,
		format('%I.metrics', tg_table_schema)::regclass, 'boolean',
		format('qualifies of the tier "%s"', NEW.name), zone);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION loyalty.check_tier() IS
'trigger: check the condition of a tier and store it qualified';

CREATE FUNCTION loyalty.check_program()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	newest int;
BEGIN
	PERFORM loyalty.require_choice('rounding', NEW.rounding, 'floor', 'half_even', 'half_up', 'ceil');
	PERFORM loyalty.require_choice('on_invalid', NEW.on_invalid, 'error', 'skip');
	IF NEW.points_scale IS NULL OR NEW.points_scale NOT BETWEEN 0 AND 12 THEN
		RAISE EXCEPTION 'points_scale must be between 0 and 12'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(NEW.points_scale::text, 'null'));
	END IF;
	IF tg_op = 'UPDATE' THEN
		-- the newest version is in force, and no other
		IF NEW.terms IS DISTINCT FROM OLD.terms THEN
			EXECUTE format('SELECT max(terms) FROM %I.terms', tg_table_schema) INTO newest;
			IF NEW.terms IS DISTINCT FROM newest THEN
				RAISE EXCEPTION 'terms of a program cannot be changed directly'
					USING ERRCODE = 'object_not_in_prerequisite_state',
					      HINT = 'Change the tables earning_rule and tier, or points_scale and rounding: that makes new terms.';
			END IF;
		END IF;
		-- the views, and what is recorded, are built on these
		IF (NEW.customers, NEW.customer_key, NEW.joined_at, NEW.time_zone)
		   IS DISTINCT FROM (OLD.customers, OLD.customer_key, OLD.joined_at, OLD.time_zone) THEN
			RAISE EXCEPTION 'customers, customer_key, joined_at and time_zone of a program cannot be changed'
				USING ERRCODE = 'feature_not_supported',
				      HINT = 'Create another program and track the orders with it.';
		END IF;
		RETURN NEW;
	END IF;
	PERFORM loyalty.tenure(now(), now(), NEW.time_zone);	-- an error if there is no such zone
	IF NEW.joined_at IS NOT NULL THEN
		NEW.joined_at := loyalty.canonical_expression(NEW.joined_at, NEW.customers, NULL,
			'timestamptz', 'joined_at', NEW.time_zone, any_settings => true);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION loyalty.check_program() IS 'trigger: check the settings of a program';

CREATE FUNCTION loyalty.keep_settings()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF tg_table_name = 'program' THEN
		RAISE EXCEPTION 'the settings of a program cannot be deleted'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = format('To delete the program, call loyalty.drop_program(%L, force => true).', tg_table_schema);
	ELSIF tg_table_name IN ('source', 'part') THEN
		RAISE EXCEPTION 'rows of table "%" cannot be deleted', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'What is recorded refers to them.',
			      HINT = format('To stop tracking a table, call loyalty.untrack(%L, ...).', tg_table_schema);
	ELSIF tg_table_name LIKE 'terms%' THEN
		RAISE EXCEPTION 'versions of the terms cannot be deleted'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'The orders that were recorded under them keep them.',
			      HINT = 'Change the tables earning_rule and tier: that makes new terms.';
	ELSIF loyalty.is_written_by_hand(tg_table_schema) THEN
		RAISE EXCEPTION 'table "%" cannot be changed directly', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = format('Call loyalty.reconcile(%L), with missing => ''archive'' or ''take_back''.', tg_table_schema);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION loyalty.keep_settings() IS
'trigger: refuse to delete what a program is built on, and to change by hand which orders are archived';

CREATE FUNCTION loyalty.active_sources(program name)
RETURNS SETOF int
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT s.source FROM %I.source s JOIN pg_class c ON c.oid = s.relation
	                              WHERE s.active ORDER BY s.source', program);
END
$$;
COMMENT ON FUNCTION loyalty.active_sources(name) IS 'sources of a program whose tables exist';

-- The expressions of a source, each with the rows that it may name, and of what type
-- its value must be.  Runs as the owner, as all that reads them.
CREATE FUNCTION loyalty.expressions(program name, source int)
RETURNS TABLE (text text, relation regclass, part text, row_name text, facts regclass, line regclass, type regtype)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	purchase regclass := format('%I.purchase', program)::regclass;
	key_type regtype;
BEGIN
	SELECT a.atttypid INTO key_type FROM pg_attribute a
	 WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer';
	RETURN QUERY EXECUTE format($sql$
		WITH s AS (SELECT * FROM %1$I.source WHERE source = $1),
		p AS (SELECT p.* FROM %1$I.part p JOIN pg_class c ON c.oid = p.relation WHERE p.source = $1 AND p.active),
		rule AS (
			SELECT DISTINCT e.text, r.per, e.type FROM s JOIN %1$I.terms_rule r ON r.terms >= s.terms
			 CROSS JOIN LATERAL (VALUES (r.points, 'numeric'::regtype), (r.applies_when, 'boolean')) e (text, type)),
		expression AS (
			SELECT e.text, s.relation, '' AS part, 'new' AS row_name, NULL::regclass AS facts, NULL::regclass AS line, e.type
			  FROM s CROSS JOIN LATERAL (VALUES
			       (s.customer, $2), (s.at, 'timestamptz'::regtype), (s.amount, 'numeric'), (s.counts_when, 'boolean'),
			       (s.order_key, 'text'), (s.currency, 'text')) e (text, type)
			UNION
			SELECT e.text, p.relation, p.kind, CASE p.kind WHEN 'lines' THEN 'line' ELSE 'refund' END, NULL, NULL, e.type
			  FROM p CROSS JOIN LATERAL (VALUES
			       (p.order_key, 'text'::regtype), (p.amount, 'numeric'), (p.counts_when, 'boolean')) e (text, type)
			UNION
			SELECT r.text, s.relation, '', 'new', $3, l.relation, r.type
			  FROM s CROSS JOIN rule r LEFT JOIN p l ON l.kind = 'lines' AND r.per = 'line'
			 WHERE NOT s.refunds AND (r.per = 'order' OR l.relation IS NOT NULL)
			UNION
			SELECT r.text, l.relation, 'lines', 'line', $3, NULL, r.type
			  FROM p l CROSS JOIN rule r
			 WHERE l.kind = 'lines' AND r.per = 'line' AND r.text !~ '[[:<:]]new[.]')
		SELECT * FROM expression e WHERE e.text IS NOT NULL
		$sql$, program) USING source, key_type, purchase;
END
$$;
COMMENT ON FUNCTION loyalty.expressions(name, int) IS 'the expressions of a source, with the rows that they may name';

-- Columns that the expressions of a source use, by table.  An error if one of the
-- expressions must not run with the owner's rights.
CREATE FUNCTION loyalty.used_columns(program name, source int)
RETURNS TABLE (relation regclass, part text, "column" int)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT DISTINCT e.relation, e.part, used
	  FROM loyalty.expressions(program, source) e
	 CROSS JOIN LATERAL unnest(loyalty.expression_columns(e.text, e.relation, e.facts, e.row_name, e.line, program, e.type)) used
$$;
COMMENT ON FUNCTION loyalty.used_columns(name, int) IS 'columns of tracked tables that the expressions of a source use';

-- The owner of a type makes casts and checks for it, which run as the program's owner
-- whenever customers are compared, shown or read.
CREATE FUNCTION loyalty.require_key_type(type regtype)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN
		WITH RECURSIVE base AS (
			SELECT b.oid, b.typowner, b.typbasetype FROM pg_type b WHERE b.oid = type
			UNION ALL
			SELECT b.oid, b.typowner, b.typbasetype FROM base d JOIN pg_type b ON b.oid = d.typbasetype)
		SELECT base.oid::regtype AS name, base.typowner AS owner FROM base
	LOOP
		IF NOT pg_has_role(t.owner, current_user, 'USAGE') THEN
			RAISE EXCEPTION 'the type % of the customer key belongs to role "%"', t.name, pg_get_userbyid(t.owner)
				USING ERRCODE = 'insufficient_privilege',
				      HINT = format('Its casts and checks run with the rights of the program''s owner, %I: they must belong to this role or to a superuser.', current_user);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.require_key_type(regtype) IS
'an error unless a type, and what it is a domain of, belongs to the current user or a superuser';

CREATE FUNCTION loyalty.require_own_tables(program name, relation oid)
RETURNS void
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_require_own_tables';
COMMENT ON FUNCTION loyalty.require_own_tables(name, oid) IS
'an error if a query on a table, or without one on the customer table, would run code of others as the current user';

-- verify() puts all these texts into queries, so each is looked at before, one by
-- one.  What is wrong otherwise, verify() tells itself.
CREATE FUNCTION loyalty.foreign_code(program name)
RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e record;
BEGIN
	IF to_regclass(format('%I.terms_tier', program)) IS NULL OR to_regclass(format('%I.terms_rule', program)) IS NULL
	   OR to_regclass(format('%I.part', program)) IS NULL OR to_regclass(format('%I.source', program)) IS NULL THEN
		RETURN;
	END IF;
	BEGIN
		PERFORM loyalty.require_key_type(a.atttypid) FROM pg_attribute a
		  WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer';
	EXCEPTION WHEN insufficient_privilege THEN
		RETURN NEXT sqlerrm;
	END;
	FOR e IN EXECUTE format($sql$
		SELECT NULL::oid AS relation UNION SELECT relation FROM %1$I.source WHERE active UNION SELECT relation FROM %1$I.part WHERE active
		$sql$, program)
	LOOP
		BEGIN
			PERFORM loyalty.require_own_tables(program, e.relation);
		EXCEPTION
			WHEN insufficient_privilege OR wrong_object_type THEN
				RETURN NEXT sqlerrm;
			WHEN OTHERS THEN
				NULL;
		END;
	END LOOP;
	FOR e IN EXECUTE format($sql$
		SELECT x.* FROM loyalty.active_sources($1) s CROSS JOIN LATERAL loyalty.expressions($1, s) x
		UNION
		SELECT t.qualifies, NULL, '', 'new', $2, NULL, 'boolean'::regtype FROM %1$I.terms_tier t
		$sql$, program) USING program, format('%I.metrics', program)::regclass
	LOOP
		BEGIN
			PERFORM loyalty.expression_columns(e.text, e.relation, e.facts, e.row_name, e.line, program, e.type);
		EXCEPTION
			WHEN insufficient_privilege OR datatype_mismatch OR wrong_object_type THEN
				RETURN NEXT sqlerrm;
			WHEN OTHERS THEN
				NULL;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.foreign_code(name) IS
'what the expressions of a program would run that must not run with the rights of the current user';

-- Columns that are used and not held yet, with the names of expressions for them.
-- Runs as the owner.
CREATE FUNCTION loyalty.loose_columns(program name, source int)
RETURNS TABLE (relation regclass, part text, names name[], stored text[], others bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT u.relation, u.part, array_agg(a.attname ORDER BY a.attnum),
	       array_agg(loyalty.column_name(u.relation, program, u."column") ORDER BY a.attnum),
	       (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = u.relation AND starts_with(t.tgname::text, 'loyalty_columns_'))
	  FROM loyalty.used_columns(program, source) u
	  JOIN pg_attribute a ON a.attrelid = u.relation AND a.attnum = u."column"
	 WHERE NOT EXISTS (SELECT FROM pg_trigger t
	                    WHERE t.tgrelid = u.relation AND t.tgfoid = 'loyalty.columns'::regproc AND a.attnum = ANY (t.tgattr)
	                      AND substr(t.tgargs, 1, octet_length(program::text) + 1) = convert_to(program::text, getdatabaseencoding()) || decode('00', 'hex'))
	 GROUP BY u.relation, u.part
$$;
COMMENT ON FUNCTION loyalty.loose_columns(name, int) IS
'columns that the expressions of a source use, and that nothing keeps from being dropped';

-- Hold on to them: see loyalty.columns().  What is held already is left.  The
-- trigger takes a right of whoever calls.
CREATE FUNCTION loyalty.hold_columns(program name, source int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'	-- whoever waits for this lock keeps all writers waiting
AS $$
DECLARE
	h record;
	names text;
	stored text;
BEGIN
	FOR h IN
		SELECT r[1]::oid::regclass AS relation, r[2] AS part, r[3]::name[] AS names, r[4]::text[] AS stored, r[5]::bigint AS others
		  FROM loyalty.as_owner(program, 'SELECT l.relation::oid, l.part, l.names, l.stored, l.others
		                                    FROM loyalty.loose_columns($1::name, $2::int) l', program, source::text) r
	LOOP
		SELECT string_agg(quote_ident(n), ', ') INTO names FROM unnest(h.names) n;
		SELECT string_agg(quote_literal(n), ', ') INTO stored FROM unnest(h.stored) n;
		-- the owner, who may write rules, need not have this right on the order table
		BEGIN
			PERFORM loyalty.require_triggers(program, source, h.relation);
			EXECUTE format('CREATE TRIGGER %I AFTER UPDATE OF %s ON %s FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION loyalty.columns(%L, %L, %L, %s)',
			               loyalty.trigger_name('columns', program, source::text, h.part, h.others + 1), names, h.relation, program, source::text, h.part, stored)
			     || loyalty.trigger_comment(loyalty.trigger_name('columns', program, source::text, h.part, h.others + 1), h.relation,
			                                format('holds on to the columns that the loyalty program "%s" uses; never fires', program));
		EXCEPTION
			WHEN insufficient_privilege THEN
				RAISE WARNING 'the columns % of table "%" are used by a loyalty program but not kept from being dropped', names, h.relation
					USING HINT = format('The owner of the table can call loyalty.reconcile(%L).', program);
			WHEN lock_not_available THEN
				RAISE WARNING 'the columns % of table "%" are used by a loyalty program but not kept from being dropped, as the table was in use', names, h.relation
					USING HINT = format('Call loyalty.reconcile(%L) when there are no long transactions.', program);
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.hold_columns(name, int) IS
'keep the columns that the expressions of a source use from being dropped, and follow their renames';

-- Terms are versions of everything that decides what an order is worth.  An
-- order keeps the version that it was first recorded under, so a version is
-- written once and never changes.
CREATE FUNCTION loyalty.new_terms()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	version int;
	same boolean;
BEGIN
	-- a restore brings the versions of the terms as data, in several sessions maybe
	IF current_setting('check_function_bodies') = 'off' THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT terms FROM %I.program FOR UPDATE', tg_table_schema) INTO version;
	IF version IS NULL THEN		-- a restore has not come to this table yet
		RETURN NULL;
	END IF;
	EXECUTE format($sql$
		SELECT EXISTS (SELECT FROM %1$I.terms t JOIN %1$I.program p USING (points_scale, rounding, time_zone)
		                WHERE t.terms = $1)
		   AND NOT EXISTS ((SELECT name, points, applies_when, per FROM %1$I.earning_rule
		                    EXCEPT SELECT name, points, applies_when, per FROM %1$I.terms_rule WHERE terms = $1)
		                   UNION ALL
		                   (SELECT name, points, applies_when, per FROM %1$I.terms_rule WHERE terms = $1
		                    EXCEPT SELECT name, points, applies_when, per FROM %1$I.earning_rule)
		                   )
		   AND NOT EXISTS ((SELECT name, rank, qualifies, multiplier FROM %1$I.tier
		                    EXCEPT SELECT name, rank, qualifies, multiplier FROM %1$I.terms_tier WHERE terms = $1)
		                   UNION ALL
		                   (SELECT name, rank, qualifies, multiplier FROM %1$I.terms_tier WHERE terms = $1
		                    EXCEPT SELECT name, rank, qualifies, multiplier FROM %1$I.tier))
		$sql$, tg_table_schema) INTO same USING version;
	IF same THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT coalesce(max(terms), 0) + 1 FROM %I.terms', tg_table_schema) INTO version;
	EXECUTE format($sql$
		INSERT INTO %1$I.terms (terms, points_scale, rounding, time_zone)
		SELECT $1, points_scale, rounding, time_zone FROM %1$I.program
		$sql$, tg_table_schema) USING version;
	EXECUTE format($sql$
		INSERT INTO %1$I.terms_rule (terms, name, points, applies_when, per)
		SELECT $1, name, points, applies_when, per FROM %1$I.earning_rule
		$sql$, tg_table_schema) USING version;
	EXECUTE format($sql$
		INSERT INTO %1$I.terms_tier (terms, name, rank, qualifies, multiplier)
		SELECT $1, name, rank, qualifies, multiplier FROM %1$I.tier
		$sql$, tg_table_schema) USING version;
	EXECUTE format('UPDATE %I.program SET terms = $1', tg_table_schema) USING version;
	PERFORM loyalty.hold_columns(tg_table_schema, s) FROM loyalty.active_sources(tg_table_schema) s;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION loyalty.new_terms() IS
'trigger: write a new version of the terms when rules, tiers or settings changed';

