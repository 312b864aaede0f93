-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.exchange_rate (
	currency text COLLATE "C" CONSTRAINT currency_is_not_empty CHECK (currency <> ''),
	valid_from timestamptz DEFAULT '-infinity',
	rate numeric NOT NULL CONSTRAINT rate_is_positive_and_finite CHECK (rate > 0 AND rate < 1e12),
	PRIMARY KEY (currency, valid_from)
);
COMMENT ON TABLE @schema@.exchange_rate IS 'rates of currencies: an order keeps the one that was valid at its time when it was first recorded';
COMMENT ON COLUMN @schema@.exchange_rate.rate IS 'what one unit of the currency is worth in that of the program';
