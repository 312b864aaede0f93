-- kind: functions
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.tier_history(customer @argument_type@)
RETURNS SETOF loyalty.tier_period
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.tier_periods(@settings@::regclass, customer);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.tier_history(@argument_type@) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.tier_history(@argument_type@) IS
'which tiers a customer held from when to when, by the present tiers and all that is known now, one after the other without a gap; as tier_at tells of each moment';

CREATE OR REPLACE FUNCTION @schema@.timeline(customer @argument_type@, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS SETOF loyalty.timeline_entry
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.timeline(@settings@::regclass, customer, since, until);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.timeline(@argument_type@, timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.timeline(@argument_type@, timestamptz, timestamptz) IS
'all that happened to a customer from one moment on and before another: orders, events, calls, what time did to points, and changes of the tier, in one list';

CREATE OR REPLACE FUNCTION @schema@.tier_history_by_card(card text)
RETURNS SETOF loyalty.tier_period
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.tier_periods(@settings@::regclass, @schema@.customer_of(card, true));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.tier_history_by_card(text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.tier_history_by_card(text) IS
'which tiers the customer held whose card it is, or was, like tier_history';

CREATE OR REPLACE FUNCTION @schema@.timeline_by_card(card text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS SETOF loyalty.timeline_entry
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.timeline(@settings@::regclass, @schema@.customer_of(card, true), since, until);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.timeline_by_card(text, timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.timeline_by_card(text, timestamptz, timestamptz) IS
'all that happened to the customer whose card it is, or was, like timeline';
