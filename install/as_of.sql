-- As of a moment -----------------------------------------------------------------------
--
-- What was there at a moment "at", by what was known at another one, "known_at".  With both
-- the same, it is what was shown then; with known_at "infinity", it is what should have been
-- shown, by all that is known now.
--
-- An entry is known from when it was recorded.  It counts from then on, too, as all views
-- show whatever is recorded; or from an earlier moment, if its order was made before it was
-- recorded.  The time of an order is what its newest entry says that is known.  A hold that
-- is open, and has timed out by then, is given back.
--
-- Whoever was merged into another customer by then has no account of his own any more: what he
-- had, and what is recorded for him, is that of the other one.  Before, both had their own.
--
-- Lots need no more than that: what an entry did to them is in the entry, and entries of
-- time (tracked table -1) take off only what had expired already.

CREATE TYPE _loyalty.state_as_of AS (
	at timestamptz,
	entries bigint,
	points numeric,
	held numeric,
	lots loyalty.lots,
	spend numeric,
	orders bigint,
	points_earned numeric,
	first_order_at timestamptz,
	last_order_at timestamptz,
	joined_at timestamptz,
	terms int,
	purchases loyalty.history,
	events _loyalty.event_history[]
);
COMMENT ON TYPE _loyalty.state_as_of IS
'what a customer had at a moment: all points, expired ones included, open holds, lots and facts; how many entries are known; the terms in force; and the histories, if conditions of these ask for them. Result of _loyalty.states_as_of';

CREATE FUNCTION _loyalty.uses_histories(program regclass, terms int)
RETURNS boolean
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_uses_histories';
COMMENT ON FUNCTION _loyalty.uses_histories(regclass, int) IS 'do conditions of these terms ask for the histories of customers?';

CREATE TYPE loyalty.member AS (
	tier text,
	points numeric,
	lifetime_value numeric,
	orders bigint,
	first_order_at timestamptz,
	last_order_at timestamptz,
	joined_at timestamptz,
	tenure interval,
	average_order numeric,
	held numeric,
	pending numeric,
	next_expiry timestamptz,
	expiring numeric
);
COMMENT ON TYPE loyalty.member IS 'a member at a moment: result of the function member_at of a program';
COMMENT ON COLUMN loyalty.member.tier IS 'the tier held then, by the tiers that were in force; null: none';
COMMENT ON COLUMN loyalty.member.points IS 'points that could be spent then; below zero, they were owed';
COMMENT ON COLUMN loyalty.member.lifetime_value IS 'amounts of the orders that counted';
COMMENT ON COLUMN loyalty.member.orders IS 'how many orders counted';
COMMENT ON COLUMN loyalty.member.first_order_at IS 'time of the first order that counted';
COMMENT ON COLUMN loyalty.member.last_order_at IS 'time of the last order that counted';
COMMENT ON COLUMN loyalty.member.joined_at IS 'since when the customer is one, as the customer table says now';
COMMENT ON COLUMN loyalty.member.tenure IS 'years, months and days since joining';
COMMENT ON COLUMN loyalty.member.average_order IS 'lifetime value by orders';
COMMENT ON COLUMN loyalty.member.held IS 'points of open holds, which are not among the others';
COMMENT ON COLUMN loyalty.member.pending IS 'points that were not available yet';
COMMENT ON COLUMN loyalty.member.next_expiry IS 'when the next points were to expire; null: none';
COMMENT ON COLUMN loyalty.member.expiring IS 'how many points were to expire then';

