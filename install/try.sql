-- Calls that answer instead of failing ----------------------------------------------

-- What an application has to expect of a call is an error, with an SQLSTATE of its own; the functions of a
-- program whose names begin with "try_" answer with a status instead.

CREATE TYPE loyalty.outcome AS (
	status text,
	reference text,
	entry bigint,
	points numeric,
	balance numeric,
	at timestamptz,
	message text,
	detail text,
	hint text
);
COMMENT ON TYPE loyalty.outcome IS 'what became of a call for a customer: result of try_redeem and the other functions of a program that try a call';
COMMENT ON COLUMN loyalty.outcome.status IS
'done, or why not: insufficient_points, reference_in_use, unknown_reference, already_reversed, unknown_customer, hold_closed, already_merged, unknown_wallet or voucher_used; by card also mistyped_card, unknown_card, card_blocked or card_replaced';
COMMENT ON COLUMN loyalty.outcome.reference IS 'names the call among those for the customer: given, or a new one; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.entry IS 'number of the entry among those of the customer; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.points IS 'by how much the points changed; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.balance IS 'points of the customer just after that; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.at IS 'when the transaction that made the call began: now(), unless another one made it already; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.message IS 'of the error that the call would have been; null if it is done';
COMMENT ON COLUMN loyalty.outcome.detail IS 'what that error says beside its message; null if it says no more';
COMMENT ON COLUMN loyalty.outcome.hint IS 'what that error says can be done; null if it says nothing';

CREATE TYPE loyalty.reward_outcome AS (
	status text,
	reference text,
	entry bigint,
	points numeric,
	balance numeric,
	at timestamptz,
	reward text,
	quantity int,
	value numeric,
	vouchers text[],
	message text,
	detail text,
	hint text
);
COMMENT ON TYPE loyalty.reward_outcome IS 'what became of a call for a reward: result of try_redeem_reward of a program';
COMMENT ON COLUMN loyalty.reward_outcome.status IS 'done, or why not: insufficient_points, reference_in_use, unknown_customer, unknown_reward, reward_not_available, out_of_stock or limit_reached; by card also mistyped_card, unknown_card, card_blocked or card_replaced';
COMMENT ON COLUMN loyalty.reward_outcome.reference IS 'names the call among those for the customer: given, or a new one; null unless it is done';
COMMENT ON COLUMN loyalty.reward_outcome.entry IS 'number of the entry among those of the customer; null unless it is done';
COMMENT ON COLUMN loyalty.reward_outcome.points IS 'by how much the points changed; null unless it is done';
COMMENT ON COLUMN loyalty.reward_outcome.balance IS 'points of the customer just after that; null unless it is done';
COMMENT ON COLUMN loyalty.reward_outcome.at IS 'when the transaction that made the call began: now(), unless another one made it already; null unless it is done';
COMMENT ON COLUMN loyalty.reward_outcome.reward IS 'the reward that was redeemed; null unless it is done';
COMMENT ON COLUMN loyalty.reward_outcome.quantity IS 'how many pieces of it; null unless it is done';
COMMENT ON COLUMN loyalty.reward_outcome.value IS 'what they are worth in money; null: a product, or it is not done';
COMMENT ON COLUMN loyalty.reward_outcome.vouchers IS 'the codes of the vouchers, one for each piece; null: the reward is of another kind, or it is not done';
COMMENT ON COLUMN loyalty.reward_outcome.message IS 'of the error that the call would have been; null if it is done';
COMMENT ON COLUMN loyalty.reward_outcome.detail IS 'what that error says beside its message; null if it says no more';
COMMENT ON COLUMN loyalty.reward_outcome.hint IS 'what that error says can be done; null if it says nothing';

