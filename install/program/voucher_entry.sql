-- kind: table
-- admin: SELECT
CREATE TABLE @schema@.voucher_entry (
	code text COLLATE "C" NOT NULL,
	entry int NOT NULL,
	kind text COLLATE "C" NOT NULL,
	amount numeric NOT NULL,
	reference text COLLATE "C",
	reason text,
	actor text NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (code, entry),
	UNIQUE (code, reference)
);
COMMENT ON TABLE @schema@.voucher_entry IS 'what was done to vouchers, numbered for each; append-only';
COMMENT ON COLUMN @schema@.voucher_entry.code IS 'the code, in capital letters and without dashes';
COMMENT ON COLUMN @schema@.voucher_entry.entry IS 'number of the entry among those of the voucher';
COMMENT ON COLUMN @schema@.voucher_entry.kind IS 'issue, redemption or void';
COMMENT ON COLUMN @schema@.voucher_entry.amount IS 'by how much the balance changed';
COMMENT ON COLUMN @schema@.voucher_entry.reference IS 'names the call among those for the voucher; null: it was made void';
COMMENT ON COLUMN @schema@.voucher_entry.actor IS 'the role that called';
COMMENT ON COLUMN @schema@.voucher_entry.at IS 'when the transaction of the call began';

CREATE TRIGGER owner_only BEFORE INSERT ON @schema@.voucher_entry
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON @schema@.voucher_entry
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.append_only();