-- The customer "customer" is who he was merged into by "at", whose key is the first.
CREATE FUNCTION _loyalty.keys_as_of(settings regclass, customer anyelement, at timestamptz)
RETURNS anyarray
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	program CONSTANT name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = settings);
	eq CONSTANT text := _loyalty.customer_equality(program);
	any_merged boolean;
	keys ALIAS FOR $0;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.merged)', program) INTO any_merged;
	IF NOT any_merged THEN
		RETURN NULL;
	END IF;
	-- an array, since a domain may refuse nulls
	LOOP
		EXECUTE format('SELECT array_agg(m.merged_into) FROM %I.merged m WHERE m.customer %s $1 AND m.at <= $2', program, eq) INTO keys USING customer, at;
		EXIT WHEN keys IS NULL;
		customer := keys[1];
	END LOOP;
	EXECUTE format($sql$
		WITH RECURSIVE k (customer) AS (
			SELECT m.customer FROM %1$I.merged m WHERE m.merged_into %2$s $1 AND m.at <= $2
			UNION ALL
			SELECT m.customer FROM k JOIN %1$I.merged m ON m.merged_into %2$s k.customer WHERE m.at <= $2)
		SELECT array_agg(k.customer) FROM k $sql$, program, eq) INTO keys USING customer, at;
	RETURN customer || coalesce(keys, '{}');
END
$$;
COMMENT ON FUNCTION _loyalty.keys_as_of(regclass, anyelement, timestamptz) IS
'keys of all customers who are one with a customer at a moment, since they were merged by then, his own account first; null if no customer of the program was merged ever';

