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
'done, or why not: insufficient_points, reference_in_use, unknown_reference, already_reversed, unknown_customer, hold_closed, already_merged, unknown_wallet or voucher_used';
COMMENT ON COLUMN loyalty.outcome.reference IS 'names the call among those for the customer: given, or a new one; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.entry IS 'number of the entry among those of the customer; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.points IS 'by how much the points changed; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.balance IS 'points of the customer just after that; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.at IS 'when the transaction that made the call began: now(), unless another one made it already; null unless it is done';
COMMENT ON COLUMN loyalty.outcome.message IS 'of the error that the call would have been; null if it is done';
COMMENT ON COLUMN loyalty.outcome.detail IS 'what that error says beside its message; null if it says no more';
COMMENT ON COLUMN loyalty.outcome.hint IS 'what that error says can be done; null if it says nothing';

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
	outcome.status := CASE SQLSTATE
		WHEN 'LY001' THEN 'insufficient_points'
		WHEN 'LY002' THEN 'reference_in_use'
		WHEN 'LY003' THEN 'unknown_reference'
		WHEN 'LY004' THEN 'already_reversed'
		WHEN 'LY005' THEN 'unknown_customer'
		WHEN 'LY006' THEN 'hold_closed'
		WHEN 'LY008' THEN 'already_merged'
		WHEN 'LY009' THEN 'unknown_wallet'
		WHEN 'LY034' THEN 'voucher_used' END;
	outcome.detail := nullif(outcome.detail, '');
	outcome.hint := nullif(outcome.hint, '');
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION _loyalty.try_call(text, regclass, anyelement, text, numeric, timestamptz, text, text, anyelement, text, text, int) IS
'make one of the calls of a program, for its owner, and return what became of it: if it is refused as an application must expect, why';
