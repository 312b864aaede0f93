-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.write_back (
	column_name name PRIMARY KEY,
	shows text NOT NULL
);
COMMENT ON TABLE @schema@.write_back IS 'columns of the customer table that loyalty.write_back() keeps; without a row, nothing is written there';
COMMENT ON COLUMN @schema@.write_back.column_name IS 'name of the column of the customer table';
COMMENT ON COLUMN @schema@.write_back.shows IS 'what is kept in it: a column of the view "members", such as tier, or the name of a rating or a metric';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.write_back
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_write_back');
