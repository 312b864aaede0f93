-- kind: table
-- read: SELECT
CREATE TABLE @schema@.ledger (
	customer @column_type@ NOT NULL,
	tracked_table int NOT NULL,
	order_key text COLLATE "C" NOT NULL,
	revision int NOT NULL,
	at timestamptz NOT NULL,
	recorded_at timestamptz NOT NULL,
	terms int NOT NULL,
	counts boolean NOT NULL,
	amount numeric NOT NULL,
	awards numeric NOT NULL,
	currency text COLLATE "C" NOT NULL,
	rate numeric NOT NULL,
	joined_at timestamptz,
	moved boolean NOT NULL,
	tier text,
	multiplier numeric NOT NULL,
	available_at timestamptz,
	parts numeric[],
	held_rules int[],
	came_from text COLLATE "C",
	came_revision int,
	came_over boolean,
	allotted numeric[],
	event text COLLATE "C",
	member jsonb,
	entry bigint NOT NULL,
	order_points numeric NOT NULL,
	orders_change int NOT NULL,
	amount_change numeric NOT NULL,
	points_change numeric NOT NULL,
	kind text COLLATE "C",
	reverses text COLLATE "C",
	reason text,
	actor text,
	until timestamptz,
	lots loyalty.lots,
	counterpart @optional_type@,
	account @optional_type@,
	forgiven numeric,
	pays_for text COLLATE "C",
	pays_table int,
	rooms numeric[],
	apart numeric[],
	PRIMARY KEY (customer, tracked_table, order_key, revision)
);
COMMENT ON TABLE @schema@.ledger IS 'posted entries, numbered per customer; append-only';
COMMENT ON COLUMN @schema@.ledger.event IS 'the kind of the event, which counts as no order; null: it is an order or a call';
COMMENT ON COLUMN @schema@.ledger.kind IS 'null: an order; else what was asked for by a call, whose reference is the order_key, with 0 for the tracked table';
COMMENT ON COLUMN @schema@.ledger.reverses IS 'of a reversal: the reference of what it takes back';
COMMENT ON COLUMN @schema@.ledger.reason IS 'why, as the caller said';
COMMENT ON COLUMN @schema@.ledger.actor IS 'the role that called';
COMMENT ON COLUMN @schema@.ledger.until IS 'of a hold: when it times out';
COMMENT ON COLUMN @schema@.ledger.lots IS 'what the entry did to the dated points of the customer: those that wait or expire; null: nothing';
COMMENT ON COLUMN @schema@.ledger.counterpart IS 'of a transfer or merge: the other customer';
COMMENT ON COLUMN @schema@.ledger.account IS 'of what was recorded for a customer after the merge into another one: whose account has it; null: the customer''s own';

CREATE TRIGGER restore_begin BEFORE INSERT ON @schema@.ledger
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.restore_begin();
CREATE TRIGGER restore_entry BEFORE INSERT ON @schema@.ledger
	FOR EACH ROW EXECUTE FUNCTION _loyalty.restore_entry();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON @schema@.ledger
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.append_only();
