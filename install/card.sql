-- Member cards -------------------------------------------------------------------------

-- What functions of a program are made of that issue cards and find the customer of one: they run with the rights of
-- the owner of the program, who may write its table "member_card".
--
-- A card is known by its number, of the form of ISO/IEC 7812-1: 8 to 19 digits, of which the last one checks the
-- others, by the formula of Luhn that is in Annex B of the standard.  A wrong digit is always told by that, and so
-- are two neighbours that are swapped, but for 0 and 9: a number with 09 and one with 90 in its place have the same
-- check digit.  Numbers that a program makes have neither where chance decides, so none of them passes for another
-- one when a digit of it is wrong or two neighbours are swapped.

-- Counted from the right, every second digit is doubled, the last one before the check digit included, and the digits
-- of the products are added up with the others: to the digit in this list that stands at the place of the doubled one.
CREATE FUNCTION _loyalty.check_digit(digits text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ((10 - sum(CASE WHEN d.place % 2 = 1 THEN substr('0246813579', d.digit::int + 1, 1) ELSE d.digit END::int) % 10) % 10)::text
	  FROM regexp_split_to_table(reverse(digits), '') WITH ORDINALITY d (digit, place)
$$;
COMMENT ON FUNCTION _loyalty.check_digit(text) IS 'the digit that is put behind others to check them, by the formula of Luhn';

-- What people type, and scanners send, has blanks, hyphens and an end of line.  A number that is wrong by itself is
-- told before anything is looked up.
CREATE FUNCTION _loyalty.card_number(card text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number CONSTANT text := translate(card, E' -\t\r\n', '');
BEGIN
	PERFORM _loyalty.require_given('{card}', ARRAY[card IS NULL]);
	IF number !~ '^[0-9]{8,19}$' THEN
		RAISE EXCEPTION 'a card number must have between 8 and 19 digits'
			USING ERRCODE = 'LY010', DETAIL = format('It is "%s".', left(card, 40)),
			      HINT = 'Spaces and hyphens may stand between the digits, and nothing else.';
	ELSIF right(number, 1) <> _loyalty.check_digit(left(number, -1)) THEN
		RAISE EXCEPTION 'card number % has a wrong check digit', number
			USING ERRCODE = 'LY010', DETAIL = 'No card has this number: a digit is wrong, or two of them are swapped.',
			      HINT = 'Type it again, or scan it.';
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION _loyalty.card_number(text) IS
'the digits of the number of a card as somebody typed it, or an error (LY010) if no card can have it';

-- gen_random_uuid() has its bits from the source of random numbers that the server uses for secrets.  Bytes 6 and 8,
-- counted from 0, say which kind of UUID it is; of the others, those from 250 on would make some digits more likely.
CREATE FUNCTION _loyalty.random_digits(count int)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bytes bytea;
	digits text := '';
BEGIN
	WHILE length(digits) < count
	LOOP
		bytes := uuid_send(gen_random_uuid());
		digits := digits || coalesce((SELECT string_agg((get_byte(bytes, i) % 10)::text, '' ORDER BY i)
		                                FROM generate_series(0, 15) i WHERE i NOT IN (6, 8) AND get_byte(bytes, i) < 250), '');
	END LOOP;
	RETURN left(digits, count);
END
$$;
COMMENT ON FUNCTION _loyalty.random_digits(int) IS 'digits that nobody can guess';

CREATE FUNCTION _loyalty.new_card_number(program name)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	prefix text;
	length int;
	number text;
BEGIN
	EXECUTE format('SELECT p.card_prefix, p.card_length FROM %I.program p', program) INTO STRICT prefix, length;
	LOOP
		number := prefix || _loyalty.random_digits(length - length(prefix) - 1);
		number := number || _loyalty.check_digit(number);
		-- the last digit of the prefix is a neighbour, too
		IF substr(number, greatest(length(prefix), 1)) !~ '09|90' THEN
			RETURN number;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.new_card_number(name) IS 'a number for a card, of the form that the settings of a program say, which may be that of a card already';

-- Not the owner, whose rights the functions of a program have, but who called that.
CREATE FUNCTION _loyalty.calling_role()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE current_setting('role') WHEN 'none' THEN session_user::text ELSE current_setting('role') END
$$;
COMMENT ON FUNCTION _loyalty.calling_role() IS 'the role of the session, or that of its last SET ROLE';

-- A null status is that of a card that is not there.  When one was replaced that is blocked is not noted, and "since" is null of it.  Who holds an old card is not told the number of the new one.
CREATE FUNCTION _loyalty.require_card(program name, number text, status text, since timestamptz, is_replaced boolean, VARIADIC accepted text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment CONSTANT text := to_char(since, 'YYYY-MM-DD HH24:MI:SSOF');
BEGIN
	IF status = ANY (accepted) THEN
		RETURN;
	ELSIF status IS NULL THEN
		RAISE EXCEPTION 'loyalty program "%" has no card %', program, number
			USING ERRCODE = 'LY011', DETAIL = 'No card with this number was issued.',
			      HINT = format('To issue it to a customer, call %I.issue_card(customer, %L).', program, number);
	ELSIF status = 'blocked' THEN
		RAISE EXCEPTION 'card % is blocked', number
			USING ERRCODE = 'LY012', DETAIL = format('It was blocked at %s.', moment),
			      HINT = CASE WHEN is_replaced THEN format('The table %I.member_card says why, and which card took its place.', program)
			             ELSE format('The table %I.member_card says why; %I.unblock_card(%L) lets it be used again.', program, program, number) END;
	ELSE
		RAISE EXCEPTION 'card % is replaced', number
			USING ERRCODE = 'LY013', DETAIL = format('Another one took its place%s.', ' at ' || moment),
			      HINT = CASE WHEN since IS NULL THEN format('It is blocked, too. The table %I.member_card says why, and which card took its place.', program)
			             ELSE format('Take the card that the customer has now. %I.customer_of(%L, replaced => true) tells who that is.', program, number) END;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_card(name, text, text, timestamptz, boolean, text[]) IS
'an error unless the status of a card is one of some: it is unknown (LY011), blocked (LY012), be it replaced or not, or replaced (LY013)';

-- The new card is that of a customer, or of the customer of the card that it replaces.  A number that was given, and
-- is that of an active card of the same customer, is not issued again: who repeats a call has the same answer.  Customers
-- who were merged are one, whichever of their keys a card was issued for.
CREATE FUNCTION _loyalty.put_card(program name, given text, customer anyelement, replaces text)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- not a domain, which may refuse nulls
	owner CONSTANT text := CASE WHEN replaces IS NULL THEN format('$2::%s', format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1)) ELSE format('(SELECT r.customer FROM %I.member_card r WHERE r.card = $3)', program) END;
	number text := given;
	present record;		-- of the number: the status of its card, and whether that is the customer's
BEGIN
	FOR attempt IN 1 .. 1000
	LOOP
		IF given IS NULL THEN
			number := _loyalty.new_card_number(program);
		END IF;
		EXECUTE format('INSERT INTO %I.member_card (card, customer, actor, issued_by) VALUES ($1, %s, $4, $4)
		                ON CONFLICT (card) DO NOTHING RETURNING status, true AS is_his', program, owner)
		   INTO present USING number, customer, replaces, _loyalty.calling_role();
		IF present.is_his THEN
			RETURN number;
		END IF;
		CONTINUE WHEN given IS NULL;
		-- it must stay as it is until the transaction ends
		EXECUTE format('SELECT c.status, coalesce((SELECT m.survivor FROM %1$I.merged m WHERE m.customer %2$s c.customer), c.customer)
		                       %2$s coalesce((SELECT m.survivor FROM %1$I.merged m WHERE m.customer %2$s %3$s), %3$s) AS is_his
		                  FROM %1$I.member_card c WHERE c.card = $1 FOR NO KEY UPDATE',
		               program, _loyalty.customer_equality(program), owner)
		   INTO present USING number, customer, replaces;
		IF present.is_his AND present.status = 'active' THEN
			RETURN number;
		END IF;
		RAISE EXCEPTION 'card % is issued already', number
			USING ERRCODE = 'LY014',
			      DETAIL = CASE WHEN present.is_his THEN format('The customer has it, and it is %s.', present.status) ELSE 'Another customer has it.' END,
			      HINT = 'Issue a card with another number, or give none for a new one.';
	END LOOP;
	RAISE EXCEPTION 'no number was found that no card has'
		USING ERRCODE = 'LY014', DETAIL = format('The last one of 1000 that were tried is %s.', number),
		      HINT = 'Let the owner of the program make card_length longer, or card_prefix shorter, in its table "program".';
END
$$;
COMMENT ON FUNCTION _loyalty.put_card(name, text, anyelement, text) IS
'note a card of a customer, or of the customer of a card that it replaces, with a number that is given or a new one, and return that';

CREATE FUNCTION _loyalty.issue_card(program name, customer anyelement, card text)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given CONSTANT text := CASE WHEN card IS NOT NULL THEN _loyalty.card_number(card) END;
BEGIN
	PERFORM _loyalty.refuse_nested('issue_card');
	PERFORM _loyalty.require_program(program);
	PERFORM _loyalty.require_customer(format('%I.program', program)::regclass, program, customer);
	RETURN _loyalty.put_card(program, given, customer, NULL);
END
$$;
COMMENT ON FUNCTION _loyalty.issue_card(name, anyelement, text) IS 'what the function issue_card of a program does, for its owner';

-- Of a card that is blocked and replaced, both reasons are kept, the earlier one first.
CREATE FUNCTION _loyalty.reasons(earlier text, later text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN earlier = later THEN earlier ELSE concat_ws('; ', earlier, later) END $$;
COMMENT ON FUNCTION _loyalty.reasons(text, text) IS 'the reasons why a card was blocked and replaced, as one text; null: none was said';

-- The card that is replaced, and the one that takes its place if it is there, are locked in the order of their
-- numbers.  So of two replacements of one card the second finds it replaced, and two cards cannot replace each other.
-- One that is blocked was stolen, maybe: it stays blocked, since it was, for what was said then.
CREATE FUNCTION _loyalty.replace_card(program name, card text, new_card text, reason text)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old CONSTANT text := _loyalty.card_number(card);
	given CONSTANT text := CASE WHEN new_card IS NOT NULL THEN _loyalty.card_number(new_card) END;
	present record;
	number text;
BEGIN
	PERFORM _loyalty.refuse_nested('replace_card');
	PERFORM _loyalty.require_program(program);
	IF given = old THEN
		RAISE EXCEPTION 'a card cannot replace itself'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Both numbers are %s.', old),
			      HINT = 'Give the number of another card, or none for a new one.';
	END IF;
	EXECUTE format('SELECT FROM %I.member_card c WHERE c.card IN ($1, $2) ORDER BY c.card FOR NO KEY UPDATE', program) USING old, given;
	EXECUTE format('SELECT c.status, c.since, c.replaced_by FROM %I.member_card c WHERE c.card = $1', program) INTO present USING old;
	IF present.replaced_by = given THEN
		RETURN given;
	END IF;
	PERFORM _loyalty.require_card(program, old, CASE WHEN present.replaced_by IS NULL THEN present.status ELSE 'replaced' END, CASE WHEN present.status <> 'blocked' OR present.replaced_by IS NULL THEN present.since END,
	                              present.replaced_by IS NOT NULL, 'active', 'blocked');
	number := _loyalty.put_card(program, given, NULL::text, old);
	IF present.status = 'blocked' THEN
		EXECUTE format('UPDATE %I.member_card SET reason = _loyalty.reasons(reason, $2), replaced_by = $3 WHERE card = $1', program) USING old, reason, number;
	ELSE
		EXECUTE format('UPDATE %I.member_card SET status = ''replaced'', since = now(), reason = $2, actor = $3, replaced_by = $4 WHERE card = $1', program)
		  USING old, reason, _loyalty.calling_role(), number;
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION _loyalty.replace_card(name, text, text, text) IS 'what the function replace_card of a program does, for its owner';

-- A card that has the status already keeps what is noted of it.  One that was replaced can be blocked, for it still tells
-- whose it was, and ends what was begun with it; no more can it be used again.
CREATE FUNCTION _loyalty.set_card_status(program name, function text, card text, status text, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number CONSTANT text := _loyalty.card_number(card);
	present record;
BEGIN
	PERFORM _loyalty.refuse_nested(function);
	PERFORM _loyalty.require_program(program);
	IF status = 'blocked' AND btrim(coalesce(reason, ''), E' \t\r\n') = '' THEN
		RAISE EXCEPTION 'a reason must be given'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Say why, for whoever reads it later.';
	END IF;
	EXECUTE format('SELECT c.status, c.since, c.reason, c.replaced_by IS NOT NULL AS is_replaced FROM %I.member_card c WHERE c.card = $1 FOR NO KEY UPDATE', program)
	   INTO present USING number;
	IF status = 'active' AND present.is_replaced THEN
		PERFORM _loyalty.require_card(program, number, 'replaced', CASE WHEN present.status = 'replaced' THEN present.since END, true, 'active');
	END IF;
	PERFORM _loyalty.require_card(program, number, present.status, present.since, present.is_replaced, 'active', 'blocked', 'replaced');
	IF present.status <> status THEN
		EXECUTE format('UPDATE %I.member_card SET status = $2, since = now(), reason = $3, actor = $4 WHERE card = $1', program)
		  USING number, status, CASE WHEN present.is_replaced THEN _loyalty.reasons(present.reason, reason) ELSE reason END, _loyalty.calling_role();
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.set_card_status(name, text, text, text, text) IS 'what the functions block_card and unblock_card of a program do, for its owner';

-- Seven digits by chance are what a number of 16 digits has behind a prefix of eight, as the standard gives them to
-- issuers.  Without such a prefix, numbers begin with 99: behind the 9, the standard has the number of a country, and
-- those from 900 on are of none, by ISO 3166-1.  So the standards give such numbers to no bank.
CREATE FUNCTION _loyalty.require_card_form(card_prefix text, card_length int)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.require_given('{card_prefix, card_length}', ARRAY[card_prefix IS NULL, card_length IS NULL]);
	IF card_length NOT BETWEEN 8 AND 19 THEN
		RAISE EXCEPTION 'card_length must be between 8 and 19'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', card_length);
	ELSIF card_prefix !~ '^[0-9]*$' OR length(card_prefix) > card_length - 8 THEN
		RAISE EXCEPTION 'card_prefix must be at most % digits where card_length is %', card_length - 8, card_length
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is "%s".', left(card_prefix, 40)),
			      HINT = 'Behind it there are at least seven digits by chance, and the check digit.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_card_form(text, int) IS 'an error unless numbers of cards can be made that begin with some digits and have a length';
