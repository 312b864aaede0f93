-- kind: table
-- read: SELECT
-- Without a key: sessions that post at the same time each note it, and none waits for another.
CREATE TABLE @schema@.posted_terms (
	version int NOT NULL
);
COMMENT ON TABLE @schema@.posted_terms IS 'versions of the terms under which entries are in the ledger, some more than once; written by posting';
