-- loyalty.history: what happened on which day ----------------------------------------

-- What users call is in the schema loyalty; what the type, its operators and its
-- aggregates are made of, in _loyalty.  All of it is computed of the arguments alone.
CREATE TYPE loyalty.history;

CREATE FUNCTION _loyalty.history_in(text cstring)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_in';
COMMENT ON FUNCTION _loyalty.history_in(cstring) IS 'reads a history';

CREATE FUNCTION _loyalty.history_out(history loyalty.history)
RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_out';
COMMENT ON FUNCTION _loyalty.history_out(loyalty.history) IS 'writes a history';

CREATE FUNCTION _loyalty.history_recv(message internal)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_recv';
COMMENT ON FUNCTION _loyalty.history_recv(internal) IS 'reads a history in binary form';

CREATE FUNCTION _loyalty.history_send(history loyalty.history)
RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_send';
COMMENT ON FUNCTION _loyalty.history_send(loyalty.history) IS 'writes a history in binary form';

CREATE TYPE loyalty.history (
	INPUT = _loyalty.history_in,
	OUTPUT = _loyalty.history_out,
	RECEIVE = _loyalty.history_recv,
	SEND = _loyalty.history_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE loyalty.history IS
'what happened on which day: for each day how many times, and an amount, as in {2024-01-05 2 12.5, 2024-02-01 1 30}';

-- made, added, subtracted

CREATE FUNCTION loyalty.history_of(day date, amount numeric, times bigint DEFAULT 1)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_of';
COMMENT ON FUNCTION loyalty.history_of(date, numeric, bigint) IS 'a history of one day';

CREATE FUNCTION _loyalty.history_plus(a loyalty.history, b loyalty.history)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_plus';
COMMENT ON FUNCTION _loyalty.history_plus(loyalty.history, loyalty.history) IS 'the days of both, added';

CREATE FUNCTION _loyalty.history_minus(a loyalty.history, b loyalty.history)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_minus';
COMMENT ON FUNCTION _loyalty.history_minus(loyalty.history, loyalty.history) IS 'the days of the first less those of the second';

CREATE FUNCTION _loyalty.history_negative(history loyalty.history)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_negative';
COMMENT ON FUNCTION _loyalty.history_negative(loyalty.history) IS 'a history that takes another one back';

CREATE OPERATOR loyalty.+ (FUNCTION = _loyalty.history_plus, LEFTARG = loyalty.history, RIGHTARG = loyalty.history,
	COMMUTATOR = OPERATOR(loyalty.+));
COMMENT ON OPERATOR loyalty.+ (loyalty.history, loyalty.history) IS 'the days of both, added';

CREATE OPERATOR loyalty.- (FUNCTION = _loyalty.history_minus, LEFTARG = loyalty.history, RIGHTARG = loyalty.history);
COMMENT ON OPERATOR loyalty.- (loyalty.history, loyalty.history) IS 'the days of the first less those of the second';

CREATE OPERATOR loyalty.- (FUNCTION = _loyalty.history_negative, RIGHTARG = loyalty.history);
COMMENT ON OPERATOR loyalty.- (NONE, loyalty.history) IS 'a history that takes another one back';

-- compared: the order of values that differ means nothing, but indexes and sorts need one

CREATE FUNCTION _loyalty.history_eq(a loyalty.history, b loyalty.history)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_eq';
COMMENT ON FUNCTION _loyalty.history_eq(loyalty.history, loyalty.history) IS 'are two histories the same';

CREATE FUNCTION _loyalty.history_ne(a loyalty.history, b loyalty.history)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_ne';
COMMENT ON FUNCTION _loyalty.history_ne(loyalty.history, loyalty.history) IS 'do two histories differ';

CREATE FUNCTION _loyalty.history_lt(a loyalty.history, b loyalty.history)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_lt';
COMMENT ON FUNCTION _loyalty.history_lt(loyalty.history, loyalty.history) IS 'does a history come before another in indexes';

CREATE FUNCTION _loyalty.history_le(a loyalty.history, b loyalty.history)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_le';
COMMENT ON FUNCTION _loyalty.history_le(loyalty.history, loyalty.history) IS 'does a history not come behind another in indexes';

CREATE FUNCTION _loyalty.history_gt(a loyalty.history, b loyalty.history)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_gt';
COMMENT ON FUNCTION _loyalty.history_gt(loyalty.history, loyalty.history) IS 'does a history come behind another in indexes';

CREATE FUNCTION _loyalty.history_ge(a loyalty.history, b loyalty.history)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_ge';
COMMENT ON FUNCTION _loyalty.history_ge(loyalty.history, loyalty.history) IS 'does a history not come before another in indexes';

CREATE FUNCTION _loyalty.history_cmp(a loyalty.history, b loyalty.history)
RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_cmp';
COMMENT ON FUNCTION _loyalty.history_cmp(loyalty.history, loyalty.history) IS 'how two histories are ordered in indexes: -1, 0 or 1';

CREATE FUNCTION _loyalty.history_hash(history loyalty.history)
RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_hash';
COMMENT ON FUNCTION _loyalty.history_hash(loyalty.history) IS 'a hash of a history';

CREATE FUNCTION _loyalty.history_hash_extended(history loyalty.history, seed bigint)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_value_hash_extended';
COMMENT ON FUNCTION _loyalty.history_hash_extended(loyalty.history, bigint) IS 'a hash of a history of 64 bits';

CREATE OPERATOR loyalty.= (FUNCTION = _loyalty.history_eq, LEFTARG = loyalty.history, RIGHTARG = loyalty.history,
	COMMUTATOR = OPERATOR(loyalty.=), NEGATOR = OPERATOR(loyalty.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR loyalty.= (loyalty.history, loyalty.history) IS 'are two histories the same';

CREATE OPERATOR loyalty.<> (FUNCTION = _loyalty.history_ne, LEFTARG = loyalty.history, RIGHTARG = loyalty.history,
	COMMUTATOR = OPERATOR(loyalty.<>), NEGATOR = OPERATOR(loyalty.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR loyalty.<> (loyalty.history, loyalty.history) IS 'do two histories differ';

CREATE OPERATOR loyalty.< (FUNCTION = _loyalty.history_lt, LEFTARG = loyalty.history, RIGHTARG = loyalty.history,
	COMMUTATOR = OPERATOR(loyalty.>), NEGATOR = OPERATOR(loyalty.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR loyalty.< (loyalty.history, loyalty.history) IS 'does a history come before another in indexes';

CREATE OPERATOR loyalty.<= (FUNCTION = _loyalty.history_le, LEFTARG = loyalty.history, RIGHTARG = loyalty.history,
	COMMUTATOR = OPERATOR(loyalty.>=), NEGATOR = OPERATOR(loyalty.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR loyalty.<= (loyalty.history, loyalty.history) IS 'does a history not come behind another in indexes';

CREATE OPERATOR loyalty.> (FUNCTION = _loyalty.history_gt, LEFTARG = loyalty.history, RIGHTARG = loyalty.history,
	COMMUTATOR = OPERATOR(loyalty.<), NEGATOR = OPERATOR(loyalty.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR loyalty.> (loyalty.history, loyalty.history) IS 'does a history come behind another in indexes';

CREATE OPERATOR loyalty.>= (FUNCTION = _loyalty.history_ge, LEFTARG = loyalty.history, RIGHTARG = loyalty.history,
	COMMUTATOR = OPERATOR(loyalty.<=), NEGATOR = OPERATOR(loyalty.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR loyalty.>= (loyalty.history, loyalty.history) IS 'does a history not come before another in indexes';

CREATE OPERATOR FAMILY loyalty.history_order USING btree;
COMMENT ON OPERATOR FAMILY loyalty.history_order USING btree IS 'an order of histories, for indexes and sorts';
CREATE OPERATOR CLASS loyalty.history_order DEFAULT FOR TYPE loyalty.history USING btree FAMILY loyalty.history_order AS
	OPERATOR 1 loyalty.<, OPERATOR 2 loyalty.<=, OPERATOR 3 loyalty.=, OPERATOR 4 loyalty.>=, OPERATOR 5 loyalty.>,
	FUNCTION 1 _loyalty.history_cmp(loyalty.history, loyalty.history);
COMMENT ON OPERATOR CLASS loyalty.history_order USING btree IS 'an order of histories, for indexes and sorts';

CREATE OPERATOR FAMILY loyalty.history_hash USING hash;
COMMENT ON OPERATOR FAMILY loyalty.history_hash USING hash IS 'hashes of histories';
CREATE OPERATOR CLASS loyalty.history_hash DEFAULT FOR TYPE loyalty.history USING hash FAMILY loyalty.history_hash AS
	OPERATOR 1 loyalty.=,
	FUNCTION 1 _loyalty.history_hash(loyalty.history),
	FUNCTION 2 _loyalty.history_hash_extended(loyalty.history, bigint);
COMMENT ON OPERATOR CLASS loyalty.history_hash USING hash IS 'hashes of histories';

-- aggregated.  The functions of states are not strict: the first row has no state yet, and
-- a row that lacks a day or an amount is passed over.

CREATE FUNCTION _loyalty.history_take(state internal, day date, amount numeric)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_take';
COMMENT ON FUNCTION _loyalty.history_take(internal, date, numeric) IS 'adds a row to what loyalty.history() aggregates';

CREATE FUNCTION _loyalty.history_take_back(state internal, day date, amount numeric)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_take_back';
COMMENT ON FUNCTION _loyalty.history_take_back(internal, date, numeric) IS 'takes a row off again that has left the window';

CREATE FUNCTION _loyalty.history_sum_take(state internal, history loyalty.history)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_sum_take';
COMMENT ON FUNCTION _loyalty.history_sum_take(internal, loyalty.history) IS 'adds a history to what loyalty.sum() aggregates';

CREATE FUNCTION _loyalty.history_sum_take_back(state internal, history loyalty.history)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_sum_take_back';
COMMENT ON FUNCTION _loyalty.history_sum_take_back(internal, loyalty.history) IS 'takes a history off again that has left the window';

CREATE FUNCTION _loyalty.history_combine(state internal, other internal)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_combine';
COMMENT ON FUNCTION _loyalty.history_combine(internal, internal) IS 'adds what another process has aggregated';

CREATE FUNCTION _loyalty.history_serialize(state internal)
RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_serialize';
COMMENT ON FUNCTION _loyalty.history_serialize(internal) IS 'what a process has aggregated, for another one';

CREATE FUNCTION _loyalty.history_deserialize(bytes bytea, state internal)
RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_deserialize';
COMMENT ON FUNCTION _loyalty.history_deserialize(bytea, internal) IS 'what another process has aggregated';

CREATE FUNCTION _loyalty.history_final(state internal)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_final';
COMMENT ON FUNCTION _loyalty.history_final(internal) IS 'what was aggregated, or null if no row was counted';

CREATE AGGREGATE loyalty.history(day date, amount numeric) (
	SFUNC = _loyalty.history_take, STYPE = internal, SSPACE = 256, FINALFUNC = _loyalty.history_final,
	COMBINEFUNC = _loyalty.history_combine, SERIALFUNC = _loyalty.history_serialize, DESERIALFUNC = _loyalty.history_deserialize,
	MSFUNC = _loyalty.history_take, MINVFUNC = _loyalty.history_take_back, MSTYPE = internal, MSSPACE = 256,
	MFINALFUNC = _loyalty.history_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE loyalty.history(date, numeric) IS 'the history of rows: each happened once; rows without a day or an amount are passed over; null if no row is left';

CREATE AGGREGATE loyalty.sum(history loyalty.history) (
	SFUNC = _loyalty.history_sum_take, STYPE = internal, SSPACE = 256, FINALFUNC = _loyalty.history_final,
	COMBINEFUNC = _loyalty.history_combine, SERIALFUNC = _loyalty.history_serialize, DESERIALFUNC = _loyalty.history_deserialize,
	MSFUNC = _loyalty.history_sum_take, MINVFUNC = _loyalty.history_sum_take_back, MSTYPE = internal, MSSPACE = 256,
	MFINALFUNC = _loyalty.history_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE loyalty.sum(loyalty.history) IS 'histories added; null if there is none';

-- read.  A bound that is null, or left out, is none, so functions that have bounds are not
-- strict; of a history that is null they give null.  Bounds are moments without a time zone,
-- as date - interval gives them, and a day is the moment at which it begins.

CREATE FUNCTION loyalty.total(history loyalty.history, since timestamp DEFAULT NULL, until timestamp DEFAULT NULL)
RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_total';
COMMENT ON FUNCTION loyalty.total(loyalty.history, timestamp, timestamp) IS 'the sum of the amounts of the days since one and before another: 0 if there are none';

CREATE FUNCTION loyalty.times(history loyalty.history, since timestamp DEFAULT NULL, until timestamp DEFAULT NULL)
RETURNS bigint
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_times';
COMMENT ON FUNCTION loyalty.times(loyalty.history, timestamp, timestamp) IS 'how many times it happened since one day and before another';

CREATE FUNCTION loyalty.during(history loyalty.history, since timestamp DEFAULT NULL, until timestamp DEFAULT NULL)
RETURNS loyalty.history
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_during';
COMMENT ON FUNCTION loyalty.during(loyalty.history, timestamp, timestamp) IS 'the part of a history since one day and before another';

CREATE FUNCTION loyalty.first_day(history loyalty.history)
RETURNS date
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_first_day';
COMMENT ON FUNCTION loyalty.first_day(loyalty.history) IS 'the first day of a history, or null if it is empty';

CREATE FUNCTION loyalty.last_day(history loyalty.history)
RETURNS date
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_last_day';
COMMENT ON FUNCTION loyalty.last_day(loyalty.history) IS 'the last day of a history, or null if it is empty';

CREATE FUNCTION loyalty.days(history loyalty.history)
RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_days';
COMMENT ON FUNCTION loyalty.days(loyalty.history) IS 'how many days there are in a history';

CREATE FUNCTION loyalty.gaps(history loyalty.history)
RETURNS integer[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_history_gaps';
COMMENT ON FUNCTION loyalty.gaps(loyalty.history) IS 'how many days lie between each day of a history and the next';

CREATE FUNCTION loyalty.unnest(history loyalty.history)
RETURNS TABLE (day date, times bigint, amount numeric)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20
AS 'MODULE_PATHNAME', 'loyalty_history_unnest';
COMMENT ON FUNCTION loyalty.unnest(loyalty.history) IS 'the days of a history as rows, in their order';
