-- Configuration: plain tables, checked by triggers ----------------------------

-- Runs a command with the rights of a program's owner, for those who have them
-- anyway.  Whatever administration reads or writes in a program goes through it:
-- none of the owner's code runs with the rights of a superuser who calls.
CREATE FUNCTION _loyalty.as_owner(program name, command text, VARIADIC arguments text[] DEFAULT '{}')
RETURNS SETOF text[]
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_as_owner';
COMMENT ON FUNCTION _loyalty.as_owner(name, text, text[]) IS
'run a command with the rights of the owner of a program, in a security-restricted operation; its parameters and results are texts';

CREATE FUNCTION _loyalty.refuse_nested(function text)
RETURNS void
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_refuse_nested';
COMMENT ON FUNCTION _loyalty.refuse_nested(text) IS
'an error if a function that changes or recomputes a program is called by what a program runs as its owner';

CREATE FUNCTION _loyalty.is_seen_by_all(xact xid8)
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_is_seen_by_all';
COMMENT ON FUNCTION _loyalty.is_seen_by_all(xid8) IS
'does every transaction that runs in this database see what a committed transaction did, however old its snapshot is';

CREATE FUNCTION _loyalty.configuration()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_configuration';
COMMENT ON FUNCTION _loyalty.configuration() IS
'trigger on the configuration of a program: calls the trigger function that its argument names, with the rights of the program''s owner';

CREATE FUNCTION _loyalty.owner_only()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_owner_only';
COMMENT ON FUNCTION _loyalty.owner_only() IS
'trigger: only the owner of a program writes this table, whatever was granted';

CREATE FUNCTION _loyalty.configuration_changed()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_configuration_changed';
COMMENT ON FUNCTION _loyalty.configuration_changed() IS
'trigger: tell every session that the configuration of a program changed';

CREATE FUNCTION _loyalty.restore_begin()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_restore_begin';
COMMENT ON FUNCTION _loyalty.restore_begin() IS
'trigger on journal and ledger, for restores: nobody records while entries are inserted by SQL';

CREATE FUNCTION _loyalty.restore_entry()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_restore_entry';
COMMENT ON FUNCTION _loyalty.restore_entry() IS
'trigger on journal and ledger, for restores: an entry that is restored replaces what was recorded of its order without it';

CREATE FUNCTION _loyalty.append_only()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_append_only';
COMMENT ON FUNCTION _loyalty.append_only() IS
'trigger: refuse changes of recorded entries outside posting';

CREATE FUNCTION _loyalty.record()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_record';
COMMENT ON FUNCTION _loyalty.record() IS
'trigger on tracked tables: record how the touched orders stand; arguments are program and tracked table';

-- One of a few words, or an error that lists them.
CREATE FUNCTION _loyalty.require_choice(what text, value text, VARIADIC choices text[])
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
COMMENT ON FUNCTION _loyalty.require_choice(text, text, text[]) IS 'an error that lists the choices, unless the value is one of them';

