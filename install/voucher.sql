-- Vouchers --------------------------------------------------------------------------

CREATE TYPE loyalty.voucher_receipt AS (
	code text,
	reference text,
	entry int,
	amount numeric,
	balance numeric,
	at timestamptz
);
COMMENT ON TYPE loyalty.voucher_receipt IS 'what a call for a voucher did: result of redeem_voucher and void_voucher of a program';
COMMENT ON COLUMN loyalty.voucher_receipt.code IS 'the code of the voucher';
COMMENT ON COLUMN loyalty.voucher_receipt.reference IS 'names the call among those for the voucher: given, or a new one; null: the voucher was made void';
COMMENT ON COLUMN loyalty.voucher_receipt.entry IS 'number of the entry among those of the voucher';
COMMENT ON COLUMN loyalty.voucher_receipt.amount IS 'by how much the balance changed';
COMMENT ON COLUMN loyalty.voucher_receipt.balance IS 'what the voucher was worth just after that';
COMMENT ON COLUMN loyalty.voucher_receipt.at IS 'when the transaction that made the call began: now(), unless another one made it already';

CREATE TYPE loyalty.voucher_state AS (
	code text,
	status text,
	balance numeric,
	amount numeric,
	expires_at timestamptz,
	campaign text,
	is_bound boolean
);
COMMENT ON TYPE loyalty.voucher_state IS 'what a code is worth: result of the function voucher_status of a program';
COMMENT ON COLUMN loyalty.voucher_state.code IS 'the code, as it is written; null: it is mistyped';
COMMENT ON COLUMN loyalty.voucher_state.status IS 'valid, used, expired, void, of another customer, unknown, or mistyped';
COMMENT ON COLUMN loyalty.voucher_state.balance IS 'what can be redeemed of it now';
COMMENT ON COLUMN loyalty.voucher_state.amount IS 'what it was worth when it was issued';
COMMENT ON COLUMN loyalty.voucher_state.expires_at IS 'from when on it is not valid any more; infinity: it does not expire';
COMMENT ON COLUMN loyalty.voucher_state.campaign IS 'what it was issued for';
COMMENT ON COLUMN loyalty.voucher_state.is_bound IS 'may only one customer redeem it?';

CREATE FUNCTION _loyalty.new_code()
RETURNS text
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_new_code';
COMMENT ON FUNCTION _loyalty.new_code() IS 'a code for a voucher that nobody can guess, with its check character';