CREATE TYPE loyalty.voucher_outcome AS (
	status text,
	code text,
	reference text,
	entry int,
	amount numeric,
	balance numeric,
	at timestamptz,
	message text,
	detail text,
	hint text
);
COMMENT ON TYPE loyalty.voucher_outcome IS 'what became of a call for a voucher: result of try_redeem_voucher of a program';
COMMENT ON COLUMN loyalty.voucher_outcome.status IS 'done, or why not: reference_in_use, unknown_customer, unknown_voucher, voucher_not_valid, insufficient_balance or wrong_customer; by card also mistyped_card, unknown_card, card_blocked or card_replaced';
COMMENT ON COLUMN loyalty.voucher_outcome.code IS 'the code of the voucher; null unless it is done';
COMMENT ON COLUMN loyalty.voucher_outcome.reference IS 'names the call among those for the voucher: given, or a new one; null unless it is done';
COMMENT ON COLUMN loyalty.voucher_outcome.entry IS 'number of the entry among those of the voucher; null unless it is done';
COMMENT ON COLUMN loyalty.voucher_outcome.amount IS 'by how much the balance changed; null unless it is done';
COMMENT ON COLUMN loyalty.voucher_outcome.balance IS 'what the voucher was worth just after that; null unless it is done';
COMMENT ON COLUMN loyalty.voucher_outcome.at IS 'when the transaction that made the call began: now(), unless another one made it already; null unless it is done';
COMMENT ON COLUMN loyalty.voucher_outcome.message IS 'of the error that the call would have been; null if it is done';
COMMENT ON COLUMN loyalty.voucher_outcome.detail IS 'what that error says beside its message; null if it says no more';
COMMENT ON COLUMN loyalty.voucher_outcome.hint IS 'what that error says can be done; null if it says nothing';

