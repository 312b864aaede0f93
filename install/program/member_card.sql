-- kind: table
-- read: SELECT
-- No card is deleted until its customer is forgotten: one that was replaced tells whose it was.
CREATE TABLE @schema@.member_card (
	card text COLLATE "C" PRIMARY KEY CONSTRAINT card_has_8_to_19_digits CHECK (card ~ '^[0-9]{8,19}$'),
	customer @column_type@ NOT NULL,
	status text COLLATE "C" NOT NULL DEFAULT 'active' CONSTRAINT status_is_known CHECK (status IN ('active', 'blocked', 'replaced')),
	since timestamptz NOT NULL DEFAULT now(),
	reason text,
	actor text NOT NULL DEFAULT current_user,
	replaced_by text COLLATE "C",
	issued_at timestamptz NOT NULL DEFAULT now(),
	issued_by text NOT NULL DEFAULT current_user,
	CONSTRAINT replaced_by_a_card CHECK (CASE status WHEN 'active' THEN replaced_by IS NULL WHEN 'replaced' THEN replaced_by IS NOT NULL ELSE true END)
);
CREATE INDEX member_card_of_customer ON @schema@.member_card (customer);
COMMENT ON TABLE @schema@.member_card IS 'cards of customers: a customer may have several; written by issue_card, replace_card, block_card and unblock_card';
COMMENT ON COLUMN @schema@.member_card.card IS 'number of the card: digits, the last of which checks the others';
COMMENT ON COLUMN @schema@.member_card.status IS 'active, blocked, or replaced by another card; one that is blocked and replaced is blocked';
COMMENT ON COLUMN @schema@.member_card.since IS 'when the card got its status';
COMMENT ON COLUMN @schema@.member_card.reason IS 'why it was blocked or replaced, as the callers said';
COMMENT ON COLUMN @schema@.member_card.actor IS 'the role that gave the card its status';
COMMENT ON COLUMN @schema@.member_card.replaced_by IS 'the card that took its place; null: none did';
COMMENT ON COLUMN @schema@.member_card.issued_at IS 'when it was issued';
COMMENT ON COLUMN @schema@.member_card.issued_by IS 'the role that issued it';
