-- kind: functions
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.customer_of(card text, replaced boolean DEFAULT false)
RETURNS @key_type@
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	number CONSTANT text := _loyalty.card_number(card);
	present record;
BEGIN
	SELECT coalesce(m.survivor, c.customer) AS customer, c.status, c.since, c.replaced_by IS NOT NULL AS is_replaced INTO present
	  FROM @schema@.member_card c LEFT JOIN @schema@.merged m ON m.customer @eq@ c.customer WHERE c.card = number;
	PERFORM _loyalty.require_card(@schema_literal@, number, present.status, present.since, present.is_replaced, 'active', CASE WHEN replaced THEN 'replaced' END);
	RETURN present.customer;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.customer_of(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.customer_of(text, boolean) IS
'the customer whose card it is, who is the survivor if that one was merged into another, or an error if it is unknown (LY011), blocked (LY012), or replaced (LY013) unless such a card is to answer, too';

-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.issue_card(customer @argument_type@, card text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.issue_card(@schema_literal@, customer, card);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.issue_card(@argument_type@, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.issue_card(@argument_type@, text) IS
'give a customer a card, with a number that cannot be guessed or one that is given, and return the number; repeated with a number, nothing is done';

CREATE OR REPLACE FUNCTION @schema@.replace_card(card text, new_card text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.replace_card(@schema_literal@, card, new_card, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.replace_card(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.replace_card(text, text, text) IS
'put another card of the same customer in the place of one, which stays blocked if it is, and return its number: a new card, or one that is given; repeated with a number, nothing is done';

CREATE OR REPLACE FUNCTION @schema@.block_card(card text, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM _loyalty.set_card_status(@schema_literal@, 'block_card', card, 'blocked', reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.block_card(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.block_card(text, text) IS 'let a card not be used, for a reason, be it replaced or not; one that is blocked already stays as it is';

CREATE OR REPLACE FUNCTION @schema@.unblock_card(card text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM _loyalty.set_card_status(@schema_literal@, 'unblock_card', card, 'active', NULL);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.unblock_card(text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.unblock_card(text) IS 'let a card that is blocked be used again, unless it was replaced; one that is not blocked stays as it is';
