-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.earning_rule (
	name text PRIMARY KEY,
	points text NOT NULL,
	applies_when text NOT NULL DEFAULT 'true',
	per text NOT NULL DEFAULT 'order' CHECK (per IN ('order', 'line'))
);
COMMENT ON TABLE @schema@.earning_rule IS 'earning rules: the points of an order are the sum over the rules that apply';
COMMENT ON COLUMN @schema@.earning_rule.per IS 'order, or line: then it is summed over the lines, whose columns it may use';
COMMENT ON COLUMN @schema@.earning_rule.points IS 'SQL expression over the order row (new) and its purchase (customer, at, amount, rate)';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.earning_rule
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_earning_rule');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.earning_rule
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
