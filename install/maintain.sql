-- Maintenance -----------------------------------------------------------------------

-- Has time done anything to lots that is not written yet?
CREATE FUNCTION _loyalty.is_due(lots loyalty.lots, at timestamptz)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_is_due';
COMMENT ON FUNCTION _loyalty.is_due(loyalty.lots, timestamptz) IS
'have lots expired at a moment, or become available that waited?';

CREATE FUNCTION _loyalty.maintain_batch(program name, after text, batch int, unposted boolean, OUT last text, OUT done bigint, OUT more boolean)
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_maintain_batch';
COMMENT ON FUNCTION _loyalty.maintain_batch(name, text, int, boolean) IS
'write what time has done to the points of the next customers behind a key; takes the right to delete from the journal';

CREATE PROCEDURE loyalty.maintain(program name, batch int DEFAULT 1000)
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_maintain';
COMMENT ON PROCEDURE loyalty.maintain(name, int) IS
'post what is recorded, and write what time has done: points that expired, or became available, and holds that timed out; about batch customers at once, and outside of a transaction block each batch is committed';
