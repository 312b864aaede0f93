-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.date_rule (
	name text COLLATE "C" PRIMARY KEY,
	due text NOT NULL,
	every interval,
	points text NOT NULL,
	for_members text,
	valid_from date NOT NULL,
	valid_until date,
	times int CHECK (times > 0),
	wallet text,
	reason text
);
COMMENT ON TABLE @schema@.date_rule IS 'points that members get on days of their own, such as birthdays and anniversaries: given by maintain';
COMMENT ON COLUMN @schema@.date_rule.name IS 'name of the rule';
COMMENT ON COLUMN @schema@.date_rule.due IS 'SQL expression over the row of the customer table (new): the day; null: the rule gives the member nothing';
COMMENT ON COLUMN @schema@.date_rule.every IS 'the points are given this much after the day, and again each time that it has passed; null: on the day itself, once';
COMMENT ON COLUMN @schema@.date_rule.points IS 'SQL expression over the row of the customer table (new); null or 0: the rule gives the member nothing yet';
COMMENT ON COLUMN @schema@.date_rule.for_members IS 'SQL condition over what the member had when the day began (spend, orders, points_earned, tenure, first_order_at, last_order_at, today, at, tier), which is decided once for each day; null: for all';
COMMENT ON COLUMN @schema@.date_rule.valid_from IS 'the first day on which it gives points; null in an INSERT: today';
COMMENT ON COLUMN @schema@.date_rule.valid_until IS 'the last day on which it does; null: it stays';
COMMENT ON COLUMN @schema@.date_rule.times IS 'a member gets points by it so often at most; null: no limit';
COMMENT ON COLUMN @schema@.date_rule.wallet IS 'name of the wallet that gets the points; null: the first one';
COMMENT ON COLUMN @schema@.date_rule.reason IS 'the reason in the entries; null: the name of the rule';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE OR DELETE ON @schema@.date_rule
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_date_rule');
CREATE TRIGGER keep_row BEFORE TRUNCATE ON @schema@.date_rule
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('check_date_rule');
