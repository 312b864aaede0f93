-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
-- Whoever records an order that a rule with a budget gives points to holds a lock on the row of the budget until the end of the
-- transaction, and writes it past all triggers (src/record/budgets.c).
CREATE TABLE @schema@.budget (
	name text COLLATE "C" PRIMARY KEY,
	points numeric NOT NULL,
	given numeric NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE @schema@.budget IS 'how many points earning rules may give to all members together: those that name it in their column budget';
COMMENT ON COLUMN @schema@.budget.name IS 'what rules call it';
COMMENT ON COLUMN @schema@.budget.points IS 'they give no more than this; less than is given by now: nothing more';
COMMENT ON COLUMN @schema@.budget.given IS 'what orders have of it, without what refunds gave back; counted when orders are recorded';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE OR DELETE ON @schema@.budget
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_budget');
CREATE TRIGGER keep_row BEFORE TRUNCATE ON @schema@.budget
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('check_budget');
