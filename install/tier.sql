-- Tiers and accrual ---------------------------------------------------------

-- A condition of a tier may run in a subtransaction, so that its failure concerns
-- one customer only.  Up to 16, there is none while a query runs in parallel.

CREATE FUNCTION _loyalty.tenure(joined timestamptz, at timestamptz, time_zone text)
RETURNS interval
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_tenure';
COMMENT ON FUNCTION _loyalty.tenure(timestamptz, timestamptz, text) IS
'calendar years, months and days (at most 29) from the local day of joining to that of the moment asked';

-- Histories of accounts.  What changes them is added to them, by posting and by whoever reads.
CREATE TYPE _loyalty.event_history AS (event text COLLATE "C", history loyalty.history);
COMMENT ON TYPE _loyalty.event_history IS 'the history of the events of one kind: part of the column "events" of accounts';

CREATE FUNCTION _loyalty.tier_for(program regclass, terms int, spend numeric, orders bigint,
                                 points_earned numeric, joined_at timestamptz,
                                 first_order_at timestamptz, last_order_at timestamptz,
                                 at timestamptz, reader uuid, purchases loyalty.history DEFAULT NULL, events _loyalty.event_history[] DEFAULT NULL, customer_row jsonb DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'loyalty_tier_for';
COMMENT ON FUNCTION _loyalty.tier_for(regclass, int, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz, uuid, loyalty.history, _loyalty.event_history[], jsonb) IS
'highest tier whose condition holds for these facts, or null; program is the table "program" of a program';

CREATE TYPE _loyalty.returned AS (
	number bigint,
	reference text,
	revision int,
	at timestamptz,
	points numeric,
	net numeric,
	lots loyalty.lots,
	payer int
);
COMMENT ON TYPE _loyalty.returned IS
'points that come back, by a refund, of what an order was paid with: the next entry of the call that spent them; part of _loyalty.accrual';

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
	number bigint,
	lots loyalty.lots,
	forgiven numeric,
	held_rules int[],
	rooms numeric[],
	apart numeric[],
	returned _loyalty.returned[]
);
COMMENT ON TYPE _loyalty.accrual IS 'what one entry makes of an order, and of the account up to then: result of _loyalty.accrual_of';

CREATE FUNCTION _loyalty.accrual_of(program regclass, account anyelement, customer anyelement, tracked_table int, order_key text, revision int, terms int,
	spend numeric, orders bigint, points_earned numeric, first_order_at timestamptz, last_order_at timestamptz, points numeric, lots loyalty.lots, reader uuid, merged anyarray,
	purchases loyalty.history DEFAULT NULL, events _loyalty.event_history[] DEFAULT NULL)
RETURNS _loyalty.accrual
LANGUAGE c STABLE PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'loyalty_accrual_of';
COMMENT ON FUNCTION _loyalty.accrual_of(regclass, anyelement, anyelement, int, text, int, int, numeric, bigint, numeric, timestamptz, timestamptz, numeric, loyalty.lots, uuid, anyarray, loyalty.history, _loyalty.event_history[]) IS
'what posting will make of an entry of the journal that is recorded for a customer, given the account as it is posted and who was merged into it; null if it will leave it out';

CREATE TYPE _loyalty.account_state AS (
	points numeric,
	spend numeric,
	orders bigint,
	points_earned numeric,
	first_order_at timestamptz,
	last_order_at timestamptz,
	lots loyalty.lots,
	purchases loyalty.history,
	events _loyalty.event_history[]
);
COMMENT ON TYPE _loyalty.account_state IS
'what entries that are not posted make of an account: its sums and lots afterwards, and its histories if conditions ask for them; result of _loyalty.state_of';

CREATE TYPE _loyalty.account_histories AS (purchases loyalty.history, events _loyalty.event_history[]);
COMMENT ON TYPE _loyalty.account_histories IS 'what entries change of the histories of an account; result of _loyalty.histories_of';

CREATE FUNCTION _loyalty.add_histories(a loyalty.history, b loyalty.history)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_add_histories';
COMMENT ON FUNCTION _loyalty.add_histories(loyalty.history, loyalty.history) IS 'the sum of two histories, of which null is the empty one';

