-- Calls -----------------------------------------------------------------------------

-- What functions of a program are made of that change the points of a customer: they run
-- with the rights of the owner of the program, and let nobody else call these.

CREATE TYPE loyalty.receipt AS (
	reference text,
	entry bigint,
	points numeric,
	balance numeric,
	at timestamptz
);
COMMENT ON TYPE loyalty.receipt IS 'what a call for a customer did: result of redeem and the other functions of a program that change points';
COMMENT ON COLUMN loyalty.receipt.reference IS 'names the call among those for the customer: given, or a new one';
COMMENT ON COLUMN loyalty.receipt.entry IS 'number of the entry among those of the customer';
COMMENT ON COLUMN loyalty.receipt.points IS 'by how much the points changed';
COMMENT ON COLUMN loyalty.receipt.balance IS 'points of the customer just after that';
COMMENT ON COLUMN loyalty.receipt.at IS 'when the transaction that made the call began: now(), unless another one made it already';

CREATE FUNCTION _loyalty.redeem(program regclass, customer anyelement, points numeric, reference text, reason text, wallet text, pays_for text DEFAULT NULL, pays_table int DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_redeem';
COMMENT ON FUNCTION _loyalty.redeem(regclass, anyelement, numeric, text, text, text, text, int) IS 'what the function redeem of a program does, for its owner';

CREATE FUNCTION _loyalty.grant_points(program regclass, customer anyelement, points numeric, reference text, reason text, wallet text)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_grant_points';
COMMENT ON FUNCTION _loyalty.grant_points(regclass, anyelement, numeric, text, text, text) IS 'what the function grant_points of a program does, for its owner';

CREATE FUNCTION _loyalty.adjust(program regclass, customer anyelement, points numeric, reference text, reason text, wallet text)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_adjust';
COMMENT ON FUNCTION _loyalty.adjust(regclass, anyelement, numeric, text, text, text) IS 'what the function adjust of a program does, for its owner';

CREATE FUNCTION _loyalty.transfer(program regclass, customer anyelement, recipient anyelement, points numeric, reference text, reason text, wallet text)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_transfer';
COMMENT ON FUNCTION _loyalty.transfer(regclass, anyelement, anyelement, numeric, text, text, text) IS 'what the function transfer of a program does, for its owner';

CREATE FUNCTION _loyalty.hold(program regclass, customer anyelement, points numeric, reference text, until timestamptz, reason text, wallet text)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_hold';
COMMENT ON FUNCTION _loyalty.hold(regclass, anyelement, numeric, text, timestamptz, text, text) IS 'what the function hold of a program does, for its owner';

CREATE FUNCTION _loyalty.capture(program regclass, customer anyelement, reference text, points numeric, reason text, pays_for text DEFAULT NULL, pays_table int DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_capture';
COMMENT ON FUNCTION _loyalty.capture(regclass, anyelement, text, numeric, text, text, int) IS 'what the function capture of a program does, for its owner';

CREATE FUNCTION _loyalty.release(program regclass, customer anyelement, reference text, reason text)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_release';
COMMENT ON FUNCTION _loyalty.release(regclass, anyelement, text, text) IS 'what the function release of a program does, for its owner';

CREATE FUNCTION _loyalty.reverse(program regclass, customer anyelement, reverses text, points numeric, reference text, reason text)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_reverse';
COMMENT ON FUNCTION _loyalty.reverse(regclass, anyelement, text, numeric, text, text) IS 'what the function reverse of a program does, for its owner';

CREATE FUNCTION _loyalty.merge(program regclass, customer anyelement, survivor anyelement, reference text, reason text)
RETURNS loyalty.receipt
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_merge';
COMMENT ON FUNCTION _loyalty.merge(regclass, anyelement, anyelement, text, text) IS 'what the function merge of a program does, for its owner';

CREATE FUNCTION _loyalty.require_refundable(program regclass, tracked_table int, customers anyarray, order_keys text[], revisions int[])
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_require_refundable';
COMMENT ON FUNCTION _loyalty.require_refundable(regclass, int, anyarray, text[], int[]) IS
'post what waits of customers, for the owner of the program, or an error if entries of orders of theirs take points back that are not there';
