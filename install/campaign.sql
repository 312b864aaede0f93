-- Campaigns -----------------------------------------------------------------------------
--
-- A campaign is what earning rules that name it have in common: a window, a condition over orders, another one over members, and a
-- budget.  In each version of the terms a campaign is a rule, too, one for orders and one for each kind of events that its rules are for:
-- one that gives 0 points where the campaign holds, and none elsewhere.  The rules of the campaign, whose column "gate" has the number
-- of that one, are evaluated where it gives something, and for the members that it is for.  So all that is known of rules is known of campaigns:
-- views follow renames, entries say in "parts" and "held_rules" whether the campaign held, and verify() proves it.

-- What stands for a campaign in the terms is called like this, and no other rule is.
CREATE FUNCTION _loyalty.gate_name(campaign text, event text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('campaign "%s"', campaign) || CASE WHEN event IS NULL THEN '' ELSE format(' for events "%s"', event) END
$$;
COMMENT ON FUNCTION _loyalty.gate_name(text, text) IS 'the name of the rule that stands for a campaign in the terms, for orders or for events of a kind';

-- The rules that the terms have, by what is configured: those that are written, with the budget of their campaign, and those that stand for campaigns.
CREATE FUNCTION _loyalty.configured_rules_sql(program name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT r.name, r.points, r.multiplier, r.applies_when, r.per, r.starts, r.ends, r.minimum_order, r.every, r.gives, r.at_most, r.rounding, r.priority, r.stacking, r.stacking_group,
		       r.for_members, r.bonus, r.member_limit, r.limit_unit, r.limit_period, coalesce(r.budget, c.budget) AS budget, r.event, r.campaign, r.wallet, false AS is_campaign
		  FROM %1$I.earning_rule r LEFT JOIN %1$I.campaign c ON c.name = r.campaign
		UNION ALL
		SELECT _loyalty.gate_name(c.name, k.event), '(0)::numeric', NULL, c.applies_when, 'order', c.starts, c.ends, NULL, NULL, NULL, NULL, NULL, 0, 'add', NULL,
		       c.for_members, true, NULL, 'points', NULL, NULL, k.event, c.name, NULL, true
		  FROM %1$I.campaign c JOIN (SELECT DISTINCT campaign, event FROM %1$I.earning_rule) k ON k.campaign = c.name
		$sql$, program)
$$;
COMMENT ON FUNCTION _loyalty.configured_rules_sql(name) IS 'the rules that terms have by what is configured, those that stand for campaigns among them, as SQL';

-- A campaign that a rule names is not deleted while that is written.
CREATE FUNCTION _loyalty.find_campaign(program name, rule text, campaign text, OUT applies_when text, OUT for_members text, OUT budget text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_name text;
BEGIN
	IF campaign IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT c.name, c.applies_when, c.for_members, c.budget FROM %I.campaign c WHERE c.name = $1 FOR KEY SHARE', program)
	   INTO found_name, applies_when, for_members, budget USING campaign;
	IF found_name IS NULL THEN
		RAISE EXCEPTION 'there is no campaign "%"', campaign
			USING ERRCODE = 'undefined_object', DETAIL = format('The earning rule "%s" names it.', rule),
			      HINT = format('Make it: INSERT INTO %I.campaign (name, starts, ends) VALUES (%L, ...).', program, campaign);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.find_campaign(name, text, text) IS 'what the campaign says that an earning rule belongs to; nulls if it belongs to none, and an error if there is none of that name';

-- What a rule says must be right by itself, and with what its campaign says.
CREATE FUNCTION _loyalty.require_campaign_rule(program name, r jsonb, campaign_for_members text, campaign_budget text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	what text := _loyalty.rule_label(r ->> 'name');
	for_members text := r ->> 'for_members';
	budget text := r ->> 'budget';
BEGIN
	FOR i IN 1 .. CASE WHEN r ->> 'campaign' IS NULL THEN 1 ELSE 2 END
	LOOP
		PERFORM _loyalty.require_member_rule(what, r ->> 'multiplier' IS NOT NULL, r ->> 'per', for_members, (r ->> 'bonus')::boolean, (r ->> 'member_limit')::numeric, r ->> 'limit_unit', r ->> 'limit_period');
		PERFORM _loyalty.require_budget_rule(program, what, r ->> 'multiplier' IS NOT NULL, for_members, (r ->> 'bonus')::boolean, (r ->> 'member_limit')::numeric, r ->> 'stacking', budget);
		what := format('%s of the campaign "%s"', what, r ->> 'campaign');
		for_members := coalesce(for_members, campaign_for_members);
		budget := coalesce(budget, campaign_budget);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.require_campaign_rule(name, jsonb, text, text) IS
'an error if an earning rule cannot be for some members, a bonus, or have such a limit or budget, by what it says itself or by what its campaign says';

-- The condition of a campaign over orders, or over events of some kinds.  It must hold for each table of these that is tracked where rules of these kinds
-- belong to the campaign, and else for one at least.  What is being written is told with the place of its error.
CREATE FUNCTION _loyalty.check_gate(program name, campaign text, condition text, events text[], has_rules boolean, is_written boolean)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule CONSTANT text := _loyalty.gate_name(campaign, NULL);
	path CONSTANT text := current_setting('loyalty.search_path', true);
	src record;
	misfit record;
	fails boolean := false;
	message text;
	known text;
	parsed text;
	result text;
BEGIN
	-- the first error is told: that of the orders, unless none are tracked
	FOR src IN SELECT t.* FROM unnest(events) k (event) CROSS JOIN LATERAL _loyalty.tables_of_rule(program, 'order', NULL, k.event) t
	            ORDER BY t.relation IS NULL, NOT t.active, k.event IS NOT NULL, t.tracked_table
	LOOP
		BEGIN
			SELECT p.applies_when INTO parsed FROM _loyalty.parse_rule(program, src.tracked_table, rule, '0', condition, 'order', 'new', path, false, is_written AND result IS NULL) p;
			result := coalesce(result, parsed);
		EXCEPTION WHEN OTHERS THEN
			IF NOT fails THEN
				GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, known = PG_EXCEPTION_HINT;
				SELECT src.tracked_table, src.relation, src.active, SQLSTATE AS state, message AS message, known AS known INTO misfit;
				fails := true;
			END IF;
		END;
	END LOOP;
	IF fails AND result IS NULL AND is_written THEN
		-- the same error, at its character
		PERFORM _loyalty.parse_rule(program, misfit.tracked_table, rule, '0', condition, 'order', 'new', path, false, false);
	ELSIF fails AND has_rules THEN
		IF misfit.active OR result IS NULL THEN
			RAISE EXCEPTION 'applies_when of the campaign "%" does not hold for %', campaign, coalesce(format('table "%s"', misfit.relation), 'events that no table has')
				USING ERRCODE = misfit.state, DETAIL = _loyalty.as_sentence(misfit.message),
				      HINT = concat_ws(' ', 'It must hold for each table that rules of the campaign are for.', nullif(misfit.known, ''));
		END IF;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.check_gate(name, text, text, text[], boolean, boolean) IS
'check the condition of a campaign for the tables of orders, with a null among the kinds, and of events of these kinds, and return it with every name qualified';

-- A rule that comes to a campaign: what the campaign says must go with what the rule says, and hold for the tables that the rule is for.
CREATE FUNCTION _loyalty.join_campaign(program name, r jsonb, before jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	c record;
	is_known boolean;
BEGIN
	IF _loyalty.stands_for_campaign(r ->> 'name') THEN
		RAISE EXCEPTION 'an earning rule cannot be named as a campaign is in the terms'
			USING ERRCODE = 'reserved_name', DETAIL = format('Its name is "%s".', r ->> 'name'), HINT = 'Give it a name that does not begin with "campaign" and a quotation mark.';
	END IF;
	IF r ->> 'campaign' IS NOT NULL AND r ->> 'multiplier' IS NOT NULL AND r ->> 'per' = 'line' THEN
		RAISE EXCEPTION 'the earning rule "%" multiplies points of lines, and cannot belong to a campaign', r ->> 'name'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'What it gives is in the points of the rules that it multiplies, so nothing would tell what came of the campaign.',
			      HINT = 'Set campaign to null, or write a rule with points per line that gives the difference.';
	END IF;
	SELECT * INTO c FROM _loyalty.find_campaign(program, r ->> 'name', r ->> 'campaign');
	PERFORM _loyalty.require_campaign_rule(program, r, c.for_members, c.budget);
	IF r ->> 'campaign' IS NULL OR (r ->> 'campaign' = before ->> 'campaign' AND r ->> 'event' IS NOT DISTINCT FROM before ->> 'event') THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.earning_rule e WHERE e.campaign = $1 AND e.event IS NOT DISTINCT FROM $2)', program) INTO is_known USING r ->> 'campaign', r ->> 'event';
	IF NOT is_known THEN
		PERFORM _loyalty.check_gate(program, r ->> 'campaign', c.applies_when, ARRAY[r ->> 'event'], true, false);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.join_campaign(name, jsonb, jsonb) IS 'an error if an earning rule cannot belong to the campaign that it names, or has the name of one';

-- The rules of a campaign that is changed.
CREATE FUNCTION _loyalty.require_campaign_rules(program name, campaign text, for_members text, budget text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r jsonb;
BEGIN
	FOR r IN EXECUTE format('SELECT to_jsonb(e) FROM %I.earning_rule e WHERE e.campaign = $1 ORDER BY e.name', program) USING campaign
	LOOP
		PERFORM _loyalty.require_campaign_rule(program, r, for_members, budget);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.require_campaign_rules(name, text, text, text) IS 'an error if a rule of a campaign does not go with what the campaign says';

-- The kinds of what its rules are for, with a null for orders; of a campaign without rules, all that there are.
CREATE FUNCTION _loyalty.kinds_of_campaign(program name, campaign text, OUT events text[], OUT has_rules boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT array_agg(DISTINCT e.event) FROM %I.earning_rule e WHERE e.campaign = $1', program) INTO events USING campaign;
	has_rules := events IS NOT NULL;
	IF NOT has_rules THEN
		EXECUTE format('SELECT array_agg(DISTINCT s.event) || NULL::text FROM %I.tracked_table s WHERE s.event IS NOT NULL', program) INTO events;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.kinds_of_campaign(name, text) IS 'the kinds of events that the rules of a campaign are for, with a null for orders; of one without rules, all that are tracked';

-- What a campaign says beside its conditions.
CREATE FUNCTION _loyalty.require_campaign(program name, campaign text, starts timestamptz, ends timestamptz, for_members text, budget text, cost_per_point numeric)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	what CONSTANT text := format('campaign "%s"', campaign);
BEGIN
	PERFORM _loyalty.require_short_name('a campaign', campaign);
	IF btrim(campaign) = '' THEN
		RAISE EXCEPTION 'name of a campaign must not be empty' USING ERRCODE = 'invalid_parameter_value';
	ELSIF starts >= ends THEN
		RAISE EXCEPTION 'the % must end after it starts', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It starts at %s and ends at %s.', starts, ends);
	ELSIF for_members IS NOT NULL AND budget IS NOT NULL THEN
		RAISE EXCEPTION 'the % has a budget, and must be for all members', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Who it is for is not known when an order is recorded, and what is left of the budget must be.', HINT = 'Set for_members or budget to null.';
	ELSIF NOT _loyalty.has_budget(program, budget) AND budget IS NOT NULL THEN
		RAISE EXCEPTION 'there is no budget "%"', budget
			USING ERRCODE = 'undefined_object', DETAIL = format('The %s names it.', what),
			      HINT = format('Make it: INSERT INTO %I.budget (name, points) VALUES (%L, ...).', program, budget);
	END IF;
	PERFORM _loyalty.require_number(format('cost_per_point of the %s', what), cost_per_point, true, NULL, NULL);
END
$$;
COMMENT ON FUNCTION _loyalty.require_campaign(name, text, timestamptz, timestamptz, text, text, numeric) IS 'an error if what a campaign says beside its conditions is no campaign';

-- What rules name cannot go, nor be called otherwise, since what is recorded names it.
CREATE FUNCTION _loyalty.require_unused_campaign(program name, campaign text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule CONSTANT text := _loyalty.answer(format('SELECT min(r.name) FROM %I.earning_rule r WHERE r.campaign = $1', program), campaign);
BEGIN
	IF rule IS NOT NULL THEN
		RAISE EXCEPTION 'the campaign "%" is in use', campaign
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = format('The earning rule "%s" belongs to it.', rule),
			      HINT = 'Delete that rule, or set its campaign to null, before; or let the campaign end: set its ends to now().';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_unused_campaign(name, text) IS 'an error if an earning rule belongs to a campaign';

CREATE FUNCTION _loyalty.check_campaign()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kinds record;
BEGIN
	IF tg_op = 'TRUNCATE' THEN
		RAISE EXCEPTION 'campaigns cannot be deleted all at once'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('Delete those to which no earning rule belongs by their name, with DELETE FROM %I.campaign.', tg_table_schema);
	ELSIF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN coalesce(NEW, OLD);		-- a restore, or what was renamed: see _loyalty.refresh_texts()
	ELSIF tg_op = 'DELETE' THEN
		PERFORM _loyalty.require_unused_campaign(tg_table_schema, OLD.name);
		RETURN OLD;
	ELSIF NEW.name IS NULL OR NEW.applies_when IS NULL THEN
		RETURN NEW;		-- which the table refuses
	ELSIF tg_op = 'UPDATE' AND NEW.name <> OLD.name THEN
		RAISE EXCEPTION 'the campaign "%" cannot be renamed', OLD.name
			USING ERRCODE = 'feature_not_supported', DETAIL = 'Terms name it under which orders are recorded.', HINT = 'Make another one, and let rules belong to that.';
	END IF;
	PERFORM _loyalty.require_campaign(tg_table_schema, NEW.name, NEW.starts, NEW.ends, NEW.for_members, NEW.budget, NEW.cost_per_point);
	PERFORM _loyalty.tell_of_midnight(tg_table_schema, format('starts of the campaign "%s"', NEW.name), NEW.starts, OLD.starts);
	PERFORM _loyalty.tell_of_midnight(tg_table_schema, format('ends of the campaign "%s"', NEW.name), NEW.ends, OLD.ends);
	IF tg_op = 'UPDATE' AND (NEW.for_members, NEW.budget) IS DISTINCT FROM (OLD.for_members, OLD.budget) THEN
		PERFORM _loyalty.require_campaign_rules(tg_table_schema, NEW.name, NEW.for_members, NEW.budget);
	END IF;
	IF tg_op = 'UPDATE' AND (NEW.applies_when, NEW.for_members) IS DISTINCT FROM (OLD.applies_when, OLD.for_members) THEN
		PERFORM _loyalty.refuse_outdated(tg_table_schema, x.what, x.stored, x.written, x.present)
		   FROM (SELECT p.* FROM _loyalty.present_rules(tg_table_schema, _loyalty.answer(format('SELECT p.terms FROM %I.program p WHERE $1 IS NOT NULL', tg_table_schema), NEW.name)::int) p
		          WHERE starts_with(p.name, _loyalty.gate_name(NEW.name, NULL)) ORDER BY p.name COLLATE "C" LIMIT 1) p
		  CROSS JOIN LATERAL (VALUES ('applies_when', OLD.applies_when, NEW.applies_when, p.applies_when), ('for_members', OLD.for_members, NEW.for_members, p.for_members)) v (said, stored, written, present)
		  CROSS JOIN LATERAL (SELECT format('%s of the campaign "%s"', v.said, NEW.name) AS what, v.stored, v.written, v.present) x;
	END IF;
	IF tg_op = 'INSERT' OR NEW.for_members IS DISTINCT FROM OLD.for_members THEN
		NEW.for_members := CASE WHEN NEW.for_members IS NOT NULL THEN
		                             _loyalty.parse_for_members(tg_table_schema, _loyalty.gate_name(NEW.name, NULL), NEW.for_members, current_setting('loyalty.search_path', true), true) END;
	END IF;
	IF tg_op = 'INSERT' OR NEW.applies_when <> OLD.applies_when THEN
		SELECT * INTO kinds FROM _loyalty.kinds_of_campaign(tg_table_schema, NEW.name);
		NEW.applies_when := _loyalty.check_gate(tg_table_schema, NEW.name, NEW.applies_when, kinds.events, kinds.has_rules, true);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_campaign() IS 'trigger: check a campaign, and store its conditions with every name qualified';

-- What is shown of a condition of a campaign, after renames; of all that stands for it, before the campaign, whose trigger compares them.
CREATE FUNCTION _loyalty.refresh_campaign(program name, newest int, campaign text, "column" name, condition text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
BEGIN
	EXECUTE format('UPDATE %I.terms_rule SET %I = $1 WHERE version = $2 AND campaign = $3 AND is_campaign', program, "column") USING condition, newest, campaign;
	EXECUTE format('UPDATE %I.campaign SET %I = $1 WHERE name = $2', program, "column") USING condition, campaign;
END
$$;
COMMENT ON FUNCTION _loyalty.refresh_campaign(name, int, text, name, text) IS 'bring a condition of a campaign up to what the views of the terms in force say, after renames';
