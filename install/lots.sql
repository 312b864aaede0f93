-- Lots: dated points ------------------------------------------------------------------

-- A value is a set of lots, and values add.  No function looks at a setting or a table, so
-- all are immutable and safe in parallel.  Those that are not strict let a null argument
-- stand for its default.

CREATE TYPE loyalty.lots;
COMMENT ON TYPE loyalty.lots IS
'dated points, which add up: {100, 50 from 2026-01-15T00:00:00Z until 2027-01-01T00:00:00Z, wallet 2: 30}';

CREATE FUNCTION _loyalty.lots_in(text cstring)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_in';
COMMENT ON FUNCTION _loyalty.lots_in(cstring) IS
'lots out of text';

CREATE FUNCTION _loyalty.lots_out(lots loyalty.lots)
RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_out';
COMMENT ON FUNCTION _loyalty.lots_out(loyalty.lots) IS
'lots as text, which no setting changes';

CREATE FUNCTION _loyalty.lots_recv(message internal)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_recv';
COMMENT ON FUNCTION _loyalty.lots_recv(internal) IS
'lots out of what binary protocols send';

CREATE FUNCTION _loyalty.lots_send(lots loyalty.lots)
RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_send';
COMMENT ON FUNCTION _loyalty.lots_send(loyalty.lots) IS
'lots as what binary protocols send';

CREATE TYPE loyalty.lots (
	INPUT = _loyalty.lots_in,
	OUTPUT = _loyalty.lots_out,
	RECEIVE = _loyalty.lots_recv,
	SEND = _loyalty.lots_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);

-- adding

CREATE FUNCTION loyalty.lots_of(points numeric, available_at timestamptz DEFAULT '-infinity', expires_at timestamptz DEFAULT 'infinity', wallet int DEFAULT 1)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_of';
COMMENT ON FUNCTION loyalty.lots_of(numeric, timestamptz, timestamptz, int) IS
'points that are available from a moment on, until they expire; no lot if they are 0';

CREATE FUNCTION _loyalty.lots_add("left" loyalty.lots, "right" loyalty.lots)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_add';
COMMENT ON FUNCTION _loyalty.lots_add(loyalty.lots, loyalty.lots) IS
'sum of two values';

CREATE FUNCTION _loyalty.lots_subtract("left" loyalty.lots, "right" loyalty.lots)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_subtract';
COMMENT ON FUNCTION _loyalty.lots_subtract(loyalty.lots, loyalty.lots) IS
'difference of two values';

CREATE FUNCTION _loyalty.lots_negate(lots loyalty.lots)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_negate';
COMMENT ON FUNCTION _loyalty.lots_negate(loyalty.lots) IS
'what takes away what a value adds';

CREATE OPERATOR loyalty.+ (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_add, COMMUTATOR = OPERATOR(loyalty.+));
COMMENT ON OPERATOR loyalty.+ (loyalty.lots, loyalty.lots) IS 'sum of two values';
CREATE OPERATOR loyalty.- (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_subtract);
COMMENT ON OPERATOR loyalty.- (loyalty.lots, loyalty.lots) IS 'difference of two values';
CREATE OPERATOR loyalty.- (RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_negate);
COMMENT ON OPERATOR loyalty.- (NONE, loyalty.lots) IS 'what takes away what a value adds';

-- comparing

CREATE FUNCTION _loyalty.lots_cmp("left" loyalty.lots, "right" loyalty.lots)
RETURNS int
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_cmp';
COMMENT ON FUNCTION _loyalty.lots_cmp(loyalty.lots, loyalty.lots) IS
'-1, 0 or 1: is a value before, equal to or behind another one?  The order says nothing';

CREATE FUNCTION _loyalty.lots_lt("left" loyalty.lots, "right" loyalty.lots)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_lt';
COMMENT ON FUNCTION _loyalty.lots_lt(loyalty.lots, loyalty.lots) IS
'is a value before another one?';

CREATE FUNCTION _loyalty.lots_le("left" loyalty.lots, "right" loyalty.lots)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_le';
COMMENT ON FUNCTION _loyalty.lots_le(loyalty.lots, loyalty.lots) IS
'is a value before another one, or equal to it?';

CREATE FUNCTION _loyalty.lots_eq("left" loyalty.lots, "right" loyalty.lots)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_eq';
COMMENT ON FUNCTION _loyalty.lots_eq(loyalty.lots, loyalty.lots) IS
'are two values equal?';

CREATE FUNCTION _loyalty.lots_ne("left" loyalty.lots, "right" loyalty.lots)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_ne';
COMMENT ON FUNCTION _loyalty.lots_ne(loyalty.lots, loyalty.lots) IS
'are two values different?';

CREATE FUNCTION _loyalty.lots_ge("left" loyalty.lots, "right" loyalty.lots)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_ge';
COMMENT ON FUNCTION _loyalty.lots_ge(loyalty.lots, loyalty.lots) IS
'is a value behind another one, or equal to it?';