-- The same entries count as in the view "movements" of a program.  The moment "at" of a
-- state is one that lots can be asked about, if it is infinite.
CREATE FUNCTION _loyalty.states_as_of(settings regclass, customer anyelement, at timestamptz, known_at timestamptz, with_histories boolean DEFAULT false, effective boolean DEFAULT false)
RETURNS SETOF _loyalty.state_as_of
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	program CONSTANT name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = settings);
	eq CONSTANT text := _loyalty.customer_equality(program);
	is_of_one CONSTANT boolean := customer IS NOT NULL;
	keys CONSTANT text := '_loyalty.keys_as_of($5, $1, least($2, $3))';
	any_merged boolean;
	histories boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %1$I.merged), _loyalty.uses_histories($1, (SELECT max(t.version) FROM %1$I.terms t WHERE t.since <= $2)) OR $3', program) INTO any_merged, histories USING settings, known_at, with_histories;
	RETURN QUERY EXECUTE format($sql$
		WITH %6$s known AS (
			SELECT e.*, first_value(e.at) OVER (PARTITION BY e.customer, e.tracked_table, e.order_key ORDER BY e.revision DESC) AS ordered_at
			  FROM (SELECT %2$s, kind, until FROM %1$I.ledger UNION ALL SELECT %2$s, kind, NULL FROM %1$I.unposted) e
			 WHERE e.recorded_at <= $3 AND %3$s),
		counted AS (
			SELECT k.*, max(k.revision) FILTER (WHERE k.is_counted) OVER (PARTITION BY k.customer, k.tracked_table, k.order_key) = k.revision AS is_newest
			  FROM (SELECT k.*, CASE WHEN k.tracked_table <= 0 THEN k.at WHEN k.revision = 1 AND NOT k.moved THEN %9$s ELSE %10$s END <= $2 AS is_counted
			          FROM known k) k)
		SELECT $4, count(*), coalesce(sum(c.points_change) FILTER (WHERE c.is_counted AND NOT c.is_given_back), 0),
		       coalesce(-sum(c.points_change) FILTER (WHERE c.is_open AND NOT c.is_given_back), 0),
		       loyalty.sum(c.lots) FILTER (WHERE c.is_counted AND NOT c.is_given_back),
		       coalesce(sum(c.amount_change) FILTER (WHERE c.is_counted), 0),
		       coalesce(sum(c.orders_change) FILTER (WHERE c.is_counted), 0),
		       coalesce(sum(c.points_change) FILTER (WHERE c.is_counted AND c.tracked_table > 0), 0),
		       min(c.ordered_at) FILTER (WHERE c.is_newest AND c.counts AND c.event IS NULL), max(c.ordered_at) FILTER (WHERE c.is_newest AND c.counts AND c.event IS NULL),
		       %4$s, (SELECT max(t.version) FROM %1$I.terms t WHERE t.since <= $3), %7$s
		  FROM (SELECT c.*, %8$s coalesce(c.is_newest AND c.kind = 'hold', false) AS is_open,
		               coalesce(c.is_newest AND c.kind = 'hold' AND c.until <= $4, false) AS is_given_back
		          FROM counted c) c
		 %5$s $sql$,
		program, 'customer, tracked_table, order_key, revision, moved, at, recorded_at, counts, amount, terms, amount_change, orders_change, points_change, lots, event',
		CASE WHEN any_merged AND is_of_one THEN format('e.customer %s ANY (ARRAY(SELECT unnest(%s)))', eq, keys) WHEN is_of_one THEN format('e.customer %s $1', eq) ELSE 'true' END,
		CASE WHEN is_of_one THEN format('(SELECT c.joined_at FROM %I.customer c WHERE c.customer %s %s)', program, eq, CASE WHEN any_merged THEN format('(%s)[1]', keys) ELSE '$1' END) ELSE 'NULL::timestamptz' END,
		CASE WHEN is_of_one THEN '' WHEN any_merged THEN format('LEFT JOIN survivor s ON s.customer %s c.customer GROUP BY coalesce(s.survivor, c.customer)', eq)
		     ELSE 'GROUP BY c.customer' END,
		-- whose account was that of whom, then
		CASE WHEN any_merged AND NOT is_of_one THEN format($sql$
			RECURSIVE merge AS MATERIALIZED (SELECT m.customer, m.merged_into FROM %1$I.merged m WHERE m.at <= least($2, $3)),
			step (customer, survivor) AS (
				SELECT m.customer, m.merged_into FROM merge m
				UNION ALL
				SELECT s.customer, m.merged_into FROM step s JOIN merge m ON m.customer %2$s s.survivor),
			survivor AS MATERIALIZED (SELECT s.* FROM step s WHERE NOT EXISTS (SELECT FROM merge m WHERE m.customer %2$s s.survivor)), $sql$, program, eq) END,
		CASE WHEN histories THEN 'loyalty.sum(c.day) FILTER (WHERE c.event IS NULL), _loyalty.sum_events(ARRAY[ROW(c.event, c.day)::_loyalty.event_history]) FILTER (WHERE c.event IS NOT NULL AND c.day IS NOT NULL)'
		     ELSE 'NULL::loyalty.history, NULL::_loyalty.event_history[]' END,
		-- moments outside of these have no day, as in src/account/histories.c
		CASE WHEN histories THEN format($sql$ CASE WHEN c.is_newest AND c.counts AND c.ordered_at >= '4714-11-25 00:00:00+00 BC' AND c.ordered_at < '294276-12-31 00:00:00+00'
			THEN loyalty.history_of((c.ordered_at AT TIME ZONE (SELECT t.time_zone FROM %I.terms t WHERE t.version = c.terms))::date, CASE WHEN scale(c.amount) > 12 THEN round(c.amount, 12) ELSE c.amount END) END AS day, $sql$, program) END,
		CASE WHEN effective THEN 'k.ordered_at' ELSE 'least(k.ordered_at, k.recorded_at)' END, CASE WHEN effective THEN 'greatest(k.recorded_at, k.ordered_at)' ELSE 'k.recorded_at' END)
		USING customer, at, known_at, least(greatest(at, '4713-01-02 BC'), '294276-12-30'), settings;
END
$$;
COMMENT ON FUNCTION _loyalty.states_as_of(regclass, anyelement, timestamptz, timestamptz, boolean, boolean) IS
'what customers had at a moment, by what was known at another one: one, who may have no entries, or for null all that have some; by the tables that the caller may read. With effective, orders count from their own time on, as for balance() and tier_at(), and not from when they were recorded if that is before';

CREATE FUNCTION _loyalty.state_at(program regclass, customer anyelement, at timestamptz, known_at timestamptz)
RETURNS _loyalty.state_as_of
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'loyalty_state_at';
COMMENT ON FUNCTION _loyalty.state_at(regclass, anyelement, timestamptz, timestamptz) IS
'what _loyalty.states_as_of tells of one customer, whose key may be of any type that functions of a program take; null for who is neither in the customer table nor had entries';
