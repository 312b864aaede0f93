-- kind: upgrade
-- Programs had no layout before this one.
ALTER TABLE @schema@.program ADD COLUMN IF NOT EXISTS layout int NOT NULL DEFAULT 0;
ALTER TABLE @schema@.program ALTER COLUMN layout DROP DEFAULT;