CREATE FUNCTION _loyalty.read_code(typed text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_read_code';
COMMENT ON FUNCTION _loyalty.read_code(text) IS 'a code as it is stored, from what somebody typed; null if that is not the code of any voucher, since its check character is wrong';

CREATE FUNCTION _loyalty.show_code(code text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws('-', substr(code, 1, 4), substr(code, 5, 4), substr(code, 9, 4), substr(code, 13, 4))
$$;
COMMENT ON FUNCTION _loyalty.show_code(text) IS 'a code as people read it';

-- There are so many codes that none is there already.  If one was, the insertion would fail,
-- and be repeated as any call can be.
CREATE FUNCTION _loyalty.make_vouchers(program name, customer_type text, vouchers int, amount numeric, reference text, customer anyelement, expires_at timestamptz, campaign text, reason text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made bigint;
BEGIN
	IF vouchers IS NULL OR vouchers NOT BETWEEN 1 AND 1000000 THEN
		RAISE EXCEPTION 'the number of vouchers must be between 1 and 1000000'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(vouchers::text, 'null')),
			      HINT = 'Issue more in several calls, each with a reference of its own.';
	END IF;
	EXECUTE format('INSERT INTO %I.voucher_batch (reference, vouchers, amount, customer, expires_at, campaign, reason, actor, issued_at)
	                VALUES ($1, $2, $3, $4::%s, $5, $6, $7, $8, now()) ON CONFLICT DO NOTHING', program, customer_type)
	  USING reference, vouchers, amount, customer, expires_at, campaign, reason, _loyalty.actor();
	GET DIAGNOSTICS made = ROW_COUNT;
	IF made > 0 THEN
		EXECUTE format($sql$
			WITH made AS (
				INSERT INTO %1$I.voucher (code, batch, number, balance, entries)
				SELECT _loyalty.new_code(), $1, n, $3, 1 FROM generate_series(1, $2) n RETURNING code)
			INSERT INTO %1$I.voucher_entry (code, entry, kind, amount, reference, reason, actor, at)
			SELECT m.code, 1, 'issue', $3, $1, $4, $5, now() FROM made m $sql$, program)
		  USING reference, vouchers, amount, reason, _loyalty.actor();
	END IF;
	RETURN made > 0;
END
$$;
COMMENT ON FUNCTION _loyalty.make_vouchers(name, text, int, numeric, text, anyelement, timestamptz, text, text) IS
'make vouchers, with their codes and first entries; false: some with this reference are there';

-- Codes are money, and told again only to the role that had them made, or who has the rights
-- of the owner: what a call is repeated with can be read by others.
CREATE FUNCTION _loyalty.issued_codes(program name, batch text)
RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	actor text;
BEGIN
	EXECUTE format('SELECT b.actor FROM %I.voucher_batch b WHERE b.reference = $1', program) INTO actor USING batch;
	IF actor <> _loyalty.actor() AND NOT pg_has_role(_loyalty.actor(), current_user, 'USAGE') THEN
		RAISE EXCEPTION 'these vouchers were issued by role "%"', actor
			USING ERRCODE = 'insufficient_privilege', DETAIL = 'Their codes are told to this role, and to the owner of the program.',
			      HINT = 'Let this role repeat the call, or give a new call a reference of its own.';
	END IF;
	RETURN QUERY EXECUTE format('SELECT _loyalty.show_code(v.code) FROM %I.voucher v WHERE v.batch = $1 ORDER BY v.number', program) USING batch;
END
$$;
COMMENT ON FUNCTION _loyalty.issued_codes(name, text) IS 'the codes of vouchers that were issued together, for the role that issued them';

CREATE FUNCTION _loyalty.issue_vouchers(settings regclass, vouchers int, amount numeric, reference text, customer anyelement, expires_at timestamptz, campaign text, reason text)
RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	known text;
	made record;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'issue_vouchers');
	PERFORM _loyalty.require_given('{amount, expires_at}', ARRAY[amount IS NULL, expires_at IS NULL]);
	PERFORM _loyalty.require_number('amount', amount, false, NULL, NULL);
	IF customer IS NOT NULL THEN
		PERFORM _loyalty.require_customer(settings, p.program, customer);
	END IF;
	reference := _loyalty.given_reference(reference);
	known := format('SELECT b.*, ARRAY[b.vouchers IS NOT DISTINCT FROM $3, b.amount = $4, CASE WHEN b.customer IS NULL THEN $1 IS NULL ELSE coalesce(b.customer %s, false) END,
	                                   b.expires_at = $5, b.campaign IS NOT DISTINCT FROM $6] AS same
	                   FROM %I.voucher_batch b WHERE b.reference = $2', p.is_same, p.program);
	EXECUTE known INTO made USING customer, reference, vouchers, amount, expires_at, campaign;
	IF made.reference IS NULL THEN
		PERFORM _loyalty.require_number('amount', amount, false, 'amount_scale', p.amount_scale);
		amount := round(amount, p.amount_scale);	-- shown with as many decimals as the program has
		IF expires_at <= now() THEN
			RAISE EXCEPTION 'a voucher must expire in the future'
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It would expire at %s.', expires_at);
		END IF;
		IF _loyalty.make_vouchers(p.program, p.customer_type, vouchers, amount, reference, customer, expires_at, campaign, reason) THEN
			RETURN QUERY SELECT _loyalty.issued_codes(p.program, reference);
			RETURN;
		END IF;
		-- somebody made the same call at the same time
		EXECUTE known INTO made USING customer, reference, vouchers, amount, expires_at, campaign;
	END IF;
	IF false = ANY (made.same) THEN
		PERFORM _loyalty.refuse_reference(reference, format('Vouchers were issued with it at %s: %s of %s.%s', made.issued_at, made.vouchers, made.amount,
			_loyalty.differing_arguments('{vouchers, amount, customer, expires_at, campaign}', made.same)));
	END IF;
	RETURN QUERY SELECT _loyalty.issued_codes(p.program, reference);
END
$$;
COMMENT ON FUNCTION _loyalty.issue_vouchers(regclass, int, numeric, text, anyelement, timestamptz, text, text) IS 'what the functions issue_voucher and issue_vouchers of a program do, for its owner';

-- What is known of a code.  Nothing has to happen when a voucher expires: it is looked at when
-- somebody asks.
CREATE FUNCTION _loyalty.find_voucher(program name, is_same text, customer anyelement, code text,
	OUT found loyalty.voucher_state, OUT present numeric, OUT entries int)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	plain CONSTANT text := _loyalty.read_code(code);
	v record;
BEGIN
	EXECUTE format('SELECT v.balance, v.entries, b.amount, b.expires_at, b.campaign, b.customer IS NOT NULL AS is_bound,
	                       b.customer IS NOT NULL AND $1 IS NOT NULL AND NOT coalesce(b.customer %2$s, false) AS is_of_another,
	                       EXISTS (SELECT FROM %1$I.voucher_entry e WHERE e.code = v.code AND e.kind = ''void'') AS is_void
	                  FROM %1$I.voucher v JOIN %1$I.voucher_batch b ON b.reference = v.batch WHERE v.code = $2', program, is_same) INTO v USING customer, plain;
	found.code := CASE WHEN plain IS NOT NULL THEN _loyalty.show_code(plain) END;
	found.status := CASE WHEN plain IS NULL THEN 'mistyped' WHEN v.balance IS NULL THEN 'unknown' WHEN v.is_void THEN 'void'
	                     WHEN v.is_of_another THEN 'of another customer' WHEN v.expires_at <= now() THEN 'expired' WHEN v.balance = 0 THEN 'used' ELSE 'valid' END;
	found.balance := CASE found.status WHEN 'valid' THEN v.balance ELSE 0 END;
	found.amount := v.amount;
	found.expires_at := v.expires_at;
	found.campaign := v.campaign;
	found.is_bound := v.is_bound;
	present := v.balance;
	entries := v.entries;
END
$$;
COMMENT ON FUNCTION _loyalty.find_voucher(name, text, anyelement, text) IS
'what a code is worth to a customer, what is left of it although it may not be redeemed, and how many entries it has';

CREATE FUNCTION _loyalty.voucher_status(settings regclass, code text, customer anyelement)
RETURNS loyalty.voucher_state
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'voucher_status');
	PERFORM _loyalty.require_given('{code}', ARRAY[code IS NULL]);
	IF customer IS NOT NULL THEN
		PERFORM _loyalty.require_customer(settings, p.program, customer);
	END IF;
	RETURN (SELECT f.found FROM _loyalty.find_voucher(p.program, p.is_same, customer, code) f);
END
$$;
COMMENT ON FUNCTION _loyalty.voucher_status(regclass, text, anyelement) IS 'what the function voucher_status of a program does, for its owner';

-- From here to the end of the transaction nobody else redeems the voucher.
CREATE FUNCTION _loyalty.lock_voucher(program name, code text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	plain CONSTANT text := _loyalty.read_code(code);
	result text;
BEGIN
	PERFORM _loyalty.require_given('{code}', ARRAY[code IS NULL]);
	IF plain IS NULL THEN
		RAISE EXCEPTION 'the code of the voucher is mistyped'
			USING ERRCODE = 'LY030', DETAIL = format('It is "%s".', left(code, 40)),
			      HINT = 'A code has 16 letters and digits, none of them 0, 1, I, L or O, and the last one checks the others.';
	END IF;
	EXECUTE format('SELECT v.code FROM %I.voucher v WHERE v.code = $1 FOR NO KEY UPDATE', program) INTO result USING plain;
	IF result IS NULL THEN
		RAISE EXCEPTION 'there is no voucher with this code'
			USING ERRCODE = 'LY030', DETAIL = format('It is "%s".', left(code, 40)), HINT = 'It may be a code of another program.';
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.lock_voucher(name, text) IS 'lock the voucher with a code, and return that as it is stored, or an error (LY030) if there is none';

CREATE FUNCTION _loyalty.require_left(present numeric, amount numeric)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF present = 0 OR present < amount THEN
		RAISE EXCEPTION 'not enough is left of the voucher'
			USING ERRCODE = 'LY032', DETAIL = concat(format('It has %s', present), ', and ' || amount || ' is asked for', '.');
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_left(numeric, numeric) IS 'an error (LY032) unless an amount, or anything at all, is left of a voucher';

CREATE FUNCTION _loyalty.require_valid(found loyalty.voucher_state, has_customer boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF found.status IN ('void', 'expired') THEN
		RAISE EXCEPTION 'the voucher is not valid any more'
			USING ERRCODE = 'LY031', DETAIL = CASE found.status WHEN 'void' THEN 'It was made void.' ELSE format('It expired at %s.', found.expires_at) END;
	ELSIF found.status = 'of another customer' OR (found.is_bound AND NOT has_customer) THEN
		RAISE EXCEPTION 'the voucher can be redeemed by one customer only'
			USING ERRCODE = 'LY033', DETAIL = CASE WHEN has_customer THEN 'It is that of another one.' ELSE 'No customer is named.' END,
			      HINT = CASE WHEN has_customer THEN 'Redeem it for the customer whose it is.' ELSE 'Say who redeems it: customer => ...' END;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_valid(loyalty.voucher_state, boolean) IS 'an error unless a voucher is valid (LY031) for the customer that is named, or for everybody (LY033)';

CREATE FUNCTION _loyalty.redeem_voucher(settings regclass, code text, reference text, amount numeric, customer anyelement, reason text)
RETURNS loyalty.voucher_receipt
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	v record;
	plain text;
	made record;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'redeem_voucher');
	PERFORM _loyalty.require_number('amount', amount, false, NULL, NULL);
	IF customer IS NOT NULL THEN
		PERFORM _loyalty.require_customer(settings, p.program, customer);
	END IF;
	reference := _loyalty.given_reference(reference);
	plain := _loyalty.lock_voucher(p.program, code);
	EXECUTE format('SELECT e.entry, e.kind, e.amount, e.at, (SELECT sum(b.amount) FROM %1$I.voucher_entry b WHERE b.code = e.code AND b.entry <= e.entry) AS balance
	                  FROM %1$I.voucher_entry e WHERE e.code = $1 AND e.reference = $2', p.program) INTO made USING plain, reference;
	IF made.entry IS NULL THEN
		SELECT * INTO v FROM _loyalty.find_voucher(p.program, p.is_same, customer, plain);
		PERFORM _loyalty.require_number('amount', amount, false, 'amount_scale', p.amount_scale);
		PERFORM _loyalty.require_valid(v.found, customer IS NOT NULL);
		PERFORM _loyalty.require_left(v.present, amount);
		amount := coalesce(round(amount, p.amount_scale), v.present);
		EXECUTE format('UPDATE %I.voucher v SET balance = v.balance - $2, entries = v.entries + 1 WHERE v.code = $1', p.program) USING plain, amount;
		EXECUTE format('INSERT INTO %I.voucher_entry (code, entry, kind, amount, reference, reason, actor, at)
		                VALUES ($1, $2, ''redemption'', $3, $4, $5, $6, now())', p.program)
		  USING plain, v.entries + 1, - amount, reference, reason, _loyalty.actor();
		RETURN (_loyalty.show_code(plain), reference, v.entries + 1, - amount, v.present - amount, now())::loyalty.voucher_receipt;
	ELSIF made.kind <> 'redemption' OR made.amount <> - amount OR (amount IS NULL AND made.balance <> 0) THEN
		PERFORM _loyalty.refuse_reference(reference,
			format('It is that of entry %s of the voucher, which is of the kind %s and changed the balance by %s.', made.entry, made.kind, made.amount));
	END IF;
	RETURN (_loyalty.show_code(plain), reference, made.entry, made.amount, made.balance, made.at)::loyalty.voucher_receipt;
END
$$;
COMMENT ON FUNCTION _loyalty.redeem_voucher(regclass, text, text, numeric, anyelement, text) IS 'what the function redeem_voucher of a program does, for its owner';

-- What is left of vouchers is taken, which are locked.
CREATE FUNCTION _loyalty.void_vouchers(program name, codes text[], reason text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		WITH before AS MATERIALIZED (SELECT v.code, v.balance FROM %1$I.voucher v WHERE v.code = ANY ($1)),
		voided AS (
			UPDATE %1$I.voucher v SET balance = 0, entries = v.entries + 1 FROM before b WHERE v.code = b.code RETURNING v.code, v.entries, b.balance)
		INSERT INTO %1$I.voucher_entry (code, entry, kind, amount, reference, reason, actor, at)
		SELECT v.code, v.entries, 'void', - v.balance, NULL, $2, $3, now() FROM voided v $sql$, program) USING codes, reason, _loyalty.actor();
END
$$;
COMMENT ON FUNCTION _loyalty.void_vouchers(name, text[], text) IS 'make vouchers void, which are locked';

CREATE FUNCTION _loyalty.void_voucher(settings regclass, code text, reason text)
RETURNS loyalty.voucher_receipt
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	v record;
	plain text;
	result loyalty.voucher_receipt;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'void_voucher');
	IF btrim(coalesce(reason, ''), E' \t\r\n') = '' THEN
		RAISE EXCEPTION 'a reason must be given'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Say why, for whoever reads the entry later.';
	END IF;
	plain := _loyalty.lock_voucher(p.program, code);
	SELECT * INTO v FROM _loyalty.find_voucher(p.program, p.is_same, NULL::text, plain);
	IF (v.found).status <> 'void' THEN
		-- nothing is left of one that has expired, and what became of it is known
		PERFORM _loyalty.require_valid(v.found, true);
		PERFORM _loyalty.require_left(v.present, NULL);
		PERFORM _loyalty.void_vouchers(p.program, ARRAY[plain], reason);
	END IF;
	EXECUTE format('SELECT _loyalty.show_code(e.code), e.reference, e.entry, e.amount, $2, e.at FROM %I.voucher_entry e
	                 WHERE e.code = $1 AND e.kind = ''void''', p.program) INTO result USING plain, round(0::numeric, p.amount_scale);
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.void_voucher(regclass, text, text) IS 'what the function void_voucher of a program does, for its owner';

-- What a redemption of a reward gave is not there any more.  Nobody redeems these vouchers
-- while that is decided.
CREATE FUNCTION _loyalty.void_unused(program name, batch text, reverses text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	codes text[];
	used bigint;
BEGIN
	EXECUTE format('SELECT array_agg(x.code) FROM (SELECT v.code FROM %I.voucher v WHERE v.batch = $1 ORDER BY v.code FOR NO KEY UPDATE) x', program) INTO codes USING batch;
	EXECUTE format('SELECT array_agg(c.code) FILTER (WHERE NOT x.is_void), count(*) FILTER (WHERE x.is_used)
	                  FROM unnest($1) c (code)
	                 CROSS JOIN LATERAL (SELECT coalesce(bool_or(e.kind = ''void''), false), coalesce(bool_or(e.kind = ''redemption''), false)
	                                       FROM %I.voucher_entry e WHERE e.code = c.code) x (is_void, is_used)', program)
	   INTO codes, used USING codes;
	IF used > 0 THEN
		RAISE EXCEPTION 'the redemption "%" cannot be reversed in full', reverses
			USING ERRCODE = 'LY034', DETAIL = format('%s of its vouchers were used.', used),
			      HINT = 'Take back a part of it, with points => ...: the vouchers stay what they are.';
	END IF;
	PERFORM _loyalty.void_vouchers(program, codes, format('redemption "%s" was reversed', reverses));
END
$$;
COMMENT ON FUNCTION _loyalty.void_unused(name, text, text) IS 'make the vouchers of a redemption void that is reversed, or an error (LY034) if one was used';

-- What is taken of stocks is in the redemptions, and what vouchers are worth in their entries.
CREATE FUNCTION _loyalty.fill_rewards_again(program name, tables text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF 'reward_stock' = ANY (tables) THEN
		EXECUTE format('INSERT INTO %1$I.reward_stock (reward, taken) SELECT w.name, _loyalty.pieces_taken($1, w.name) FROM %1$I.reward w WHERE w.stock IS NOT NULL', program) USING program;
	END IF;
	IF 'voucher' = ANY (tables) THEN
		EXECUTE format($sql$
			INSERT INTO %1$I.voucher (code, batch, number, balance, entries)
			SELECT e.code, e.batch, row_number() OVER (PARTITION BY e.batch ORDER BY e.code), e.balance, e.entries
			  FROM (SELECT x.code, min(x.reference) FILTER (WHERE x.kind = 'issue') AS batch, sum(x.amount) AS balance, count(*) AS entries
			          FROM %1$I.voucher_entry x GROUP BY x.code) e $sql$, program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.fill_rewards_again(name, text[]) IS 'put into tables of a program that were lost, and are made again, what others know of stocks and vouchers';
