-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.metric (
	name text PRIMARY KEY,
	expression text NOT NULL,
	comment text
);
COMMENT ON TABLE @schema@.metric IS 'metrics: what is to be known of a customer, by name, in conditions and in the view "metrics"';
COMMENT ON COLUMN @schema@.metric.expression IS 'SQL expression over spend, orders, points_earned, tenure, joined_at, first_order_at, last_order_at, today, at, purchases, the kinds of events, and member, the row of the customer';
COMMENT ON COLUMN @schema@.metric.comment IS 'what it says, for people; the view "metrics" has it as the comment of its column';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.metric
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_metric');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.metric
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
CREATE TRIGGER show_comments AFTER UPDATE OF comment ON @schema@.metric
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('show_metrics');
COMMENT ON TRIGGER show_comments ON @schema@.metric IS 'lets the view "metrics" say what its columns are';
