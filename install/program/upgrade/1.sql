-- kind: upgrade
-- Programs had no layout before this one, and views did not declare a scale.
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS layout int NOT NULL DEFAULT 0;
ALTER TABLE @schema@.program ALTER COLUMN layout DROP DEFAULT;
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS amount_scale int NOT NULL DEFAULT 2 CHECK (amount_scale BETWEEN 0 AND 12);
ALTER TABLE @schema@.program ALTER COLUMN amount_scale DROP DEFAULT;
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS card_prefix text COLLATE "C" NOT NULL DEFAULT '99' CHECK (card_prefix ~ '^[0-9]*$');
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS card_length int NOT NULL DEFAULT 16 CHECK (card_length BETWEEN 8 AND 19);
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS reader uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS refunds_take text NOT NULL DEFAULT 'pending' CHECK (refunds_take IN ('pending', 'available'));
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS refund_shortfall text NOT NULL DEFAULT 'owe' CHECK (refund_shortfall IN ('owe', 'forgive', 'reject'));
ALTER TABLE @schema@.terms ADD COLUMN IF NOT EXISTS refunds_take text NOT NULL DEFAULT 'pending';
ALTER TABLE @schema@.terms ADD COLUMN IF NOT EXISTS refund_shortfall text NOT NULL DEFAULT 'owe';
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS returns_paid_points text NOT NULL DEFAULT 'never' CHECK (returns_paid_points IN ('never', 'full', 'proportional'));
ALTER TABLE @schema@.terms ADD COLUMN IF NOT EXISTS returns_paid_points text NOT NULL DEFAULT 'never';
ALTER TABLE @schema@.earning_rule ADD COLUMN IF NOT EXISTS for_members text;
ALTER TABLE @schema@.earning_rule ADD COLUMN IF NOT EXISTS bonus boolean NOT NULL DEFAULT false;
ALTER TABLE @schema@.terms_rule ADD COLUMN IF NOT EXISTS for_members text;
ALTER TABLE @schema@.terms_rule ADD COLUMN IF NOT EXISTS bonus boolean NOT NULL DEFAULT false;
ALTER TABLE @schema@.archived ADD COLUMN IF NOT EXISTS terms int;
ALTER TABLE @schema@.archived ADD COLUMN IF NOT EXISTS parts numeric[];
ALTER TABLE @schema@.kept ADD COLUMN IF NOT EXISTS parts numeric[];
ALTER TABLE @schema@.ledger ADD COLUMN IF NOT EXISTS forgiven numeric;
ALTER TABLE @schema@.ledger ADD COLUMN IF NOT EXISTS pays_for text COLLATE "C";
ALTER TABLE @schema@.ledger ADD COLUMN IF NOT EXISTS pays_table int;