CREATE FUNCTION _loyalty.add_event_histories(a _loyalty.event_history[], b _loyalty.event_history[])
RETURNS _loyalty.event_history[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_add_event_histories';
COMMENT ON FUNCTION _loyalty.add_event_histories(_loyalty.event_history[], _loyalty.event_history[]) IS
'the sum of histories of events for each kind, without those that are empty; null: none is left';

CREATE AGGREGATE _loyalty.sum_events(_loyalty.event_history[]) (SFUNC = _loyalty.add_event_histories, STYPE = _loyalty.event_history[], COMBINEFUNC = _loyalty.add_event_histories, PARALLEL = SAFE);
COMMENT ON AGGREGATE _loyalty.sum_events(_loyalty.event_history[]) IS 'the sum of histories of events for each kind; null: none is left';

CREATE FUNCTION _loyalty.event_history(events _loyalty.event_history[], kind text)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_event_history';
COMMENT ON FUNCTION _loyalty.event_history(_loyalty.event_history[], text) IS 'the history of the events of one kind, empty if there were none';

CREATE TYPE _loyalty.released AS (points numeric, lots loyalty.lots);
COMMENT ON TYPE _loyalty.released IS 'what holds of a customer give back that have timed out, and those of the points that expire';

-- What it costs is mostly spared: no query should be compiled for it.
CREATE FUNCTION _loyalty.state_of(program regclass, terms int, customer anyelement,
	spend numeric, orders bigint, points_earned numeric, first_order_at timestamptz, last_order_at timestamptz, points numeric, lots loyalty.lots, reader uuid, merged anyarray,
	purchases loyalty.history DEFAULT NULL, events _loyalty.event_history[] DEFAULT NULL)
RETURNS _loyalty.account_state
LANGUAGE c STABLE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'loyalty_state_of';
COMMENT ON FUNCTION _loyalty.state_of(regclass, int, anyelement, numeric, bigint, numeric, timestamptz, timestamptz, numeric, loyalty.lots, uuid, anyarray, loyalty.history, _loyalty.event_history[]) IS
'what the entries of one customer, and of who was merged into this one, in the journal make of the account as it is posted; null without entries';

CREATE FUNCTION _loyalty.histories_of(program regclass, terms int, customer anyelement,
	spend numeric, orders bigint, points_earned numeric, first_order_at timestamptz, last_order_at timestamptz, points numeric, lots loyalty.lots, reader uuid, merged anyarray,
	purchases loyalty.history DEFAULT NULL, events _loyalty.event_history[] DEFAULT NULL)
RETURNS _loyalty.account_histories
LANGUAGE c STABLE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'loyalty_histories_of';
COMMENT ON FUNCTION _loyalty.histories_of(regclass, int, anyelement, numeric, bigint, numeric, timestamptz, timestamptz, numeric, loyalty.lots, uuid, anyarray, loyalty.history, _loyalty.event_history[]) IS
'what the same entries as those of _loyalty.state_of change of the histories of the account; null if they change nothing';

CREATE FUNCTION _loyalty.released(program regclass, terms int, customer anyelement, reader uuid)
RETURNS _loyalty.released
LANGUAGE c STABLE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'loyalty_released';
COMMENT ON FUNCTION _loyalty.released(regclass, int, anyelement, uuid) IS
'what open holds of an account give back that have timed out by now';

CREATE FUNCTION _loyalty.spendable_lots(lots loyalty.lots, program regclass, terms int, reader uuid)
RETURNS loyalty.lots
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_spendable_lots';
COMMENT ON FUNCTION _loyalty.spendable_lots(loyalty.lots, regclass, int, uuid) IS
'lots without status points, which are those of the wallets that cannot be spent from by a version of the terms';

CREATE FUNCTION _loyalty.points_by_rules(program regclass, terms int, awards int[], parts numeric[], held_rules int[], multiplier numeric,
	rooms numeric[], apart numeric[], allotted numeric[], reader uuid)
RETURNS numeric
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_points_by_rules';
COMMENT ON FUNCTION _loyalty.points_by_rules(regclass, int, int[], numeric[], int[], numeric, numeric[], numeric[], numeric[], uuid) IS
'how many points more an order has than it would have without earning rules of some numbers, by what its entry says';

CREATE FUNCTION _loyalty.balance(program regclass, customer anyelement, at timestamptz)
RETURNS numeric
LANGUAGE c STABLE PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'loyalty_balance';
COMMENT ON FUNCTION _loyalty.balance(regclass, anyelement, timestamptz) IS
'what the function balance of a program does, by the views that its caller may read';

CREATE TYPE loyalty.balances AS (
	available numeric,
	pending numeric,
	held numeric,
	debt numeric,
	next_expiry timestamptz,
	expiring numeric
);
COMMENT ON TYPE loyalty.balances IS 'the points of a customer: result of the function balances of a program';
COMMENT ON COLUMN loyalty.balances.available IS 'points that can be spent now';
COMMENT ON COLUMN loyalty.balances.pending IS 'points that are not available yet';
COMMENT ON COLUMN loyalty.balances.held IS 'points of open holds';
COMMENT ON COLUMN loyalty.balances.debt IS 'points that were spent and taken back by a refund since, as far as no other wallet has points that can be spent: what is earned next repays them';
COMMENT ON COLUMN loyalty.balances.next_expiry IS 'when the next points expire; null: none do';
COMMENT ON COLUMN loyalty.balances.expiring IS 'how many points expire then';

CREATE FUNCTION _loyalty.balances(program regclass, customer anyelement)
RETURNS loyalty.balances
LANGUAGE c STABLE PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'loyalty_balances';
COMMENT ON FUNCTION _loyalty.balances(regclass, anyelement) IS
'what the function balances of a program does, by the views that its caller may read';

CREATE FUNCTION _loyalty.tier_at(program regclass, customer anyelement, at timestamptz)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'loyalty_tier_at';
COMMENT ON FUNCTION _loyalty.tier_at(regclass, anyelement, timestamptz) IS
'what the function tier_at of a program does, by the views that its caller may read';
