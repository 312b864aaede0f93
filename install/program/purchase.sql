-- kind: type
CREATE TYPE @schema@.purchase AS (customer @column_type@, at timestamptz, amount numeric, rate numeric);
COMMENT ON TYPE @schema@.purchase IS 'what earning rules know of an order besides its row';
