-- kind: functions
-- What is asked for a customer by the number of a card.  A card that was replaced spends nothing, and begins nothing else; but
-- what was begun with it can be ended, or taken back, and it tells of its customer.
--
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.balance_by_card(card text, at timestamptz DEFAULT NULL)
RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM @schema@.customer_of(card, true);
	-- of a moment before a merge, each of both is asked for by the key that he had
	RETURN _loyalty.balance(@settings@::regclass, (SELECT c.customer FROM @schema@.member_card c WHERE c.card = _loyalty.card_number(balance_by_card.card)), at);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.balance_by_card(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.balance_by_card(text, timestamptz) IS
'points of the customer whose card it is, or was: all that is recorded, or what was effective at a moment, like balance';

CREATE OR REPLACE FUNCTION @schema@.balances_by_card(card text)
RETURNS loyalty.balances
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.balances(@settings@::regclass, @schema@.customer_of(card, true));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.balances_by_card(text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.balances_by_card(text) IS
'points of the customer whose card it is, or was, as a row, like balances';

CREATE OR REPLACE FUNCTION @schema@.tier_at_by_card(card text, at timestamptz DEFAULT now())
RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.tier_at(@settings@::regclass, @schema@.customer_of(card, true), at);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.tier_at_by_card(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.tier_at_by_card(text, timestamptz) IS
'tier of the customer whose card it is, or was, like tier_at';

CREATE OR REPLACE FUNCTION @schema@.member_at_by_card(card text, at timestamptz, known_at timestamptz DEFAULT 'infinity')
RETURNS loyalty.member
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN @schema@.member_at(@schema@.customer_of(card, true), at, known_at);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.member_at_by_card(text, timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.member_at_by_card(text, timestamptz, timestamptz) IS
'what was told of the customer whose card it is, or was, as of a moment, like member_at';

CREATE OR REPLACE FUNCTION @schema@.lots_at_by_card(card text, at timestamptz, known_at timestamptz DEFAULT 'infinity')
RETURNS TABLE (wallet text, available_at timestamptz, expires_at timestamptz, points numeric, state text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM @schema@.lots_at(@schema@.customer_of(card, true), at, known_at);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.lots_at_by_card(text, timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.lots_at_by_card(text, timestamptz, timestamptz) IS
'points of the customer whose card it is, or was, by when they are available and expire, as of a moment, like lots_at';

CREATE OR REPLACE FUNCTION @schema@.quote_by_card(card text, amount numeric, points numeric DEFAULT NULL, payable numeric DEFAULT NULL)
RETURNS loyalty.quote
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.quote(@settings@::regclass, @schema@.customer_of(card, true), amount, points, payable);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.quote_by_card(text, numeric, numeric, numeric) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.quote_by_card(text, numeric, numeric, numeric) IS
'how many points of the customer whose card it is, or was, may pay for an order, like quote';

CREATE OR REPLACE FUNCTION @schema@.rewards_for_by_card(card text)
RETURNS SETOF loyalty.reward_offer
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.rewards_for(@settings@::regclass, @schema@.customer_of(card, true));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.rewards_for_by_card(text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.rewards_for_by_card(text) IS
'the rewards that there are for the customer whose card it is, or was, like rewards_for';

CREATE OR REPLACE FUNCTION @schema@.voucher_status_by_card(card text, code text)
RETURNS loyalty.voucher_state
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.voucher_status(@settings@::regclass, code, @schema@.customer_of(card, true));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.voucher_status_by_card(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.voucher_status_by_card(text, text) IS
'is a code valid for the customer whose card it is, or was, like voucher_status';

-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.redeem_by_card(card text, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.redeem(@settings@::regclass, @schema@.customer_of(card), points, reference, reason, wallet, pays_for, _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.redeem_by_card(text, numeric, text, text, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.redeem_by_card(text, numeric, text, text, text, text, regclass) IS
'spend points of the customer whose card it is, like redeem';

CREATE OR REPLACE FUNCTION @schema@.grant_points_by_card(card text, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.grant_points(@settings@::regclass, @schema@.customer_of(card), points, reference, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.grant_points_by_card(text, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.grant_points_by_card(text, numeric, text, text, text) IS
'give points that no order earns to the customer whose card it is, like grant_points';

CREATE OR REPLACE FUNCTION @schema@.adjust_by_card(card text, points numeric, reference text, reason text, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.adjust(@settings@::regclass, @schema@.customer_of(card), points, reference, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.adjust_by_card(text, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.adjust_by_card(text, numeric, text, text, text) IS
'correct the points of the customer whose card it is, up or down, like adjust';

CREATE OR REPLACE FUNCTION @schema@.hold_by_card(card text, points numeric, reference text, until timestamptz DEFAULT 'infinity', reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.hold(@settings@::regclass, @schema@.customer_of(card), points, reference, until, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.hold_by_card(text, numeric, text, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.hold_by_card(text, numeric, text, timestamptz, text, text) IS
'keep points of the customer whose card it is for a purpose, like hold';

CREATE OR REPLACE FUNCTION @schema@.capture_by_card(card text, reference text, points numeric DEFAULT NULL, reason text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.capture(@settings@::regclass, @schema@.customer_of(card, true), reference, points, reason, pays_for, _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.capture_by_card(text, text, numeric, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.capture_by_card(text, text, numeric, text, text, regclass) IS
'spend what a hold of the customer keeps whose card it is, or was, like capture';

CREATE OR REPLACE FUNCTION @schema@.release_by_card(card text, reference text, reason text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.release(@settings@::regclass, @schema@.customer_of(card, true), reference, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.release_by_card(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.release_by_card(text, text, text) IS
'end a hold of the customer whose card it is, or was, like release';

CREATE OR REPLACE FUNCTION @schema@.reverse_by_card(card text, reverses text, points numeric DEFAULT NULL, reference text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.reverse_call(@settings@::regclass, @schema@.customer_of(card, true), reverses, points, reference, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.reverse_by_card(text, text, numeric, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.reverse_by_card(text, text, numeric, text, text) IS
'take back what a call did for the customer whose card it is, or was, like reverse';

CREATE OR REPLACE FUNCTION @schema@.transfer_by_card(card text, recipient_card text, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.transfer(@settings@::regclass, @schema@.customer_of(card), @schema@.customer_of(recipient_card), points, reference, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.transfer_by_card(text, text, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.transfer_by_card(text, text, numeric, text, text, text) IS
'give points of the customer whose card it is to the one whose card the other is, like transfer';

CREATE OR REPLACE FUNCTION @schema@.merge_by_card(card text, survivor_card text, reference text, reason text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	customer @key_type@ := @schema@.customer_of(card);
	survivor CONSTANT @key_type@ := @schema@.customer_of(survivor_card);
BEGIN
	-- repeated, it is about the customer whose card it was before
	IF customer @eq@ survivor THEN
		SELECT c.customer INTO customer FROM @schema@.member_card c WHERE c.card = _loyalty.card_number(merge_by_card.card);
	END IF;
	RETURN _loyalty.merge(@settings@::regclass, customer, survivor, reference, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.merge_by_card(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.merge_by_card(text, text, text, text) IS
'make the customer whose card it is one with the one whose card the other is, like merge';

CREATE OR REPLACE FUNCTION @schema@.redeem_reward_by_card(card text, reward text, reference text, quantity int DEFAULT 1, amount numeric DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.reward_receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.redeem_reward(@settings@::regclass, @schema@.customer_of(card), reward, reference, quantity, amount, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.redeem_reward_by_card(text, text, text, int, numeric, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.redeem_reward_by_card(text, text, text, int, numeric, text) IS
'spend points of the customer whose card it is for pieces of a reward, like redeem_reward';

CREATE OR REPLACE FUNCTION @schema@.issue_voucher_by_card(card text, amount numeric, reference text, expires_at timestamptz DEFAULT 'infinity', campaign text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT i.code FROM _loyalty.issue_vouchers(@settings@::regclass, 1, amount, reference, @schema@.customer_of(card), expires_at, campaign, reason) i (code));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.issue_voucher_by_card(text, numeric, text, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.issue_voucher_by_card(text, numeric, text, timestamptz, text, text) IS
'make a voucher for the customer whose card it is, like issue_voucher';

CREATE OR REPLACE FUNCTION @schema@.redeem_voucher_by_card(card text, code text, reference text, amount numeric DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.voucher_receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.redeem_voucher(@settings@::regclass, code, reference, amount, @schema@.customer_of(card), reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.redeem_voucher_by_card(text, text, text, numeric, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.redeem_voucher_by_card(text, text, text, numeric, text) IS
'spend what a voucher is worth by the customer whose card it is, like redeem_voucher';

CREATE OR REPLACE FUNCTION @schema@.explain_tier_by_card(card text, days int DEFAULT 3653)
RETURNS SETOF loyalty.tier_explanation
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.tier_explained(@settings@::regclass, @schema@.customer_of(card, replaced => true), days);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.explain_tier_by_card(text, int) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.explain_tier_by_card(text, int) IS
'why the customer whose card it is has a tier, like explain_tier';

CREATE OR REPLACE FUNCTION @schema@.explain_rating_by_card(card text, rating text, days int DEFAULT 3653)
RETURNS SETOF loyalty.rating_explanation
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.rating_explained(@settings@::regclass, @schema@.customer_of(card, replaced => true), rating, days);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.explain_rating_by_card(text, text, int) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.explain_rating_by_card(text, text, int) IS
'why the customer whose card it is has a grade, like explain_rating';

CREATE OR REPLACE FUNCTION @schema@.price_for_by_card(card text, amount numeric)
RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.price_for(@settings@::regclass, @schema@.customer_of(card, true), amount);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.price_for_by_card(text, numeric) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.price_for_by_card(text, numeric) IS
'what an amount is for the customer whose card it is, like price_for';
