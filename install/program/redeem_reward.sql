-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.redeem_reward(customer @argument_type@, reward text, reference text, quantity int DEFAULT 1,
                                                 amount numeric DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.reward_receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.redeem_reward(@settings@::regclass, customer, reward, reference, quantity, amount, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.redeem_reward(@argument_type@, text, text, int, numeric, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.redeem_reward(@argument_type@, text, text, int, numeric, text) IS
'spend points of a customer for pieces of a reward, at the price of his tier, or an error (LY001, LY020 to LY023) if he cannot have them; the amount is that of the order, of which percent are taken off; with the reference of an earlier call, the answer is what that did';
