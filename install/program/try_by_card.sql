-- kind: functions
-- operate: EXECUTE
-- The calls by card, with the same arguments, but an outcome in place of the errors that an application has to expect,
-- those of the card among them.

CREATE OR REPLACE FUNCTION @schema@.try_redeem_by_card(card text, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('redeem', @settings@::regclass, @schema@.customer_of(card), reference, points => points, reason => reason, wallet => wallet,
	                         pays_for => pays_for, pays_table => _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_redeem_by_card(text, numeric, text, text, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_redeem_by_card(text, numeric, text, text, text, text, regclass) IS
'spend points of the customer whose card it is like redeem_by_card, and say what became of it: the points, or why not';

CREATE OR REPLACE FUNCTION @schema@.try_grant_points_by_card(card text, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('grant_points', @settings@::regclass, @schema@.customer_of(card), reference, points => points, reason => reason, wallet => wallet);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_grant_points_by_card(text, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_grant_points_by_card(text, numeric, text, text, text) IS
'give points to the customer whose card it is like grant_points_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_adjust_by_card(card text, points numeric, reference text, reason text, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('adjust', @settings@::regclass, @schema@.customer_of(card), reference, points => points, reason => reason, wallet => wallet);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_adjust_by_card(text, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_adjust_by_card(text, numeric, text, text, text) IS
'correct the points of the customer whose card it is like adjust_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_reverse_by_card(card text, reverses text, points numeric DEFAULT NULL, reference text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('reverse', @settings@::regclass, @schema@.customer_of(card, true), reference, points => points, reverses => reverses, reason => reason);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_reverse_by_card(text, text, numeric, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_reverse_by_card(text, text, numeric, text, text) IS
'take back what a call did like reverse_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_hold_by_card(card text, points numeric, reference text, until timestamptz DEFAULT 'infinity', reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('hold', @settings@::regclass, @schema@.customer_of(card), reference, points => points, until => until, reason => reason, wallet => wallet);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_hold_by_card(text, numeric, text, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_hold_by_card(text, numeric, text, timestamptz, text, text) IS
'keep points of the customer whose card it is like hold_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_capture_by_card(card text, reference text, points numeric DEFAULT NULL, reason text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('capture', @settings@::regclass, @schema@.customer_of(card, true), reference, points => points, reason => reason,
	                         pays_for => pays_for, pays_table => _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_capture_by_card(text, text, numeric, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_capture_by_card(text, text, numeric, text, text, regclass) IS
'spend what a hold keeps like capture_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_release_by_card(card text, reference text, reason text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('release', @settings@::regclass, @schema@.customer_of(card, true), reference, reason => reason);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_release_by_card(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_release_by_card(text, text, text) IS
'end a hold without spending it like release_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_transfer_by_card(card text, recipient_card text, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
BEGIN
	RETURN _loyalty.try_call('transfer', @settings@::regclass, @schema@.customer_of(card), reference, points => points, reason => reason, recipient => @schema@.customer_of(recipient_card), wallet => wallet);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_transfer_by_card(text, text, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_transfer_by_card(text, text, numeric, text, text, text) IS
'give points to the customer of another card like transfer_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_merge_by_card(card text, survivor_card text, reference text, reason text DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.outcome;
	customer @key_type@;
	survivor @key_type@;
BEGIN
	customer := @schema@.customer_of(card);
	survivor := @schema@.customer_of(survivor_card);
	-- repeated, it is about the customer whose card it was before
	IF customer @eq@ survivor THEN
		SELECT c.customer INTO customer FROM @schema@.member_card c WHERE c.card = _loyalty.card_number(try_merge_by_card.card);
	END IF;
	RETURN _loyalty.try_call('merge', @settings@::regclass, customer, reference, reason => reason, recipient => survivor);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_merge_by_card(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_merge_by_card(text, text, text, text) IS
'make two customers one like merge_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_redeem_reward_by_card(card text, reward text, reference text, quantity int DEFAULT 1, amount numeric DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.reward_outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.reward_outcome;
BEGIN
	RETURN _loyalty.try_redeem_reward(@settings@::regclass, @schema@.customer_of(card), reward, reference, quantity, amount, reason);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_redeem_reward_by_card(text, text, text, int, numeric, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_redeem_reward_by_card(text, text, text, int, numeric, text) IS
'spend points of the customer whose card it is for a reward like redeem_reward_by_card, and say what became of it';

CREATE OR REPLACE FUNCTION @schema@.try_redeem_voucher_by_card(card text, code text, reference text, amount numeric DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.voucher_outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	outcome loyalty.voucher_outcome;
BEGIN
	RETURN _loyalty.try_redeem_voucher(@settings@::regclass, code, reference, amount, @schema@.customer_of(card), reason);
EXCEPTION WHEN SQLSTATE 'LY010' OR SQLSTATE 'LY011' OR SQLSTATE 'LY012' OR SQLSTATE 'LY013' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	RETURN outcome;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.try_redeem_voucher_by_card(text, text, text, numeric, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.try_redeem_voucher_by_card(text, text, text, numeric, text) IS
'spend what a voucher is worth like redeem_voucher_by_card, and say what became of it';