-- The one place that knows which SQLSTATE is which status.
CREATE FUNCTION _loyalty.outcome_status(code text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE code
		WHEN 'LY001' THEN 'insufficient_points'
		WHEN 'LY002' THEN 'reference_in_use'
		WHEN 'LY003' THEN 'unknown_reference'
		WHEN 'LY004' THEN 'already_reversed'
		WHEN 'LY005' THEN 'unknown_customer'
		WHEN 'LY006' THEN 'hold_closed'
		WHEN 'LY008' THEN 'already_merged'
		WHEN 'LY009' THEN 'unknown_wallet'
		WHEN 'LY010' THEN 'mistyped_card'
		WHEN 'LY011' THEN 'unknown_card'
		WHEN 'LY012' THEN 'card_blocked'
		WHEN 'LY013' THEN 'card_replaced'
		WHEN 'LY020' THEN 'unknown_reward'
		WHEN 'LY021' THEN 'reward_not_available'
		WHEN 'LY022' THEN 'out_of_stock'
		WHEN 'LY023' THEN 'limit_reached'
		WHEN 'LY030' THEN 'unknown_voucher'
		WHEN 'LY031' THEN 'voucher_not_valid'
		WHEN 'LY032' THEN 'insufficient_balance'
		WHEN 'LY033' THEN 'wrong_customer'
		WHEN 'LY034' THEN 'voucher_used' END
$$;
COMMENT ON FUNCTION _loyalty.outcome_status(text) IS 'the status of an outcome for the SQLSTATE of an error that an application has to expect of a call; null: it is none of them';

-- The block is a subtransaction.  If the call is refused, it is taken back with all that the call did until then:
-- entries that were posted, holds that were released since they have timed out, an account that was made, and the
-- lock of the account, unless the transaction had that before.  So whoever waits for the account goes on, and what
-- the outcome says of the points may be otherwise from then on.  A call that is done keeps the lock to the end of
-- the transaction, as any call does.
--
-- Whatever is no outcome is not caught: that a transaction cannot be serialized, a deadlock, or that somebody
-- cancels it, must reach whoever can begin it anew.
CREATE FUNCTION _loyalty.try_call(call text, program regclass, customer anyelement, reference text, points numeric DEFAULT NULL, until timestamptz DEFAULT NULL,
                                  reverses text DEFAULT NULL, reason text DEFAULT NULL, recipient anyelement DEFAULT NULL, wallet text DEFAULT NULL,
                                  pays_for text DEFAULT NULL, pays_table int DEFAULT NULL)
RETURNS loyalty.outcome
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	receipt loyalty.receipt;
	outcome loyalty.outcome;
BEGIN
	CASE call
		WHEN 'redeem' THEN receipt := _loyalty.redeem(program, customer, points, reference, reason, wallet, pays_for, pays_table);
		WHEN 'grant_points' THEN receipt := _loyalty.grant_points(program, customer, points, reference, reason, wallet);
		WHEN 'transfer' THEN receipt := _loyalty.transfer(program, customer, recipient, points, reference, reason, wallet);
		WHEN 'merge' THEN receipt := _loyalty.merge(program, customer, recipient, reference, reason);
		WHEN 'adjust' THEN receipt := _loyalty.adjust(program, customer, points, reference, reason, wallet);
		WHEN 'reverse' THEN receipt := _loyalty.reverse_call(program, customer, reverses, points, reference, reason);
		WHEN 'hold' THEN receipt := _loyalty.hold(program, customer, points, reference, until, reason, wallet);
		WHEN 'capture' THEN receipt := _loyalty.capture(program, customer, reference, points, reason, pays_for, pays_table);
		WHEN 'release' THEN receipt := _loyalty.release(program, customer, reference, reason);
	END CASE;
	outcome.status := 'done';
	outcome.reference := receipt.reference;
	outcome.entry := receipt.entry;
	outcome.points := receipt.points;
	outcome.balance := receipt.balance;
	outcome.at := receipt.at;
	RETURN outcome;
EXCEPTION WHEN SQLSTATE 'LY001' OR SQLSTATE 'LY002' OR SQLSTATE 'LY003' OR SQLSTATE 'LY004' OR SQLSTATE 'LY005' OR SQLSTATE 'LY006'
	OR SQLSTATE 'LY008' OR SQLSTATE 'LY009' OR SQLSTATE 'LY034' THEN
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	outcome.detail := nullif(outcome.detail, '');
	outcome.hint := nullif(outcome.hint, '');
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION _loyalty.try_call(text, regclass, anyelement, text, numeric, timestamptz, text, text, anyelement, text, text, int) IS
'make one of the calls of a program, for its owner, and return what became of it: if it is refused as an application must expect, why';

CREATE FUNCTION _loyalty.try_redeem_reward(program regclass, customer anyelement, reward text, reference text, quantity int, amount numeric, reason text)
RETURNS loyalty.reward_outcome
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	outcome loyalty.reward_outcome;
BEGIN
	SELECT 'done', r.* INTO outcome FROM _loyalty.redeem_reward(program, customer, reward, reference, quantity, amount, reason) r;
	RETURN outcome;
EXCEPTION WHEN SQLSTATE 'LY001' OR SQLSTATE 'LY002' OR SQLSTATE 'LY005' OR SQLSTATE 'LY020' OR SQLSTATE 'LY021' OR SQLSTATE 'LY022' OR SQLSTATE 'LY023' THEN
	outcome := NULL;
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	outcome.detail := nullif(outcome.detail, '');
	outcome.hint := nullif(outcome.hint, '');
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION _loyalty.try_redeem_reward(regclass, anyelement, text, text, int, numeric, text) IS 'what the function try_redeem_reward of a program does, for its owner';

CREATE FUNCTION _loyalty.try_redeem_voucher(program regclass, code text, reference text, amount numeric, customer anyelement, reason text)
RETURNS loyalty.voucher_outcome
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	outcome loyalty.voucher_outcome;
BEGIN
	SELECT 'done', r.* INTO outcome FROM _loyalty.redeem_voucher(program, code, reference, amount, customer, reason) r;
	RETURN outcome;
EXCEPTION WHEN SQLSTATE 'LY002' OR SQLSTATE 'LY005' OR SQLSTATE 'LY030' OR SQLSTATE 'LY031' OR SQLSTATE 'LY032' OR SQLSTATE 'LY033' THEN
	outcome := NULL;
	GET STACKED DIAGNOSTICS outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL, outcome.hint = PG_EXCEPTION_HINT;
	outcome.status := _loyalty.outcome_status(SQLSTATE);
	outcome.detail := nullif(outcome.detail, '');
	outcome.hint := nullif(outcome.hint, '');
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION _loyalty.try_redeem_voucher(regclass, text, text, numeric, anyelement, text) IS 'what the function try_redeem_voucher of a program does, for its owner';
