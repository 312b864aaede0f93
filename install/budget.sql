-- Budgets of earning rules ------------------------------------------------------------------
--
-- A rule may name a budget, which is how many points all rules that name it give to all members together.  How much of
-- it there is must be known when an order is recorded, so what such a rule gives is known then: it is a bonus for all
-- members, and no exclusive rule leaves it out.  The entry has it in its column "allotted" (src/record/budgets.c).

CREATE FUNCTION _loyalty.has_budget(program name, budget text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.answer(format('SELECT EXISTS (SELECT FROM %I.budget b WHERE b.name = $1)', program), budget)::boolean
$$;
COMMENT ON FUNCTION _loyalty.has_budget(name, text) IS 'is there a budget of that name?';

CREATE FUNCTION _loyalty.require_budget_rule(program name, what text, has_multiplier boolean, for_members text, bonus boolean, member_limit numeric, stacking text, budget text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF budget IS NULL THEN
		RETURN;
	ELSIF has_multiplier THEN
		RAISE EXCEPTION 'the % is a multiplier, which gives no points of its own that a budget could be about', what
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Set budget of the rules whose points it multiplies, or write a rule with points that gives the difference.';
	ELSIF NOT bonus THEN
		RAISE EXCEPTION 'the % has a budget, and must be a bonus', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'By how much a tier or a multiplier multiplies its points is not known when an order is recorded, and what is left of the budget must be.',
			      HINT = 'Set bonus to true.';
	ELSIF for_members IS NOT NULL OR member_limit IS NOT NULL THEN
		RAISE EXCEPTION 'the % has a budget, and must be for all members and without a limit per member', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Who it is for, and what is left of the limit of a member, is not known when an order is recorded.',
			      HINT = 'Set for_members and member_limit to null, or budget.';
	ELSIF stacking <> 'add' THEN
		RAISE EXCEPTION 'the % has a budget, and its stacking must be "add"', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is "%s".', stacking), HINT = 'What a rule with a budget gives is given beside all others.';
	ELSIF NOT _loyalty.has_budget(program, budget) THEN
		RAISE EXCEPTION 'there is no budget "%"', budget
			USING ERRCODE = 'undefined_object', DETAIL = format('The %s names it.', what),
			      HINT = format('Make it: INSERT INTO %I.budget (name, points) VALUES (%L, ...).', program, budget);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_budget_rule(name, text, boolean, text, boolean, numeric, text, text) IS 'an error if an earning rule cannot have such a budget';

CREATE FUNCTION _loyalty.names_budget(program name, budget text)
RETURNS text
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.answer(format('SELECT coalesce((SELECT format(''earning rule "%%s"'', min(r.name)) FROM %1$I.earning_rule r WHERE r.budget = $1 HAVING count(*) > 0),
	                                               (SELECT format(''campaign "%%s"'', min(c.name)) FROM %1$I.campaign c WHERE c.budget = $1 HAVING count(*) > 0))', program), budget)
$$;
COMMENT ON FUNCTION _loyalty.names_budget(name, text) IS 'a rule, or a campaign, that names a budget; null: none does';

-- A row is locked by then, so what orders have of it is what its column says.
CREATE FUNCTION _loyalty.check_budget()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule text;
	counted numeric := 0;
BEGIN
	IF tg_op = 'TRUNCATE' THEN
		RAISE EXCEPTION 'budgets cannot be deleted all at once'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('Delete those that no order has points of by their name, with DELETE FROM %I.budget.', tg_table_schema);
	ELSIF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN coalesce(NEW, OLD);		-- a restore, or a count
	ELSIF tg_op = 'DELETE' THEN
		rule := _loyalty.names_budget(tg_table_schema, OLD.name);
		IF rule IS NOT NULL OR OLD.given <> 0 THEN
			RAISE EXCEPTION 'the budget "%" is in use', OLD.name
				USING ERRCODE = 'dependent_objects_still_exist',
				      DETAIL = CASE WHEN rule IS NOT NULL THEN format('The %s has it.', rule) ELSE format('Orders have %s points of it.', trim_scale(OLD.given)) END,
				      HINT = CASE WHEN rule IS NULL THEN format('So that it gives nothing more: UPDATE %I.budget SET points = 0 WHERE name = %L.', tg_table_schema, OLD.name) WHEN _loyalty.stands_for_campaign(rule) THEN 'Change that campaign before.' ELSE 'Change that rule before.' END;
		END IF;
		RETURN OLD;
	END IF;
	IF tg_op = 'UPDATE' THEN
		counted := OLD.given;
	END IF;
	PERFORM _loyalty.require_given(ARRAY['name of a budget', 'points of the budget'], ARRAY[NEW.name IS NULL, NEW.points IS NULL]);
	PERFORM _loyalty.require_short_name('a budget', NEW.name);
	IF btrim(NEW.name) = '' THEN
		RAISE EXCEPTION 'name of a budget must not be empty' USING ERRCODE = 'invalid_parameter_value';
	ELSIF tg_op = 'UPDATE' AND NEW.name <> OLD.name THEN
		RAISE EXCEPTION 'the budget "%" cannot be renamed', OLD.name
			USING ERRCODE = 'feature_not_supported', DETAIL = 'Terms name it under which orders are recorded.', HINT = 'Make another one, and let rules have that.';
	ELSIF NEW.given IS DISTINCT FROM counted THEN
		RAISE EXCEPTION 'given of the budget "%" is counted by what orders have of it', NEW.name
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s, and was to be %s.', counted, coalesce(NEW.given::text, 'null')),
			      HINT = 'Change points, which is how many there are in all.';
	END IF;
	PERFORM _loyalty.require_number(format('points of the budget "%s"', NEW.name), NEW.points, true, NULL, NULL);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_budget() IS 'trigger: check a budget, and keep what was given of it';

-- One rule after the other, as they may share a budget.
CREATE FUNCTION _loyalty.allotted_now(program name, terms int, parts numeric[])
RETURNS numeric[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
	result numeric[] := array_fill(NULL::numeric, ARRAY[cardinality(parts)]);
	taken jsonb := '{}';
	used numeric;
BEGIN
	FOR r IN EXECUTE format('SELECT s.award, s.budget, s.points_scale, greatest(coalesce(b.points - b.given, 0), 0) AS free FROM _loyalty.stacked_rules($1, $2) s LEFT JOIN %I.budget b ON b.name = s.budget
	                          WHERE s.budget IS NOT NULL ORDER BY s.place', program) USING program, terms
	LOOP
		CONTINUE WHEN parts[r.award] IS NULL;
		used := coalesce((taken ->> r.budget)::numeric, 0);
		result[r.award] := least(_loyalty.round_points(program, terms, parts[r.award]), trunc(r.free - used, r.points_scale));
		taken := taken || jsonb_build_object(r.budget, used + greatest(result[r.award], 0));
	END LOOP;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.allotted_now(name, int, numeric[]) IS 'what rules would give to a new order of these parts out of what is left of their budgets';

-- What orders have of each budget, by their newest entries, as SQL.
CREATE FUNCTION _loyalty.given_of_budgets_sql(program name)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT r.budget, sum(greatest(o.allotted[r.award], 0)) AS points
	                 FROM %1$I.recorded_orders o JOIN %1$I.terms_rule r ON r.version = o.terms
	                WHERE o.allotted IS NOT NULL AND r.budget IS NOT NULL GROUP BY r.budget', program)
$$;
COMMENT ON FUNCTION _loyalty.given_of_budgets_sql(name) IS 'what orders have of each budget, as SQL';

-- Nobody records meanwhile, since reconcile has locked the tables of orders.
CREATE FUNCTION _loyalty.count_budgets(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- the trigger of the table lets this change pass
AS $$
BEGIN
	EXECUTE format('UPDATE %1$I.budget b SET given = coalesce(g.points, 0) FROM %1$I.budget x LEFT JOIN (%2$s) g ON g.budget = x.name COLLATE "C"
	                 WHERE b.name = x.name AND b.given <> coalesce(g.points, 0)', program, _loyalty.given_of_budgets_sql(program));
END
$$;
COMMENT ON FUNCTION _loyalty.count_budgets(name) IS 'count anew what was given out of each budget';
