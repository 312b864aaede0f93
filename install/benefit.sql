-- Benefits of tiers ----------------------------------------------------------------------

CREATE FUNCTION _loyalty.check_benefit()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tiers text;
	is_known boolean;
BEGIN
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' OR NEW.tier IS NULL THEN
		RETURN NEW;		-- nulls are refused by the table
	END IF;
	EXECUTE format('SELECT coalesce(bool_or(t.name = $1), false), string_agg(format(''"%%s"'', t.name), '', '' ORDER BY t.rank) FROM %I.tier t', tg_table_schema)
	   INTO is_known, tiers USING NEW.tier;
	IF NOT is_known THEN
		RAISE EXCEPTION 'there is no tier "%"', NEW.tier
			USING ERRCODE = 'undefined_object', DETAIL = format('There are %s.', coalesce(tiers, 'none')), HINT = format('Insert it into the table %I.tier first.', tg_table_schema);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_benefit() IS 'trigger: check a benefit of a tier';

CREATE FUNCTION _loyalty.price_for(settings regclass, customer anyelement, amount numeric)
RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	discount numeric;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'price_for');
	PERFORM _loyalty.require_number('amount', amount, true, NULL, NULL);
	EXECUTE format('SELECT max(b.discount) FROM %1$I.benefit b WHERE b.tier = (SELECT f.tier FROM %1$I.members f WHERE %2$s)', p.program, _loyalty.is_member(settings, p.program, customer, p.is_customer, p.customer_type))
	   INTO discount USING customer;
	RETURN round(amount * (100 - coalesce(discount, 0)) * 0.01, p.amount_scale);
END
$$;
COMMENT ON FUNCTION _loyalty.price_for(regclass, anyelement, numeric) IS 'what the function price_for of a program does, for its owner';
