-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.earning_rule (
	name text PRIMARY KEY,
	points text,
	multiplier text,
	applies_when text NOT NULL DEFAULT 'true',
	per text NOT NULL DEFAULT 'order' CHECK (per IN ('order', 'line')),
	starts timestamptz,
	ends timestamptz,
	minimum_order numeric,
	every numeric CHECK (every > 0),
	gives numeric,
	at_most numeric CHECK (at_most >= 0),
	rounding text CHECK (rounding IN ('floor', 'half_even', 'half_up', 'ceil')),
	priority int NOT NULL DEFAULT 0,
	stacking text NOT NULL CHECK (stacking IN ('add', 'multiply', 'exclusive', 'best_of')),
	stacking_group text,
	for_members text,
	bonus boolean NOT NULL DEFAULT false,
	member_limit numeric CHECK (member_limit >= 0),
	limit_unit text NOT NULL DEFAULT 'points' CHECK (limit_unit IN ('points', 'times')),
	limit_period text CHECK (limit_period IN ('day', 'week', 'month', 'quarter', 'year')),
	budget text,
	event text,
	campaign text,
	wallet text,
	CHECK (num_nonnulls(points, multiplier) = 1)
);
COMMENT ON TABLE @schema@.earning_rule IS 'earning rules: an order gets the points of all that apply, multiplied by the multipliers of all that apply';
COMMENT ON COLUMN @schema@.earning_rule.per IS 'order, or line: then it is evaluated for each line, whose columns it may use; points are summed over the lines, and a multiplier multiplies those of its line';
COMMENT ON COLUMN @schema@.earning_rule.points IS 'SQL expression over the order row (new) and its purchase (customer, at, amount, rate)';
COMMENT ON COLUMN @schema@.earning_rule.multiplier IS 'SQL expression, in place of points: by what the points of other rules are multiplied';
COMMENT ON COLUMN @schema@.earning_rule.for_members IS 'SQL condition over what the customer had just before the order (spend, orders, points_earned, tenure, first_order_at, last_order_at, today, at, tier): does the rule count? null: for all';
COMMENT ON COLUMN @schema@.earning_rule.event IS 'the kind of events that the rule is for, as loyalty.track_events names it; null: it is for orders';
COMMENT ON COLUMN @schema@.earning_rule.campaign IS 'the campaign that the rule belongs to: it counts where this holds, too; null: it belongs to none';
COMMENT ON COLUMN @schema@.earning_rule.wallet IS 'the wallet that the points of the rule go into, which says when they become available and when they expire; they are rounded by themselves; null: wallet 1, with those of all rules that name none';
COMMENT ON COLUMN @schema@.earning_rule.bonus IS 'points that no multiplier of orders and no tier multiplies';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.earning_rule
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_earning_rule');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.earning_rule
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