-- An error that names the arguments that are null and must not be.
CREATE FUNCTION _loyalty.require_given(names text[], are_null boolean[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF true = ANY (are_null) THEN
		RAISE EXCEPTION '% must not be null', (SELECT string_agg(n, ' and ' ORDER BY o) FROM unnest(names, are_null) WITH ORDINALITY x (n, is_null, o) WHERE is_null)
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_given(text[], boolean[]) IS 'an error that names the arguments that are null, if any is';

-- Names are keys of the tables of programs, and an index has no room for one of thousands of bytes.
CREATE FUNCTION _loyalty.require_short_name(what text, name text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF octet_length(name) > 255 THEN
		RAISE EXCEPTION 'the name of % must have at most 255 bytes', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It has %s, and begins with "%s".', octet_length(name), left(name, 40)), HINT = 'Give it a shorter one.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_short_name(text, text) IS 'an error if the name of a rule, a tier, a wallet and so on is too long';

-- What a query of one value says, which is made for the tables of a program and has one parameter.  It reads
-- with the snapshot of who asks.
CREATE FUNCTION _loyalty.answer(query text, argument anyelement)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE query INTO result USING argument;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.answer(text, anyelement) IS 'the one value that a query with a parameter says, as text';

-- The message of an error as the detail of another one.
CREATE FUNCTION _loyalty.as_sentence(message text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT upper(left(message, 1)) || substr(message, 2) || '.'
$$;
COMMENT ON FUNCTION _loyalty.as_sentence(text) IS 'the message of an error as a sentence, for the detail of another one';

-- Names of POSIX zones such as CET+1 mean the opposite of what they say, and
-- abbreviations have no daylight saving time.
CREATE FUNCTION _loyalty.time_zone_of_file(name text)
RETURNS text
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_time_zone_of_file';
COMMENT ON FUNCTION _loyalty.time_zone_of_file(text) IS 'the name of a time zone as the server writes it, or null if it knows none; the name must not have digits, which a POSIX zone has';

CREATE FUNCTION _loyalty.require_time_zone(time_zone text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone_abbreviations = 'Default'
AS $$
DECLARE
	zone text;
	abbreviation boolean;
BEGIN
	-- the view reads hundreds of files; a name without digits is no POSIX zone, so it is that of one file
	IF time_zone ~ '^[A-Za-z/_-]+$' THEN
		zone := _loyalty.time_zone_of_file(time_zone);
	ELSE
		SELECT z.name INTO zone FROM pg_timezone_names z WHERE lower(z.name) = lower(time_zone)
		 ORDER BY z.name = time_zone DESC LIMIT 1;
	END IF;
	-- CET is the name of a zone with daylight saving time, where the machine has old names,
	-- but AT TIME ZONE takes it for the abbreviation, which has none
	abbreviation := EXISTS (SELECT FROM pg_timezone_abbrevs a WHERE lower(a.abbrev) = lower(time_zone));
	IF zone IS NULL OR (abbreviation AND zone NOT IN ('UTC', 'UCT', 'GMT', 'Zulu')) THEN
		RAISE EXCEPTION 'time zone % is %', CASE WHEN time_zone IS NULL THEN 'null' ELSE format('"%s"', time_zone) END,
			CASE WHEN abbreviation THEN 'an abbreviation' ELSE 'not known by name' END
			USING ERRCODE = 'invalid_parameter_value',
			      DETAIL = CASE WHEN time_zone !~ '[0-9]' AND NOT abbreviation THEN 'The server knows no time zone of this name.'
			               ELSE 'Offsets, abbreviations and POSIX zones say nothing of daylight saving time, or mean the opposite of what they look like.' END,
			      HINT = 'Use a name of the view pg_timezone_names that is no abbreviation, such as time_zone => ''Europe/Berlin'' or ''UTC''.';
	END IF;
	RETURN zone;
END
$$;
COMMENT ON FUNCTION _loyalty.require_time_zone(text) IS 'returns the name of a time zone as pg_timezone_names has it, else an error';

-- What is written by functions, or restored, is not refused to whoever writes it
-- by hand: functions say who they are with a setting, and pg_dump turns off
-- check_function_bodies for what it restores, as it does for functions, because
-- rows come before what they name.
CREATE FUNCTION _loyalty.is_written_by_hand(program name)
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
COMMENT ON FUNCTION _loyalty.is_written_by_hand(name) IS
'is a row of what is tracked changed by somebody, neither by a function of the extension nor by a restore?';

-- Tracked tables are noted by functions, which make their triggers and views, too.  By
-- hand, only the table itself can be changed for the one that took its place.
CREATE FUNCTION _loyalty.check_tracked_table()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fixed text[] := '{relation,without_order}';
BEGIN
	PERFORM _loyalty.require_choice('kind', NEW.kind, 'orders', 'lines', 'refunds', 'credits', 'events');
	PERFORM _loyalty.require_choice('without_order', NEW.without_order, 'error', 'skip', 'customer');
	IF NOT _loyalty.is_written_by_hand(tg_table_schema) THEN
		RETURN NEW;
	END IF;
	IF tg_op = 'INSERT' THEN
		RAISE EXCEPTION 'rows of table "%" cannot be inserted directly', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = 'Call loyalty.track_orders(), loyalty.track_refunds() or loyalty.track_events(), which make the triggers, too.';
	END IF;
	IF to_jsonb(NEW) - fixed IS DISTINCT FROM to_jsonb(OLD) - fixed
	   OR (NEW.without_order IS DISTINCT FROM OLD.without_order AND 'customer' IN (NEW.without_order, OLD.without_order)) THEN
		RAISE EXCEPTION 'what is tracked of table "%" cannot be changed directly', OLD.relation
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = CASE OLD.kind WHEN 'events' THEN 'Call loyalty.alter_events(), or loyalty.untrack() and then loyalty.track_events().'
			              ELSE 'Call loyalty.alter_orders() or loyalty.alter_refunds(), or loyalty.untrack() and then loyalty.track_orders() or loyalty.track_refunds().' END;
	END IF;
	IF NEW.relation IS DISTINCT FROM OLD.relation THEN
		PERFORM _loyalty.require_trackable(NEW.relation, tg_table_schema);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_tracked_table() IS
'trigger: refuse changes of what is tracked by hand, but for a table that takes the place of a tracked one';

-- A table that takes the place of a tracked one has columns of the same names: what was
-- said of the old table must hold for it.
CREATE FUNCTION _loyalty.replace_tracked_table()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'
AS $$
DECLARE
	d jsonb;
	newest int;
BEGIN
	IF NEW.relation IS NOT DISTINCT FROM OLD.relation OR NEW.definition IS NOT NULL THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT terms FROM %I.program', tg_table_schema) INTO newest;
	d := _loyalty.reparsed(tg_table_schema, NEW.tracked_table, _loyalty.definition_of(tg_table_schema, NEW.tracked_table, newest));
	IF NEW.kind IN ('lines', 'refunds') THEN
		PERFORM _loyalty.make_part_view(tg_table_schema, NEW.tracked_table, d);
		PERFORM _loyalty.make_views(tg_table_schema, NEW.of_tracked_table);
	ELSE
		PERFORM _loyalty.make_views(tg_table_schema, NEW.tracked_table, d);
	END IF;
	RETURN NULL;
EXCEPTION WHEN undefined_column OR undefined_function OR datatype_mismatch OR cannot_coerce THEN
	-- told without the query of a view, which nobody wrote
	RAISE EXCEPTION 'table "%" cannot take the place of table "%"', NEW.relation, OLD.relation
		USING ERRCODE = SQLSTATE, DETAIL = _loyalty.as_sentence(replace(SQLERRM, 'tracked.', 'new.')),
		      HINT = 'It needs columns of the same names, and of types for which the expressions hold.';
END
$$;
COMMENT ON FUNCTION _loyalty.replace_tracked_table() IS
'trigger: makes the views over a table that takes the place of a tracked one';

-- Versions of the terms are written when rules, tiers or settings change.  By hand,
-- only expressions that fail can be corrected in them.
CREATE FUNCTION _loyalty.check_terms()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	corrigible text[] := CASE tg_table_name WHEN 'terms_rule' THEN '{points,multiplier,applies_when,for_members}' WHEN 'terms_tier' THEN '{qualifies}' WHEN 'terms_metric' THEN '{expression}' ELSE '{}' END;
BEGIN
	IF pg_trigger_depth() > 1 OR NOT _loyalty.is_written_by_hand(tg_table_schema) THEN
		RETURN NEW;
	END IF;
	IF tg_op = 'INSERT' THEN
		RAISE EXCEPTION 'rows of table "%" cannot be inserted directly', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = 'Change the tables earning_rule, tier, metric and wallet, or points_scale and rounding in program: that makes new terms.';
	END IF;
	-- points stay points, and a multiplier a multiplier; and what is for some stays so.  What stands for a campaign gives nothing
	IF (to_jsonb(NEW) ->> 'is_campaign')::boolean THEN
		corrigible := array_remove(corrigible, 'points');
	END IF;
	IF to_jsonb(NEW) - corrigible IS DISTINCT FROM to_jsonb(OLD) - corrigible OR (to_jsonb(NEW) ->> 'multiplier' IS NULL) <> (to_jsonb(OLD) ->> 'multiplier' IS NULL)
	   OR (to_jsonb(NEW) ->> 'for_members' IS NULL) <> (to_jsonb(OLD) ->> 'for_members' IS NULL) THEN
		RAISE EXCEPTION 'a version of the terms cannot be changed'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'The orders that were recorded under it keep it.',
			      HINT = 'Only expressions of rules, tiers, metrics and ratings can be corrected in it. Change the tables earning_rule, tier, metric, rating, rating_step and wallet, or points_scale and rounding in program, for orders to come.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_terms() IS 'trigger: refuse changes of the versions of the terms by hand, but for corrections of expressions';

-- The tables that an earning rule must fit: those of orders, or of events of its kind, that are tracked, or where none
-- is, those that may be tracked again.  A rule of older terms is for tables that were there.
CREATE FUNCTION _loyalty.tables_of_rule(program name, per text, terms int, event text)
RETURNS TABLE (tracked_table int, relation regclass, active boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH known AS (SELECT s.tracked_table, s.relation, s.active FROM %I.tracked_table s JOIN pg_class c ON c.oid = s.relation
		                WHERE s.kind IN ('orders', 'events') AND s.event IS NOT DISTINCT FROM $3 AND ($2 IS NULL OR s.terms <= $2)),
		     fitting AS (SELECT k.* FROM known k WHERE k.active OR NOT EXISTS (SELECT FROM known a WHERE a.active))
		SELECT f.* FROM fitting f
		UNION ALL SELECT NULL, NULL, true WHERE NOT EXISTS (SELECT FROM fitting) AND $1 = 'order'
		ORDER BY 1
		$sql$, program) USING per, terms, event;
END
$$;
COMMENT ON FUNCTION _loyalty.tables_of_rule(name, text, int, text) IS
'the tables of orders, or of events of a kind, that an earning rule must fit, or without any, those that it may; a null if there is none at all';

-- A rule for events says nothing that only orders have.
CREATE FUNCTION _loyalty.require_event_rule(what text, event text, per text, minimum_order numeric)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF event IS NULL THEN
		RETURN;
	ELSIF btrim(event) = '' THEN
		RAISE EXCEPTION 'event of the % must not be empty', what
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set it to null for a rule that is for orders.';
	ELSIF per = 'line' THEN
		RAISE EXCEPTION 'the % is for events, which have no lines', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Its event is "%s", and per is "line".', event), HINT = 'Leave per => ''order'', or set event to null.';
	ELSIF minimum_order IS NOT NULL THEN
		RAISE EXCEPTION 'the % is for events, which are no orders', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Its event is "%s", and minimum_order is %s.', event, minimum_order),
			      HINT = 'Set minimum_order to null, and say in applies_when for which events the rule is, as in amount >= 3.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_event_rule(text, text, text, numeric) IS 'an error if an earning rule for events says what only orders have';

-- A table of such events may be tracked later, so that they are unknown is told, and no error.
CREATE FUNCTION _loyalty.tell_of_unknown_events(program name, rule_name text, event text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known text;
	is_known boolean;
BEGIN
	IF event IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT coalesce(bool_or(s.event = $1), false), string_agg(DISTINCT format(''"%%s"'', s.event), '', '') FROM %I.tracked_table s WHERE s.event IS NOT NULL', program)
	   INTO is_known, known USING event;
	IF NOT is_known THEN
		RAISE NOTICE 'the earning rule "%" is for events that no tracked table has', rule_name
			USING DETAIL = format('Their kind is "%s"; those that are known are: %s.', event, coalesce(known, 'none')),
			      HINT = format('Call loyalty.track_events(%L, %L, ...) with the table of the events, or write the kind as it is known.', program, event);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.tell_of_unknown_events(name, text, text) IS 'a notice if an earning rule is for events of a kind that was never tracked';

-- An earning rule must fit every tracked table that it can be for, and one of those that may
-- be tracked again.
CREATE FUNCTION _loyalty.check_earning_rule()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src record;
	expression text;
	what CONSTANT text := CASE WHEN NEW.multiplier IS NULL THEN 'points' ELSE 'multiplier' END;
	label CONSTANT text := _loyalty.rule_label(NEW.name);
	before text;
	points text;
	applies_when text;
	parsed record;
	fits record;
	misfit record;
	fails boolean := false;
	message text;
	known text;
	version int;
BEGIN
	-- a restore brings what was checked when it was written; see _loyalty.refresh_texts(), too
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NEW;
	END IF;
	IF NEW.name IS NULL OR NEW.applies_when IS NULL THEN
		RETURN NEW;		-- which the table refuses
	END IF;
	PERFORM _loyalty.require_short_name('an earning rule', NEW.name) WHERE tg_table_name = 'earning_rule';
	IF tg_table_name = 'earning_rule' AND btrim(NEW.name) = '' THEN
		RAISE EXCEPTION 'name of an earning rule must not be empty' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM _loyalty.require_choice(format('per of the %s', label), NEW.per, 'order', 'line');
	IF tg_op = 'UPDATE' AND NEW.stacking = OLD.stacking AND NEW.stacking IN ('add', 'multiply') AND (NEW.multiplier IS NULL) <> (OLD.multiplier IS NULL) THEN
		NEW.stacking := NULL;		-- which was right for what it was before
	END IF;
	NEW.stacking := coalesce(NEW.stacking, CASE WHEN NEW.multiplier IS NULL THEN 'add' ELSE 'multiply' END);
	PERFORM _loyalty.require_rule(label, NEW.points IS NOT NULL, NEW.multiplier IS NOT NULL, NEW.starts, NEW.ends,
	                              ARRAY[NEW.minimum_order, NEW.every, NEW.gives, NEW.at_most], NEW.rounding, NEW.stacking, NEW.stacking_group);
	IF tg_table_name = 'terms_rule' THEN
		PERFORM _loyalty.require_campaign_rule(tg_table_schema, to_jsonb(NEW) - 'campaign', NULL, NULL);
	ELSE
		PERFORM _loyalty.join_campaign(tg_table_schema, to_jsonb(NEW), CASE tg_op WHEN 'UPDATE' THEN to_jsonb(OLD) END);
		PERFORM _loyalty.require_rule_wallet(tg_table_schema, label, NEW.multiplier IS NOT NULL, NEW.wallet);
		PERFORM _loyalty.tell_of_midnight(tg_table_schema, 'starts of the ' || label, NEW.starts, OLD.starts);
		PERFORM _loyalty.tell_of_midnight(tg_table_schema, 'ends of the ' || label, NEW.ends, OLD.ends);
	END IF;
	PERFORM _loyalty.require_event_rule(label, NEW.event, NEW.per, NEW.minimum_order);
	IF NEW.multiplier IS DISTINCT FROM OLD.multiplier THEN
		PERFORM _loyalty.check_multiplier('the ' || label, NEW.multiplier);
	END IF;
	IF tg_op = 'UPDATE' AND tg_table_name = 'earning_rule' AND NEW.name <> OLD.name AND NEW.for_members = OLD.for_members THEN
		EXECUTE format('SELECT terms FROM %I.program', tg_table_schema) INTO version;
		NEW.for_members := coalesce(_loyalty.present_for_members(tg_table_schema, version, OLD.name), NEW.for_members);
	ELSIF NEW.for_members IS NOT NULL AND (tg_op = 'INSERT' OR NEW.for_members IS DISTINCT FROM OLD.for_members) THEN
		NEW.for_members := _loyalty.parse_for_members(tg_table_schema, NEW.name, NEW.for_members, current_setting('loyalty.search_path', true), true);
	END IF;
	expression := coalesce(NEW.points, NEW.multiplier);
	before := coalesce(OLD.points, OLD.multiplier);
	IF tg_op = 'UPDATE' AND tg_table_name = 'earning_rule' AND (expression, NEW.applies_when, NEW.for_members) IS DISTINCT FROM (before, OLD.applies_when, OLD.for_members) THEN
		PERFORM _loyalty.refuse_outdated(tg_table_schema, x.what, x.stored, x.written, x.present)
		   FROM _loyalty.present_rules(tg_table_schema, _loyalty.answer(format('SELECT p.terms FROM %I.program p WHERE $1 IS NOT NULL', tg_table_schema), OLD.name)::int) p
		  CROSS JOIN LATERAL (VALUES (what || ' of the ' || label, before, expression, p.points), ('applies_when of the ' || label, OLD.applies_when, NEW.applies_when, p.applies_when),
		                             ('for_members of the ' || label, OLD.for_members, NEW.for_members, p.for_members)) x (what, stored, written, present)
		  WHERE p.name = OLD.name;
	END IF;
	IF tg_op = 'UPDATE' AND (NEW.name, expression, NEW.applies_when, NEW.per, NEW.event) IS NOT DISTINCT FROM (OLD.name, before, OLD.applies_when, OLD.per, OLD.event) THEN
		RETURN NEW;
	END IF;
	PERFORM _loyalty.tell_of_unknown_events(tg_table_schema, NEW.name, NEW.event) WHERE tg_op = 'INSERT' OR NEW.event IS DISTINCT FROM OLD.event;
	IF tg_op = 'UPDATE' THEN
		IF tg_table_name = 'terms_rule' THEN
			version := to_jsonb(OLD) ->> 'version';
		ELSE
			EXECUTE format('SELECT terms FROM %I.program', tg_table_schema) INTO version;
		END IF;
	END IF;
	FOR src IN SELECT * FROM _loyalty.tables_of_rule(tg_table_schema, NEW.per, CASE tg_table_name WHEN 'terms_rule' THEN version END, NEW.event)
	LOOP
		-- what was not changed may have been renamed since it was written
		points := NULL;
		applies_when := NULL;
		IF tg_op = 'UPDATE' AND NEW.event IS NOT DISTINCT FROM OLD.event THEN
			SELECT CASE WHEN expression = before THEN p.points END, CASE WHEN NEW.applies_when = OLD.applies_when THEN p.applies_when END
			  INTO points, applies_when
			  FROM _loyalty.present_rule(tg_table_schema, src.tracked_table, version, OLD.name, 'new') p;
		END IF;
		BEGIN
			SELECT * INTO parsed
			  FROM _loyalty.parse_rule(tg_table_schema, src.tracked_table, NEW.name, coalesce(points, expression), coalesce(applies_when, NEW.applies_when), NEW.per, 'new',
			                          current_setting('loyalty.search_path', true),
			                          fits IS NULL AND (tg_op = 'INSERT' OR expression IS DISTINCT FROM before),
			                          fits IS NULL AND (tg_op = 'INSERT' OR NEW.applies_when IS DISTINCT FROM OLD.applies_when), what);
			IF parsed.points IS NOT NULL THEN
				fits := parsed;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			IF NOT fails THEN
				GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, known = PG_EXCEPTION_HINT;
				SELECT src.tracked_table, src.relation, src.active, SQLSTATE AS state, message AS message, known AS known,
				       coalesce(points, expression) AS points, coalesce(applies_when, NEW.applies_when) AS applies_when INTO misfit;
				fails := true;
			END IF;
		END;
	END LOOP;
	IF fails AND fits IS NULL THEN
		-- the same error, at its character
		PERFORM _loyalty.parse_rule(tg_table_schema, misfit.tracked_table, NEW.name, misfit.points, misfit.applies_when, NEW.per, 'new',
		                           current_setting('loyalty.search_path', true), false, false, what);
	ELSIF fails THEN
		IF misfit.active THEN
			RAISE EXCEPTION 'the % does not hold for table "%"', label, misfit.relation
				USING ERRCODE = misfit.state, DETAIL = _loyalty.as_sentence(misfit.message),
				      HINT = concat_ws(' ', CASE WHEN NEW.event IS NULL THEN 'A rule must hold for each table of orders that is tracked.' ELSE 'A rule must hold for each table of events of its kind that is tracked.' END, nullif(misfit.known, ''));
		END IF;
	END IF;
	IF NEW.per = 'line' AND fits IS NULL THEN
		RAISE EXCEPTION 'the earning rule "%" is per line, but no tracked table has lines', NEW.name
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = 'Name the lines in loyalty.track_orders(), or leave per => ''order''.';
	END IF;
	-- a rule of the same name is known by what is stored of it
	IF tg_op = 'INSERT' OR expression IS DISTINCT FROM before OR NEW.name <> OLD.name THEN
		NEW.points := CASE WHEN NEW.points IS NOT NULL THEN fits.points END;
		NEW.multiplier := CASE WHEN NEW.multiplier IS NOT NULL THEN fits.points END;
	END IF;
	IF tg_op = 'INSERT' OR NEW.applies_when <> OLD.applies_when OR NEW.name <> OLD.name THEN
		NEW.applies_when := fits.applies_when;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_earning_rule() IS
'trigger: check the expressions of an earning rule for every tracked table, and store them with every name qualified';

-- The condition of a tier, as SQL with every name qualified.
CREATE FUNCTION _loyalty.parse_tier(program name, tier text, qualifies text, search_path text, warn boolean, terms int DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
	newest int;
BEGIN
	EXECUTE format('SELECT time_zone, terms FROM %I.program', program) INTO zone, newest;
	RETURN (SELECT p.expression FROM _loyalty.parse_expression(qualifies, NULL, NULL, format('%I.facts', program)::regclass, 'boolean',
	                                                          format('qualifies of the tier "%s"', tier), NULL, NULL, zone, search_path, warn,
	                                                          parts => _loyalty.condition_parts(program, coalesce(terms, newest))) p);
END
$$;
COMMENT ON FUNCTION _loyalty.parse_tier(name, text, text, text, boolean, int) IS 'check the condition of a tier, under the terms in force or others, and return it with every name qualified';

CREATE FUNCTION _loyalty.check_tier()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	version int;
BEGIN
	IF NEW.multiplier IS NULL OR NOT (NEW.multiplier >= 0 AND NEW.multiplier < 1000000) THEN
		RAISE EXCEPTION 'multiplier of the tier "%" must be at least 0 and less than 1000000', NEW.name
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(NEW.multiplier::text, 'null'));
	END IF;
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NEW;
	END IF;
	PERFORM _loyalty.require_short_name('a tier', NEW.name);
	IF NEW.name = '' THEN
		RAISE EXCEPTION 'the name of a tier must not be empty'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Customers without a tier are those for whom no tier qualifies.';
	END IF;
	IF NEW.multiplier IS DISTINCT FROM OLD.multiplier THEN
		PERFORM _loyalty.check_multiplier(format('the tier "%s"', NEW.name), NEW.multiplier::text);
	END IF;
	IF tg_op = 'UPDATE' AND tg_table_name = 'tier' AND NEW.name <> OLD.name AND NEW.qualifies = OLD.qualifies THEN
		EXECUTE format('SELECT terms FROM %I.program', tg_table_schema) INTO version;
		NEW.qualifies := coalesce(_loyalty.present_tier(tg_table_schema, version, OLD.name), NEW.qualifies);
	ELSIF tg_op = 'INSERT' OR NEW.qualifies IS DISTINCT FROM OLD.qualifies THEN
		NEW.qualifies := _loyalty.parse_tier(tg_table_schema, NEW.name, NEW.qualifies, current_setting('loyalty.search_path', true), true);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_tier() IS 'trigger: check the condition of a tier, and store it with every name qualified';

-- Expressions of a version of the terms that fail can be corrected: the views say so then.
-- A view that was dropped with something that it used is made anew, if another tells what
-- the table means.
CREATE FUNCTION _loyalty.correct_view(program name, tracked_table int, version int, award int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known int := _loyalty.terms_with_view(program, tracked_table, version);
	detail text;
	hint text;
BEGIN
	IF known = version THEN
		EXECUTE format($sql$
			SELECT _loyalty.make_orders_view($1, $2, $3, x.d, x.awards)
			  FROM (SELECT _loyalty.definition_of($1, $2, $3) AS d,
			               jsonb_agg(CASE WHEN a.award = $4 THEN CASE WHEN _loyalty.is_for_table($1, $2, r.event) THEN _loyalty.parse_award($1, $2, r.name, coalesce(r.points, r.multiplier), r.applies_when, r.per) END
			                         ELSE a.expression END ORDER BY a.award) AS awards
			          FROM _loyalty.awards_of($1, $2, $3) a JOIN %I.terms_rule r ON r.version = $3 AND r.award = a.award OFFSET 0) x
			$sql$, program) USING program, tracked_table, version, award;
		RETURN;
	END IF;
	PERFORM _loyalty.require_views(program, tracked_table, CASE WHEN known IS NULL THEN version END);
	PERFORM _loyalty.define_orders(program, tracked_table, _loyalty.definition_of(program, tracked_table, known), version);
EXCEPTION WHEN syntax_error_or_access_rule_violation OR object_not_in_prerequisite_state THEN
	IF known = version THEN
		RAISE;
	END IF;
	-- the correction stands, but it does not suffice
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%', SQLERRM USING DETAIL = detail, HINT = hint;
END
$$;
COMMENT ON FUNCTION _loyalty.correct_view(name, int, int, int) IS
'make the view of a table of orders under some terms anew, one of whose rules was corrected';

-- What was kept of a rule that is corrected while a table is let go of: the rule is read for
-- the table again, when that is tracked again.
CREATE FUNCTION _loyalty.forget_award(program name, tracked_table int, version int, award int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
BEGIN
	EXECUTE format('UPDATE %I.tracked_table SET definition = definition #- ARRAY[''awards'', $2::text, $3::text] WHERE tracked_table = $1', program)
		USING tracked_table, version, award;
END
$$;
COMMENT ON FUNCTION _loyalty.forget_award(name, int, int, int) IS
'forget what the view of a table that was let go of said of a rule under some terms';

-- What is corrected in the terms in force is corrected in what they were made of: all at
-- once, so that no other terms are made of it.
CREATE FUNCTION _loyalty.carry_corrections(program name, terms_table name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
BEGIN
	EXECUTE format(CASE terms_table WHEN 'terms_rule' THEN $sql$
		WITH campaigns AS (
			UPDATE %1$I.campaign c SET applies_when = r.applies_when, for_members = r.for_members
			  FROM %1$I.terms_rule r JOIN %1$I.program p ON p.terms = r.version
			 WHERE r.is_campaign AND r.campaign = c.name AND (r.for_members IS NULL) = (c.for_members IS NULL)
			   AND (r.applies_when, r.for_members) IS DISTINCT FROM (c.applies_when, c.for_members))
		UPDATE %1$I.earning_rule e SET points = r.points, multiplier = r.multiplier, applies_when = r.applies_when, for_members = r.for_members
		  FROM %1$I.terms_rule r JOIN %1$I.program p ON p.terms = r.version
		 WHERE r.name = e.name AND r.per = e.per AND r.event IS NOT DISTINCT FROM e.event AND (r.for_members IS NULL) = (e.for_members IS NULL)
		   AND (r.points, r.multiplier, r.applies_when, r.for_members) IS DISTINCT FROM (e.points, e.multiplier, e.applies_when, e.for_members)
		$sql$ WHEN 'terms_metric' THEN $sql$
		WITH r AS (SELECT r.* FROM %1$I.terms_metric r JOIN %1$I.program p ON p.terms = r.version),
		     grades AS (UPDATE %1$I.rating e SET qualifies = r.expression FROM r WHERE r.kind = 'grade' AND (r.rating, r.name) = (e.rating, e.grade) AND r.expression <> e.qualifies),
		     steps AS (UPDATE %1$I.rating_step e SET condition = r.expression FROM r WHERE r.kind = 'step' AND (r.rating, r.name) = (e.rating, e.reason) AND r.expression <> e.condition)
		UPDATE %1$I.metric e SET expression = r.expression FROM r WHERE r.kind = 'metric' AND r.name = e.name AND r.expression <> e.expression
		$sql$ ELSE $sql$
		UPDATE %1$I.tier e SET qualifies = r.qualifies
		  FROM %1$I.terms_tier r JOIN %1$I.program p ON p.terms = r.version
		 WHERE r.name = e.name AND r.qualifies <> e.qualifies
		$sql$ END, program);
END
$$;
COMMENT ON FUNCTION _loyalty.carry_corrections(name, name) IS 'bring rules and campaigns, or tiers, or metrics, up to what was corrected in the terms in force';

CREATE FUNCTION _loyalty.correct_rule()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src record;
BEGIN
	IF current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NULL;		-- see _loyalty.refresh_texts()
	END IF;
	FOR src IN EXECUTE format('SELECT tracked_table, definition FROM %I.tracked_table
	                            WHERE (active OR definition IS NOT NULL) AND kind IN (''orders'', ''credits'', ''events'') AND terms <= $1', tg_table_schema) USING NEW.version
	LOOP
		IF src.definition IS NULL THEN
			PERFORM _loyalty.correct_view(tg_table_schema, src.tracked_table, NEW.version, NEW.award);
		ELSE
			PERFORM _loyalty.forget_award(tg_table_schema, src.tracked_table, NEW.version, NEW.award);
		END IF;
	END LOOP;
	IF NEW.for_members IS NOT NULL THEN
		PERFORM _loyalty.correct_for_members(tg_table_schema, NEW.version, NEW.name);
	END IF;
	PERFORM _loyalty.carry_corrections(tg_table_schema, tg_table_name);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.correct_rule() IS 'trigger: makes the views of a version of the terms, one of whose rules was corrected, anew';

-- The condition of a tier of some terms, as written; null, with a warning, if it names what
-- is gone: then these tiers have no view.
CREATE FUNCTION _loyalty.tier_of_terms(program name, terms int, tier text, qualifies text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN _loyalty.parse_tier(program, tier, qualifies, 'pg_catalog, pg_temp', false, terms);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	IF SQLSTATE = '42501' THEN
		RAISE;
	END IF;
	RAISE WARNING 'the tiers of terms % have no view: the condition of the tier "%" does not hold', terms, tier
		USING DETAIL = format('%s It says %L.', _loyalty.as_sentence(SQLERRM), qualifies),
		      HINT = format('Correct it: UPDATE %I.terms_tier SET qualifies = ''...'' WHERE version = %s AND name = %L.', program, terms, tier);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.tier_of_terms(name, int, text, text) IS
'the condition of a tier of some terms, as written; null, with a warning, if it does not hold any more';

CREATE FUNCTION _loyalty.correct_tier()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NULL;		-- see _loyalty.refresh_texts()
	END IF;
	EXECUTE format('SELECT _loyalty.make_tiers_view($1, $2, array_agg(CASE WHEN t.name <> $3 AND v.expression IS NOT NULL THEN v.expression
	                                                                   ELSE _loyalty.tier_of_terms($1, $2, t.name, t.qualifies) END ORDER BY t.n))
	                  FROM (SELECT name, qualifies, row_number() OVER (ORDER BY rank DESC) AS n FROM %I.terms_tier WHERE version = $2) t
	                 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, ''tiers'', $2), NULL, format(''tier_%%s'', t.n), false) v', tg_table_schema)
		USING tg_table_schema, NEW.version, NEW.name;
	PERFORM _loyalty.carry_corrections(tg_table_schema, tg_table_name);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.correct_tier() IS 'trigger: makes the view of the tiers of a version of the terms, one of which was corrected, anew';

CREATE FUNCTION _loyalty.check_program()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	newest int;
	tracked regclass;
BEGIN
	PERFORM _loyalty.require_choice('rounding', NEW.rounding, 'floor', 'half_even', 'half_up', 'ceil');
	PERFORM _loyalty.require_choice('on_invalid', NEW.on_invalid, 'error', 'skip');
	PERFORM _loyalty.require_choice('refunds_take', NEW.refunds_take, 'pending', 'available');
	PERFORM _loyalty.require_choice('refund_shortfall', NEW.refund_shortfall, 'owe', 'forgive', 'reject');
	PERFORM _loyalty.require_choice('returns_paid_points', NEW.returns_paid_points, 'never', 'full', 'proportional');
	IF NEW.points_scale IS NULL OR NEW.points_scale NOT BETWEEN 0 AND 12 THEN
		RAISE EXCEPTION 'points_scale must be between 0 and 12'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(NEW.points_scale::text, 'null'));
	ELSIF NEW.amount_scale IS NULL OR NEW.amount_scale NOT BETWEEN 0 AND 12 THEN
		RAISE EXCEPTION 'amount_scale must be between 0 and 12'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(NEW.amount_scale::text, 'null'));
	END IF;
	PERFORM _loyalty.require_card_form(NEW.card_prefix, NEW.card_length);
	IF tg_op = 'UPDATE' THEN
		-- the newest version is in force, and no other
		IF NEW.terms IS DISTINCT FROM OLD.terms THEN
			EXECUTE format('SELECT max(version) FROM %I.terms', tg_table_schema) INTO newest;
			IF NEW.terms IS DISTINCT FROM newest THEN
				RAISE EXCEPTION 'terms of a program cannot be changed directly'
					USING ERRCODE = 'object_not_in_prerequisite_state',
					      HINT = 'Change the tables earning_rule and tier, or points_scale and rounding: that makes new terms.';
			END IF;
		END IF;
		IF NEW.layout IS DISTINCT FROM OLD.layout AND _loyalty.is_written_by_hand(tg_table_schema) THEN
			RAISE EXCEPTION 'layout of a program cannot be changed directly'
				USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It says how tables, views and functions of the program are made.',
				      HINT = format('Call loyalty.upgrade_program(%L).', tg_table_schema);
		END IF;
		IF NEW.time_zone IS DISTINCT FROM OLD.time_zone THEN
			NEW.time_zone := _loyalty.require_time_zone(NEW.time_zone);
			EXECUTE format('SELECT relation FROM %I.tracked_table WHERE active AND kind <> ''lines'' ORDER BY tracked_table LIMIT 1', tg_table_schema) INTO tracked;
			IF tracked IS NOT NULL THEN
				RAISE EXCEPTION 'time_zone of a program cannot be changed while it tracks table "%"', tracked
					USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Local times of its rows are those of the time zone.',
					      HINT = format('Call loyalty.untrack(%L, %L), change it, and call loyalty.track_orders() again.', tg_table_schema, tracked);
			END IF;
		END IF;
		-- what was renamed since is written with the name that it has now
		IF NEW.customers = OLD.customers THEN
			SELECT CASE WHEN NEW.customer_key = OLD.customer_key THEN coalesce(p.key, NEW.customer_key) ELSE NEW.customer_key END,
			       CASE WHEN NEW.joined_at = OLD.joined_at THEN coalesce(p.joined_at, NEW.joined_at) ELSE NEW.joined_at END
			  INTO NEW.customer_key, NEW.joined_at
			  FROM _loyalty.present_customers(tg_table_schema, OLD.customers, OLD.joined_at, OLD.time_zone) p;
		END IF;
		PERFORM _loyalty.keep_for_dates(tg_table_schema, 'joined_at', NULL) WHERE NEW.joined_at IS NULL AND OLD.joined_at IS NOT NULL;
		RETURN NEW;
	END IF;
	PERFORM _loyalty.tenure(now(), now(), NEW.time_zone);	-- an error if there is no such zone
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_program() IS 'trigger: check the settings of a program';

-- Who the customers are, and since when, is in the view "customer", which all other views
-- read.  The key keeps its type, which journal, ledger and account have.
CREATE FUNCTION _loyalty.make_customer_view(program name, customers regclass, customer_key name, joined_at text, time_zone text, search_path text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	joined text := 'NULL::timestamptz';
	key_type text;
BEGIN
	SELECT format_type(a.atttypid, a.atttypmod) INTO key_type FROM pg_attribute a
	 WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer';
	IF joined_at IS NOT NULL THEN
		SELECT p.expression INTO joined
		  FROM _loyalty.parse_expression(joined_at, customers, NULL, NULL, 'timestamptz', 'joined_at', 'new', 'person', time_zone, search_path, true,
		                                any_settings => true) p;
	END IF;
	PERFORM _loyalty.make_view(program, 'customer',
		format('SELECT person.%I::%s%s AS customer, %s AS joined_at FROM %s AS person',
		       customer_key, key_type, _loyalty.customer_collation(program), joined, customers),
		'the customers, and since when they are');
END
$$;
COMMENT ON FUNCTION _loyalty.make_customer_view(name, regclass, name, text, text, text) IS 'make the view that says who the customers of a program are, and since when';

-- How the column that is the key of the customers is called now, and since when they are
-- customers, as it was written unless something in it was renamed.
CREATE FUNCTION _loyalty.present_customers(program name, customers regclass, INOUT joined_at text, time_zone text, OUT key name)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	view regclass := to_regclass(format('%I.customer', program));
	present text := (SELECT v.expression FROM _loyalty.view_expression(view, NULL, 'joined_at', false) v);
BEGIN
	-- the alias of the table in the view is "person"
	key := (SELECT substr(v.columns[1], length('person.') + 1) FROM _loyalty.view_expression(view, NULL, 'customer', false) v);
	IF joined_at IS NOT NULL AND present IS NOT NULL THEN
		BEGIN
			-- a local time is written otherwise, and then as the view has it
			IF (SELECT present IN (p.expression, q.expression)
			      FROM _loyalty.parse_expression(joined_at, customers, NULL, NULL, 'timestamptz', 'joined_at', 'new', 'person',
			                                    time_zone, 'pg_catalog, pg_temp', false, any_settings => true) p
			     CROSS JOIN LATERAL _loyalty.parse_expression(p.expression, customers, NULL, NULL, 'timestamptz', 'joined_at', 'person', 'person',
			                                                 time_zone, 'pg_catalog, pg_temp', false, any_settings => true) q) THEN
				RETURN;
			END IF;
		EXCEPTION WHEN undefined_column OR undefined_table OR undefined_function OR undefined_object THEN
			NULL;
		END;
		joined_at := (SELECT p.expression FROM _loyalty.parse_expression(present, customers, NULL, NULL, 'timestamptz', 'joined_at', 'person', 'new',
		                                                                time_zone, 'pg_catalog, pg_temp', false, any_settings => true) p);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.present_customers(name, regclass, text, text) IS
'the key of the customers and since when they are, with the names that things have now; nulls where the view is missing';

-- The views "customer", "members" and "former_members" go if the customer table, or what joined_at
-- calls, is dropped with CASCADE.
CREATE FUNCTION _loyalty.lacks_customers(program name)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM unnest('{customer, members, former_members, member_facts, metrics, ratings, customer_rows}'::text[]) v WHERE to_regclass(format('%I.%I', program, v)) IS NULL)
$$;
COMMENT ON FUNCTION _loyalty.lacks_customers(name) IS 'is a view lost that tells who the customers of a program are?';

CREATE FUNCTION _loyalty.new_customers()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_type regtype;
	known_type regtype;
	lost name;
BEGIN
	IF (NEW.customers, NEW.customer_key, NEW.joined_at, NEW.time_zone) IS DISTINCT FROM (OLD.customers, OLD.customer_key, OLD.joined_at, OLD.time_zone)
	   OR (_loyalty.lacks_customers(tg_table_schema) AND _loyalty.is_written_by_hand(tg_table_schema)
	       AND EXISTS (SELECT FROM pg_class c WHERE c.oid = NEW.customers)) THEN
		PERFORM _loyalty.require_customers(NEW.customers, NEW.customer_key);
		SELECT a.atttypid INTO key_type FROM pg_attribute a WHERE a.attrelid = NEW.customers AND a.attname = NEW.customer_key;
		SELECT a.atttypid INTO known_type FROM pg_attribute a WHERE a.attrelid = OLD.customers AND a.attname =
		       (SELECT coalesce(p.key, OLD.customer_key) FROM _loyalty.present_customers(tg_table_schema, OLD.customers, NULL, OLD.time_zone) p);
		-- of a table that is gone, the journal tells: of some domains, the type below
		IF known_type IS NULL AND _loyalty.customer_type(tg_table_schema) IN (key_type, _loyalty.base_type(key_type)) THEN
			known_type := key_type;
		END IF;
		IF key_type IS DISTINCT FROM known_type THEN
			RAISE EXCEPTION 'column "%" of table "%" is not of the type of the customer key', NEW.customer_key, NEW.customers
				USING ERRCODE = 'datatype_mismatch', HINT = 'A customer key of another type takes a new program.';
		END IF;
		PERFORM _loyalty.make_customer_view(tg_table_schema, NEW.customers, NEW.customer_key, NEW.joined_at, NEW.time_zone,
		                                   current_setting('loyalty.search_path', true));
		IF (NEW.customers, NEW.customer_key) IS DISTINCT FROM (OLD.customers, OLD.customer_key) THEN
			PERFORM _loyalty.renew_member_joins(tg_table_schema, NEW.customers, OLD.customers);
		END IF;
		PERFORM _loyalty.make_customer_rows(tg_table_schema, NEW.terms);
		IF _loyalty.lacks_customers(tg_table_schema) THEN
			FOR lost IN SELECT v FROM unnest('{members, former_members, member_facts}'::text[]) v WHERE to_regclass(format('%I.%I', tg_table_schema, v)) IS NULL
			LOOP
				PERFORM _loyalty.make_object(tg_table_schema, lost);
				RAISE NOTICE 'the view "%" of loyalty program "%" is made again', lost, tg_table_schema
					USING HINT = 'Rights that were granted on it, or on the view "customer", have to be granted again.';
			END LOOP;
			PERFORM _loyalty.renew_metrics(tg_table_schema);
		END IF;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.new_customers() IS 'trigger: makes the view of the customers anew when the settings say something else of them';

CREATE FUNCTION _loyalty.require_customer_table(customers regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class WHERE oid = customers AND relkind IN ('r', 'p', 'f')) THEN
		RAISE EXCEPTION '"%" is not a table', customers
			USING ERRCODE = 'wrong_object_type', HINT = 'Name the table that has one row per customer.';
	END IF;
	IF (SELECT relpersistence = 't' FROM pg_class WHERE oid = customers) THEN
		RAISE EXCEPTION 'the customers cannot be in the temporary table "%"', customers
			USING ERRCODE = 'wrong_object_type', HINT = 'Points would outlive their customers. Name a permanent table.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_customer_table(regclass) IS 'an error unless a relation is a table that can have the customers';

-- The table of the customers must have one row for each of them.
CREATE FUNCTION _loyalty.require_customers(customers regclass, customer_key name)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.require_customer_table(customers);
	IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = customers AND attname = customer_key AND attnum > 0 AND NOT attisdropped) THEN
		RAISE EXCEPTION 'column "%" of table "%" does not exist', customer_key, customers
			USING ERRCODE = 'undefined_column', HINT = 'Name the column that identifies a customer with customer_key => ''...''.';
	END IF;
	IF (SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = customers)
	   AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
	                    WHERE i.indrelid = customers AND a.attname = customer_key AND i.indnkeyatts = 1
	                      AND i.indisunique AND i.indisvalid AND i.indpred IS NULL) THEN
		RAISE EXCEPTION 'column "%" of table "%" is not unique', customer_key, customers
			USING ERRCODE = 'invalid_table_definition',
			      HINT = 'A customer key needs a unique index of its own: CREATE UNIQUE INDEX.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_customers(regclass, name) IS 'an error unless a table has one row per customer, known by a unique column';

CREATE FUNCTION _loyalty.keep_settings()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF tg_table_name = 'program' THEN
		RAISE EXCEPTION 'the settings of a program cannot be deleted'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = format('To delete the program, call loyalty.drop_program(%L, force => true).', tg_table_schema);
	ELSIF tg_table_name = 'tracked_table' THEN
		RAISE EXCEPTION 'rows of table "%" cannot be deleted', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'What is recorded refers to them.',
			      HINT = format('To stop tracking a table, call loyalty.untrack(%L, ...).', tg_table_schema);
	ELSIF tg_table_name = 'wallet' AND NOT _loyalty.is_written_by_hand(tg_table_schema) THEN
		RETURN NULL;
	ELSIF tg_table_name = 'wallet' THEN
		RAISE EXCEPTION 'wallets cannot be deleted all at once'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'Points may be in them.',
			      HINT = format('DELETE those rows of %I.wallet that have no entries.', tg_table_schema);
	ELSIF tg_table_name LIKE 'terms%' AND current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NULL;		-- see _loyalty.remove_unused_terms()
	ELSIF tg_table_name LIKE 'terms%' THEN
		RAISE EXCEPTION 'versions of the terms cannot be deleted'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = 'The orders that were recorded under them keep them.',
			      HINT = 'Change the tables earning_rule and tier: that makes new terms.';
	ELSIF _loyalty.is_written_by_hand(tg_table_schema) THEN
		RAISE EXCEPTION 'table "%" cannot be changed directly', tg_table_name
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = format('Call loyalty.reconcile(%L), with missing => ''archive'' or ''reverse''.', tg_table_schema);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.keep_settings() IS
'trigger: refuse to delete what a program is built on, and to change by hand which orders are archived';

-- The owner of a type makes casts and checks for it, which run as the program's owner
-- whenever customers are compared, shown or read.
CREATE FUNCTION _loyalty.require_key_type(type regtype)
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
COMMENT ON FUNCTION _loyalty.require_key_type(regtype) IS
'an error unless a type, and what it is a domain of, belongs to the current user or a superuser';

CREATE FUNCTION _loyalty.require_own_tables(program name, relation oid)
RETURNS void
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_require_own_tables';
COMMENT ON FUNCTION _loyalty.require_own_tables(name, oid) IS
'an error if a query on a table, or without one on the customer table, would run code of others as the current user';

-- verify() reads all these views, so each is looked at before, one by one.  What is
-- wrong otherwise, verify() tells itself.
CREATE FUNCTION _loyalty.foreign_code(program name)
RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e record;
BEGIN
	IF to_regclass(format('%I.tracked_table', program)) IS NULL THEN
		RETURN;
	END IF;
	BEGIN
		PERFORM _loyalty.require_key_type(a.atttypid) FROM pg_attribute a
		  WHERE a.attrelid = to_regclass(format('%I.journal', program)) AND a.attname = 'customer';
	EXCEPTION WHEN insufficient_privilege THEN
		RETURN NEXT sqlerrm;
	END;
	FOR e IN EXECUTE format($sql$
		SELECT NULL::oid AS relation UNION SELECT relation FROM %1$I.tracked_table WHERE active
		$sql$, program)
	LOOP
		BEGIN
			PERFORM _loyalty.require_own_tables(program, e.relation);
		EXCEPTION
			WHEN insufficient_privilege OR wrong_object_type THEN
				RETURN NEXT sqlerrm;
			WHEN OTHERS THEN
				NULL;
		END;
	END LOOP;
	FOR e IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind = 'v' ORDER BY 1
	LOOP
		BEGIN
			PERFORM _loyalty.require_own_view(e.oid);
		EXCEPTION
			WHEN insufficient_privilege OR datatype_mismatch OR wrong_object_type THEN
				RETURN NEXT sqlerrm;
			WHEN OTHERS THEN
				NULL;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.foreign_code(name) IS
'what the expressions of a program would run that must not run with the rights of the current user';

-- Note that entries under some versions of the terms are posted.  Nobody waits for who notes
-- it at the same time, so a version may be noted more than once.  Runs as the owner.
CREATE FUNCTION _loyalty.note_posted(program name, versions int[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
BEGIN
	EXECUTE format('INSERT INTO %1$I.posted_terms (version) SELECT v FROM unnest($1) v
	                 WHERE NOT EXISTS (SELECT FROM %1$I.posted_terms p WHERE p.version = v)', program) USING versions;
END
$$;
COMMENT ON FUNCTION _loyalty.note_posted(name, int[]) IS 'note that entries under some versions of the terms are posted';

-- Remove the versions of the terms that nothing is recorded under, so that their rules
-- hold on to nothing.  A version is in force for others until all of them see what the
-- transaction did that replaced it, so one that this transaction replaced stays, and so does one
-- that is in force in an older snapshot, as that of a long report.  Whoever records holds a lock on the
-- journal to the end of his transaction: if there is one, what he records may not be
-- visible yet, and removing waits for another time.  Nobody is made to wait.  Runs as the
-- owner.
CREATE FUNCTION _loyalty.remove_unused_terms(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
SET lock_timeout = '100ms'
SET client_min_messages = warning
AS $$
DECLARE
	journal regclass := format('%I.journal', program);
	unused int;
	src int;
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed'
	   OR EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
	               WHERE l.relation = journal AND l.mode = 'RowExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()) THEN
		RETURN;
	END IF;
	FOR unused IN EXECUTE format('SELECT t.version FROM %1$I.terms t
	                               WHERE NOT EXISTS (SELECT FROM %1$I.posted_terms p WHERE p.version = t.version)
	                                 AND EXISTS (SELECT FROM %1$I.terms w WHERE w.version > t.version AND w.xact <> pg_current_xact_id() AND _loyalty.is_seen_by_all(w.xact))
	                                 AND NOT EXISTS (SELECT FROM %1$I.journal j WHERE j.terms = t.version)
	                               ORDER BY 1', program)
	LOOP
		BEGIN
			FOR src IN EXECUTE format('SELECT tracked_table FROM %I.tracked_table WHERE kind IN (''orders'', ''credits'', ''events'')', program)
			LOOP
				EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('orders', src, unused));
			END LOOP;
			EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('tiers', unused));
			EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('for_members', unused));
			EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('metrics', unused));
			EXECUTE format('UPDATE %I.tracked_table SET definition = definition #- ARRAY[''awards'', $1::text] #- ARRAY[''member'', $1::text] WHERE definition -> ''awards'' ? $1::text', program) USING unused;
			EXECUTE format('DELETE FROM %I.terms_rule WHERE version = $1', program) USING unused;
			EXECUTE format('DELETE FROM %I.terms_tier WHERE version = $1', program) USING unused;
			EXECUTE format('DELETE FROM %I.terms_metric WHERE version = $1', program) USING unused;
			EXECUTE format('DELETE FROM %I.terms_wallet WHERE version = $1', program) USING unused;
			EXECUTE format('DELETE FROM %I.terms WHERE version = $1', program) USING unused;
		EXCEPTION WHEN lock_not_available OR dependent_objects_still_exist THEN
			NULL;		-- somebody reads it, or built on it
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.remove_unused_terms(name) IS
'remove the versions of the terms that were replaced and that nothing is recorded under';

-- The view of a table of orders under new terms, from what that under the terms before says.
-- If it was dropped, with something that it used, the rules are read again, and those that
-- name what is gone are told.
CREATE FUNCTION _loyalty.make_next_view(program name, tracked_table int, before int, version int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation regclass;
	known int;
	detail text;
	hint text;
BEGIN
	IF _loyalty.view_of(program, 'orders', tracked_table, before) IS NULL THEN
		EXECUTE format('SELECT relation FROM %I.tracked_table WHERE tracked_table = $1', program) INTO relation USING tracked_table;
		known := _loyalty.terms_with_view(program, tracked_table, before);
		PERFORM _loyalty.require_views(program, tracked_table, CASE WHEN known IS NULL THEN before END);
		PERFORM _loyalty.define_orders(program, tracked_table, _loyalty.definition_of(program, tracked_table, known), version);
		RETURN;
	END IF;
	EXECUTE format($sql$
		SELECT _loyalty.make_orders_view($1, $2, $4, _loyalty.definition_of($1, $2, $3), coalesce(jsonb_agg(x.expression ORDER BY x.award), '[]'))
		  FROM (SELECT r.award, CASE WHEN b.points = coalesce(r.points, r.multiplier) AND b.applies_when = r.applies_when THEN b.expression
		                        WHEN NOT _loyalty.is_for_table($1, $2, r.event) THEN NULL
		                        ELSE _loyalty.parse_award($1, $2, r.name,
		                             CASE WHEN b.points = coalesce(r.points, r.multiplier) THEN coalesce(p.points, r.points, r.multiplier) ELSE coalesce(r.points, r.multiplier) END,
		                             CASE WHEN b.applies_when = r.applies_when THEN coalesce(p.applies_when, r.applies_when) ELSE r.applies_when END,
		                             r.per) END AS expression
		          FROM %1$I.terms_rule r
		          LEFT JOIN (SELECT o.name, coalesce(o.points, o.multiplier) AS points, o.applies_when, o.per, o.event, a.expression
		                       FROM %1$I.terms_rule o JOIN _loyalty.awards_of($1, $2, $3) a ON a.award = o.award WHERE o.version = $3) b
		            ON b.name = r.name AND b.per = r.per AND b.event IS NOT DISTINCT FROM r.event
		          LEFT JOIN LATERAL _loyalty.present_rule($1, $2, $3, b.name, 'new') p ON true
		         WHERE r.version = $4) x
		$sql$, program) USING program, tracked_table, before, version;
EXCEPTION WHEN syntax_error_or_access_rule_violation OR object_not_in_prerequisite_state THEN
	IF relation IS NULL THEN
		RAISE;
	END IF;
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING 'orders of table "%" are not recorded: %', relation, SQLERRM USING DETAIL = detail, HINT = hint;
END
$$;
COMMENT ON FUNCTION _loyalty.make_next_view(name, int, int, int) IS
'make the view of a table of orders under new terms, or a warning if that of the terms before is lost, and the rules do not hold';

-- What terms are made of, and where each version of it is kept.
CREATE FUNCTION _loyalty.terms_parts()
RETURNS TABLE (configured name, pinned name, columns text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES (name 'earning_rule', name 'terms_rule', 'name, points, multiplier, applies_when, per, starts, ends, minimum_order, every, gives, at_most, rounding, priority, stacking, stacking_group, for_members, bonus, member_limit, limit_unit, limit_period, budget, event, campaign, wallet'),
	       (name 'tier', name 'terms_tier', 'name, rank, qualifies, multiplier'),
	       (name 'metric', name 'terms_metric', 'kind, rating, name, expression, place, steps, bound'),
	       (name 'wallet', name 'terms_wallet', 'wallet, name, available_after, expires, extended, redeem_order, redeemable')
$$;
COMMENT ON FUNCTION _loyalty.terms_parts() IS 'the tables of settings that terms are made of, with the table that has each version of them, and the columns that both have';

-- Is what is configured other than what a version of the terms has?  As an SQL condition.  Of rules, those that stand for campaigns are among them.
CREATE FUNCTION _loyalty.terms_differ_sql(program name, version text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('EXISTS ((SELECT %2$s FROM %3$s c EXCEPT SELECT %2$s FROM %1$I.%4$I r WHERE r.version = %5$s)
		                          UNION ALL (SELECT %2$s FROM %1$I.%4$I r WHERE r.version = %5$s EXCEPT SELECT %2$s FROM %3$s c))',
	                         program, p.columns || CASE WHEN s.rules THEN ', is_campaign' ELSE '' END,
	                         CASE WHEN s.rules THEN format('(%s)', _loyalty.configured_rules_sql(program)) WHEN p.configured = 'metric' THEN format('(%s)', _loyalty.configured_metrics_sql(program))
	                              ELSE format('%I.%I', program, p.configured) END, p.pinned, version), ' OR ')
	  FROM _loyalty.terms_parts() p CROSS JOIN LATERAL (SELECT p.configured = 'earning_rule') s (rules)
$$;
COMMENT ON FUNCTION _loyalty.terms_differ_sql(name, text) IS 'the condition that rules, tiers or wallets are not those of a version of the terms, as SQL';

CREATE FUNCTION _loyalty.pin_wallets(program name, version int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('INSERT INTO %1$I.terms_wallet (version, wallet, name, available_after, expires, extended, redeem_order, redeemable)
	                SELECT $1, wallet, name, available_after, expires, extended, redeem_order, redeemable FROM %1$I.wallet', program) USING version;
END
$$;
COMMENT ON FUNCTION _loyalty.pin_wallets(name, int) IS 'put the wallets as they are into a version of the terms';

-- What stands for campaigns comes first, so that whoever goes through the awards knows of a rule whether its campaign holds.
CREATE FUNCTION _loyalty.pin_rules(program name, version int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		INSERT INTO %1$I.terms_rule (version, award, gate, is_campaign, %2$s)
		WITH numbered AS (SELECT row_number() OVER (ORDER BY NOT c.is_campaign, c.name) AS award, c.* FROM (%3$s) c)
		SELECT $1, award, (SELECT g.award FROM numbered g WHERE g.is_campaign AND NOT n.is_campaign AND g.campaign = n.campaign AND g.event IS NOT DISTINCT FROM n.event), is_campaign, %2$s
		  FROM numbered n
		$sql$, program, (SELECT p.columns FROM _loyalty.terms_parts() p WHERE p.configured = 'earning_rule'), _loyalty.configured_rules_sql(program)) USING version;
END
$$;
COMMENT ON FUNCTION _loyalty.pin_rules(name, int) IS 'put the earning rules as they are into a version of the terms, and what stands there for their campaigns';

-- Terms are versions of everything that decides what an order is worth.  An
-- order keeps the version that it was first recorded under, so a version is
-- written once and never changes.  What its rules say is in the views of the
-- tracked tables; of a rule that did not change, it is what the views of the
-- version before say.
CREATE FUNCTION _loyalty.new_terms()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	before int;
	version int;
	same boolean;
	src record;
BEGIN
	-- a restore brings the versions of the terms as data, in several sessions maybe
	IF current_setting('check_function_bodies') = 'off' THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT terms FROM %I.program FOR UPDATE', tg_table_schema) INTO before;
	IF before IS NULL THEN		-- a restore has not come to this table yet
		RETURN NULL;
	END IF;
	EXECUTE format($sql$
		SELECT EXISTS (SELECT FROM %1$I.terms t JOIN %1$I.program p USING (points_scale, rounding, time_zone, refunds_take, refund_shortfall, returns_paid_points)
		                WHERE t.version = $1) AND NOT (%2$s)
		$sql$, tg_table_schema, _loyalty.terms_differ_sql(tg_table_schema, '$1')) INTO same USING before;
	IF same THEN
		-- what was renamed is shown from now on, though nothing else is to be done
		PERFORM _loyalty.refresh_texts(tg_table_schema) WHERE pg_trigger_depth() = 1;
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT coalesce(max(version), 0) + 1 FROM %I.terms', tg_table_schema) INTO version;
	EXECUTE format($sql$
		INSERT INTO %1$I.terms (version, points_scale, rounding, time_zone, refunds_take, refund_shortfall, returns_paid_points)
		SELECT $1, points_scale, rounding, time_zone, refunds_take, refund_shortfall, returns_paid_points FROM %1$I.program
		$sql$, tg_table_schema) USING version;
	PERFORM _loyalty.pin_rules(tg_table_schema, version);
	EXECUTE format($sql$
		INSERT INTO %1$I.terms_tier (version, name, rank, qualifies, multiplier)
		SELECT $1, name, rank, qualifies, multiplier FROM %1$I.tier
		$sql$, tg_table_schema) USING version;
	PERFORM _loyalty.pin_wallets(tg_table_schema, version);
	PERFORM _loyalty.pin_metrics(tg_table_schema, version);
	PERFORM _loyalty.require_metrics(tg_table_schema, before, version);
	PERFORM _loyalty.require_grades(tg_table_schema, version);
	PERFORM _loyalty.make_next_metrics(tg_table_schema, before, version);

	FOR src IN EXECUTE format('SELECT tracked_table FROM %I.tracked_table WHERE active AND definition IS NULL AND kind IN (''orders'', ''credits'', ''events'') ORDER BY 1', tg_table_schema)
	LOOP
		PERFORM _loyalty.make_next_view(tg_table_schema, src.tracked_table, before, version);
	END LOOP;
	EXECUTE format($sql$
		SELECT _loyalty.make_tiers_view($1, $3, array_agg(x.expression ORDER BY x.rank DESC))
		  FROM (SELECT t.rank, coalesce(b.expression, _loyalty.tier_of_terms($1, $3, t.name, t.qualifies)) AS expression
		          FROM %1$I.terms_tier t
		          LEFT JOIN (SELECT o.name, o.qualifies, v.expression
		                       FROM (SELECT y.*, row_number() OVER (ORDER BY y.rank DESC) AS n FROM %1$I.terms_tier y WHERE y.version = $2) o
		                      CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, 'tiers', $2), NULL, format('tier_%%s', o.n), false) v) b
		            ON (b.name, b.qualifies) = (t.name, t.qualifies)
		         WHERE t.version = $3) x
		$sql$, tg_table_schema) USING tg_table_schema, before, version;
	PERFORM _loyalty.make_next_for_members(tg_table_schema, before, version);
	PERFORM _loyalty.require_no_customer_row(tg_table_schema, version);
	EXECUTE format('UPDATE %I.program SET terms = $1', tg_table_schema) USING version;
	PERFORM _loyalty.renew_metrics(tg_table_schema) WHERE tg_table_name IN ('metric', 'rating', 'rating_step');
	PERFORM _loyalty.refresh_texts(tg_table_schema);
	PERFORM _loyalty.remove_unused_terms(tg_table_schema);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.new_terms() IS
'trigger: write a new version of the terms when rules, tiers or settings changed';
