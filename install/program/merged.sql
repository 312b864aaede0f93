-- kind: table
-- read: SELECT
CREATE TABLE @schema@.merged (
	customer @column_type@ PRIMARY KEY,
	survivor @column_type@ NOT NULL,
	merged_into @column_type@ NOT NULL,
	reference text COLLATE "C" NOT NULL,
	at timestamptz NOT NULL
);
COMMENT ON TABLE @schema@.merged IS 'customers who were merged into others: their keys stand for these for ever; written by merge';
COMMENT ON COLUMN @schema@.merged.customer IS 'the key that is no customer of its own any more';
COMMENT ON COLUMN @schema@.merged.survivor IS 'whose account has all that is recorded for the key: the one into whom the customer was merged, or who that one was merged into since';
COMMENT ON COLUMN @schema@.merged.merged_into IS 'the one into whom the customer was merged';
COMMENT ON COLUMN @schema@.merged.reference IS 'names the merge among the calls for the customer';
COMMENT ON COLUMN @schema@.merged.at IS 'when the transaction that merged them began';

CREATE INDEX merged_survivor ON @schema@.merged (survivor);

CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.merged
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
