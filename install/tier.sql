-- Tiers and accrual ---------------------------------------------------------

-- A condition of a tier may run in a subtransaction, so that its failure concerns
-- one customer only.  Up to 16, there is none while a query runs in parallel.

CREATE FUNCTION _loyalty.tenure(joined timestamptz, at timestamptz, time_zone text)
RETURNS interval
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_tenure';
COMMENT ON FUNCTION _loyalty.tenure(timestamptz, timestamptz, text) IS
'calendar years, months and days (at most 29) from the local day of joining to that of the moment asked';

CREATE FUNCTION _loyalty.tier_for(program regclass, terms int, spend numeric, orders bigint,
                                 points_earned numeric, joined_at timestamptz,
                                 first_order_at timestamptz, last_order_at timestamptz,
                                 at timestamptz)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_tier_for';
COMMENT ON FUNCTION _loyalty.tier_for(regclass, int, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz) IS
'highest tier whose condition holds for these metrics, or null; program is the table "program" of a program';

CREATE TYPE _loyalty.accrual AS (
	tier text,
	multiplier numeric,
	order_points numeric,
	orders_change int,
	amount_change numeric,
	points_change numeric,
	spend numeric,
	orders bigint,
	points_earned numeric,
	first_order_at timestamptz,
	last_order_at timestamptz,
	number bigint
);
COMMENT ON TYPE _loyalty.accrual IS 'what one entry makes of an order, and of the account up to then: result of _loyalty.accrue';

CREATE FUNCTION _loyalty.accrue_transition(internal, regclass, int, numeric, bigint, numeric,
	timestamptz, timestamptz, boolean, anyarray, timestamptz, int, text, int, boolean, numeric, numeric, timestamptz, numeric, text)
RETURNS internal
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_accrue_transition';
COMMENT ON FUNCTION _loyalty.accrue_transition(internal, regclass, int, numeric, bigint, numeric,
	timestamptz, timestamptz, boolean, anyarray, timestamptz, int, text, int, boolean, numeric, numeric, timestamptz, numeric, text)
	IS 'transition function of _loyalty.accrue';

CREATE FUNCTION _loyalty.accrue_final(internal)
RETURNS _loyalty.accrual
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_accrue_final';
COMMENT ON FUNCTION _loyalty.accrue_final(internal) IS 'final function of _loyalty.accrue';

-- The arguments from spend to posted tell of the account before the first row.
CREATE AGGREGATE _loyalty.accrue(
	program regclass, terms int,
	spend numeric, orders bigint, points_earned numeric,
	first_order_at timestamptz, last_order_at timestamptz,
	repeated boolean, posted anyarray,
	at timestamptz, tracked_table int, order_key text, revision int,
	counts boolean, amount numeric, awards numeric, joined_at timestamptz, multiplier numeric, tier text) (
	SFUNC = _loyalty.accrue_transition,
	STYPE = internal,
	FINALFUNC = _loyalty.accrue_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = UNSAFE
);
COMMENT ON AGGREGATE _loyalty.accrue(regclass, int, numeric, bigint, numeric, timestamptz, timestamptz,
	boolean, anyarray, timestamptz, int, text, int, boolean, numeric, numeric, timestamptz, numeric, text) IS
'running accrual over the unposted entries of one customer, for use as a window function';
