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
