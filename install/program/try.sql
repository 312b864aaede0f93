-- kind: functions
-- operate: EXECUTE
-- The calls, with the same arguments, but an outcome in place of the errors that an application has to expect.

CREATE OR REPLACE FUNCTION @schema@.try_redeem(customer @argument_type@, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('redeem', @settings@::regclass, customer, reference, points => points, reason => reason, wallet => wallet,
	                         pays_for => pays_for, pays_table => _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_redeem(@argument_type@, numeric, text, text, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_redeem(@argument_type@, numeric, text, text, text, text, regclass) IS
'spend points of a customer like redeem, and say what became of it: the points, or why not';

CREATE OR REPLACE FUNCTION @schema@.try_grant_points(customer @argument_type@, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('grant_points', @settings@::regclass, customer, reference, points => points, reason => reason, wallet => wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_grant_points(@argument_type@, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_grant_points(@argument_type@, numeric, text, text, text) IS
'give a customer points like grant_points, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_adjust(customer @argument_type@, points numeric, reference text, reason text, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('adjust', @settings@::regclass, customer, reference, points => points, reason => reason, wallet => wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_adjust(@argument_type@, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_adjust(@argument_type@, numeric, text, text, text) IS
'correct the points of a customer like adjust, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_reverse(customer @argument_type@, reverses text, points numeric DEFAULT NULL, reference text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('reverse', @settings@::regclass, customer, reference, points => points, reverses => reverses, reason => reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_reverse(@argument_type@, text, numeric, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_reverse(@argument_type@, text, numeric, text, text) IS
'take back what a call with a reference did like reverse, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_hold(customer @argument_type@, points numeric, reference text, until timestamptz DEFAULT 'infinity', reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('hold', @settings@::regclass, customer, reference, points => points, until => until, reason => reason, wallet => wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_hold(@argument_type@, numeric, text, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_hold(@argument_type@, numeric, text, timestamptz, text, text) IS
'keep points of a customer for a purpose like hold, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_capture(customer @argument_type@, reference text, points numeric DEFAULT NULL, reason text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('capture', @settings@::regclass, customer, reference, points => points, reason => reason,
	                         pays_for => pays_for, pays_table => _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_capture(@argument_type@, text, numeric, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_capture(@argument_type@, text, numeric, text, text, regclass) IS
'spend what a hold keeps like capture, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_release(customer @argument_type@, reference text, reason text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('release', @settings@::regclass, customer, reference, reason => reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_release(@argument_type@, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_release(@argument_type@, text, text) IS
'end a hold without spending it like release, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_transfer(customer @argument_type@, recipient @argument_type@, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('transfer', @settings@::regclass, customer, reference, points => points, reason => reason, recipient => recipient, wallet => wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_transfer(@argument_type@, @argument_type@, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_transfer(@argument_type@, @argument_type@, numeric, text, text, text) IS
'give points of a customer to another one like transfer, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_merge(customer @argument_type@, survivor @argument_type@, reference text, reason text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_call('merge', @settings@::regclass, customer, reference, reason => reason, recipient => survivor);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_merge(@argument_type@, @argument_type@, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_merge(@argument_type@, @argument_type@, text, text) IS
'make a customer one with another like merge, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_redeem_reward(customer @argument_type@, reward text, reference text, quantity int DEFAULT 1, amount numeric DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.reward_outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_redeem_reward(@settings@::regclass, customer, reward, reference, quantity, amount, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_redeem_reward(@argument_type@, text, text, int, numeric, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_redeem_reward(@argument_type@, text, text, int, numeric, text) IS
'spend points of a customer for a reward like redeem_reward, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_redeem_voucher(code text, reference text, amount numeric DEFAULT NULL, customer @optional_argument_type@ DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.voucher_outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.try_redeem_voucher(@settings@::regclass, code, reference, amount, customer, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_redeem_voucher(text, text, numeric, @optional_argument_type@, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_redeem_voucher(text, text, numeric, @optional_argument_type@, text) IS
'spend what a voucher is worth like redeem_voucher, and say what became of it';