CREATE FUNCTION _loyalty.lots_gt("left" loyalty.lots, "right" loyalty.lots)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_gt';
COMMENT ON FUNCTION _loyalty.lots_gt(loyalty.lots, loyalty.lots) IS
'is a value behind another one?';

CREATE FUNCTION _loyalty.lots_hash(lots loyalty.lots)
RETURNS int
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_hash';
COMMENT ON FUNCTION _loyalty.lots_hash(loyalty.lots) IS
'hash of a value';

CREATE FUNCTION _loyalty.lots_hash_extended(lots loyalty.lots, seed bigint)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_hash_extended';
COMMENT ON FUNCTION _loyalty.lots_hash_extended(loyalty.lots, bigint) IS
'hash of a value, with a seed';

CREATE OPERATOR loyalty.< (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_lt,
	COMMUTATOR = OPERATOR(loyalty.>), NEGATOR = OPERATOR(loyalty.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR loyalty.< (loyalty.lots, loyalty.lots) IS 'is a value before another one?';

CREATE OPERATOR loyalty.<= (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_le,
	COMMUTATOR = OPERATOR(loyalty.>=), NEGATOR = OPERATOR(loyalty.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR loyalty.<= (loyalty.lots, loyalty.lots) IS 'is a value before another one, or equal to it?';

CREATE OPERATOR loyalty.= (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_eq,
	COMMUTATOR = OPERATOR(loyalty.=), NEGATOR = OPERATOR(loyalty.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR loyalty.= (loyalty.lots, loyalty.lots) IS 'are two values equal?';

CREATE OPERATOR loyalty.<> (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_ne,
	COMMUTATOR = OPERATOR(loyalty.<>), NEGATOR = OPERATOR(loyalty.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR loyalty.<> (loyalty.lots, loyalty.lots) IS 'are two values different?';

CREATE OPERATOR loyalty.>= (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_ge,
	COMMUTATOR = OPERATOR(loyalty.<=), NEGATOR = OPERATOR(loyalty.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR loyalty.>= (loyalty.lots, loyalty.lots) IS 'is a value behind another one, or equal to it?';

CREATE OPERATOR loyalty.> (LEFTARG = loyalty.lots, RIGHTARG = loyalty.lots, FUNCTION = _loyalty.lots_gt,
	COMMUTATOR = OPERATOR(loyalty.<), NEGATOR = OPERATOR(loyalty.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR loyalty.> (loyalty.lots, loyalty.lots) IS 'is a value behind another one?';

CREATE OPERATOR CLASS loyalty.lots_ops DEFAULT FOR TYPE loyalty.lots USING btree AS
	OPERATOR 1 loyalty.<, OPERATOR 2 loyalty.<=, OPERATOR 3 loyalty.=, OPERATOR 4 loyalty.>=, OPERATOR 5 loyalty.>,
	FUNCTION 1 _loyalty.lots_cmp(loyalty.lots, loyalty.lots);
COMMENT ON OPERATOR CLASS loyalty.lots_ops USING btree IS 'an order of lots, for DISTINCT, indexes and joins';
COMMENT ON OPERATOR FAMILY loyalty.lots_ops USING btree IS 'an order of lots, for DISTINCT, indexes and joins';
CREATE OPERATOR CLASS loyalty.lots_ops DEFAULT FOR TYPE loyalty.lots USING hash AS
	OPERATOR 1 loyalty.=,
	FUNCTION 1 _loyalty.lots_hash(loyalty.lots),
	FUNCTION 2 _loyalty.lots_hash_extended(loyalty.lots, bigint);
COMMENT ON OPERATOR CLASS loyalty.lots_ops USING hash IS 'equality of lots, for DISTINCT, indexes and joins';
COMMENT ON OPERATOR FAMILY loyalty.lots_ops USING hash IS 'equality of lots, for DISTINCT, indexes and joins';

-- summing up: the state of sum() is a list that is worked with, and the functions are not strict
-- as it is null before the first row

CREATE FUNCTION _loyalty.lots_sum(state internal, lots loyalty.lots)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_sum';
COMMENT ON FUNCTION _loyalty.lots_sum(internal, loyalty.lots) IS
'adds a row to a sum';

CREATE FUNCTION _loyalty.lots_sum_inverse(state internal, lots loyalty.lots)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_sum_inverse';
COMMENT ON FUNCTION _loyalty.lots_sum_inverse(internal, loyalty.lots) IS
'takes a row away from a sum';

CREATE FUNCTION _loyalty.lots_sum_combine(state internal, other internal)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_sum_combine';
COMMENT ON FUNCTION _loyalty.lots_sum_combine(internal, internal) IS
'adds up two sums';

CREATE FUNCTION _loyalty.lots_sum_serial(state internal)
RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_sum_serial';
COMMENT ON FUNCTION _loyalty.lots_sum_serial(internal) IS
'a sum as it is sent to another process';

CREATE FUNCTION _loyalty.lots_sum_deserial(message bytea, state internal)
RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_sum_deserial';
COMMENT ON FUNCTION _loyalty.lots_sum_deserial(bytea, internal) IS
'a sum that another process sent';

CREATE FUNCTION _loyalty.lots_sum_final(state internal)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_sum_final';
COMMENT ON FUNCTION _loyalty.lots_sum_final(internal) IS
'the value of a sum, null for no rows';

CREATE AGGREGATE loyalty.sum(lots loyalty.lots) (
	SFUNC = _loyalty.lots_sum, STYPE = internal, SSPACE = 256, FINALFUNC = _loyalty.lots_sum_final,
	COMBINEFUNC = _loyalty.lots_sum_combine, SERIALFUNC = _loyalty.lots_sum_serial, DESERIALFUNC = _loyalty.lots_sum_deserial,
	MSFUNC = _loyalty.lots_sum, MINVFUNC = _loyalty.lots_sum_inverse, MSTYPE = internal, MSSPACE = 256,
	MFINALFUNC = _loyalty.lots_sum_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE loyalty.sum(loyalty.lots) IS 'sum of the lots of all rows but those that are null; null if there are none';

-- reading

CREATE FUNCTION loyalty.total(lots loyalty.lots, wallet int DEFAULT NULL)
RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_total';
COMMENT ON FUNCTION loyalty.total(loyalty.lots, int) IS
'points of all lots, or of those of a wallet';

CREATE FUNCTION loyalty.available(lots loyalty.lots, at timestamptz, wallet int DEFAULT NULL)
RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_available';
COMMENT ON FUNCTION loyalty.available(loyalty.lots, timestamptz, int) IS
'points that are available at a moment, in all wallets or in one';

CREATE FUNCTION loyalty.pending(lots loyalty.lots, at timestamptz, wallet int DEFAULT NULL)
RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_pending';
COMMENT ON FUNCTION loyalty.pending(loyalty.lots, timestamptz, int) IS
'points that are not available yet at a moment';

CREATE FUNCTION loyalty.expired(lots loyalty.lots, at timestamptz, wallet int DEFAULT NULL)
RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_expired';
COMMENT ON FUNCTION loyalty.expired(loyalty.lots, timestamptz, int) IS
'points that have expired at a moment';

CREATE FUNCTION loyalty.expiring(lots loyalty.lots, since timestamptz, until timestamptz, wallet int DEFAULT NULL)
RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_expiring';
COMMENT ON FUNCTION loyalty.expiring(loyalty.lots, timestamptz, timestamptz, int) IS
'points of the lots that expire after a moment, and not later than another one';

CREATE FUNCTION loyalty.next_expiry(lots loyalty.lots, at timestamptz, wallet int DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_next_expiry';
COMMENT ON FUNCTION loyalty.next_expiry(loyalty.lots, timestamptz, int) IS
'when the next points expire after a moment; null if none do';

CREATE FUNCTION loyalty.unnest(lots loyalty.lots, OUT wallet int, OUT available_at timestamptz, OUT expires_at timestamptz, OUT points numeric)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
ROWS 5
AS 'MODULE_PATHNAME', 'loyalty_lots_unnest';
COMMENT ON FUNCTION loyalty.unnest(loyalty.lots) IS
'the lots of a value, a row for each';

-- taking, for what changes accounts

CREATE FUNCTION _loyalty.take(lots loyalty.lots, points numeric, at timestamptz, wallets int[] DEFAULT NULL, OUT taken loyalty.lots, OUT rest numeric)
RETURNS record
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_take';
COMMENT ON FUNCTION _loyalty.take(loyalty.lots, numeric, timestamptz, int[]) IS
'what to add to lots to take points of what is available at a moment, from the first wallet first, and there from what expires first; and what was not there';

CREATE FUNCTION _loyalty.take_from(lots loyalty.lots, preferred loyalty.lots, points numeric, at timestamptz, pending_first boolean DEFAULT true, wallets int[] DEFAULT NULL,
	OUT taken loyalty.lots, OUT rest numeric)
RETURNS record
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_take_from';
COMMENT ON FUNCTION _loyalty.take_from(loyalty.lots, loyalty.lots, numeric, timestamptz, boolean, int[]) IS
'what to add to lots to take points, first from those that are preferred, which may be pending; and what was not there';

CREATE FUNCTION _loyalty.expire(lots loyalty.lots, at timestamptz)
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_lots_expire';
COMMENT ON FUNCTION _loyalty.expire(loyalty.lots, timestamptz) IS
'what to add to lots to take away all that have expired at a moment';

-- Points of some wallets are shown, and can never be spent.
CREATE FUNCTION _loyalty.redeemable_lots(lots loyalty.lots, status int[])
RETURNS loyalty.lots
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_redeemable_lots';
COMMENT ON FUNCTION _loyalty.redeemable_lots(loyalty.lots, int[]) IS
'lots without those of status points: of the wallets that cannot be spent from, or null for none';
