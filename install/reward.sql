-- Rewards ---------------------------------------------------------------------------

CREATE TYPE loyalty.reward_receipt AS (
	reference text,
	entry bigint,
	points numeric,
	balance numeric,
	at timestamptz,
	reward text,
	quantity int,
	value numeric,
	vouchers text[]
);
COMMENT ON TYPE loyalty.reward_receipt IS 'what redeem_reward of a program did';
COMMENT ON COLUMN loyalty.reward_receipt.reference IS 'names the call among those for the customer: given, or a new one';
COMMENT ON COLUMN loyalty.reward_receipt.entry IS 'number of the entry among those of the customer';
COMMENT ON COLUMN loyalty.reward_receipt.points IS 'by how much the points changed';
COMMENT ON COLUMN loyalty.reward_receipt.balance IS 'points of the customer just after that';
COMMENT ON COLUMN loyalty.reward_receipt.at IS 'when the transaction that made the call began: now(), unless another one made it already';
COMMENT ON COLUMN loyalty.reward_receipt.reward IS 'the reward that was redeemed';
COMMENT ON COLUMN loyalty.reward_receipt.quantity IS 'how many pieces of it';
COMMENT ON COLUMN loyalty.reward_receipt.value IS 'what they are worth in money: what is taken off the order, or is on the vouchers; null: a product';
COMMENT ON COLUMN loyalty.reward_receipt.vouchers IS 'the codes of the vouchers, one for each piece; null: the reward is of another kind';

CREATE TYPE loyalty.reward_offer AS (
	reward text,
	description text,
	kind text,
	value numeric,
	points numeric,
	quantity int,
	limited_by text
);
COMMENT ON TYPE loyalty.reward_offer IS 'a reward that a customer may have now, or could: result of rewards_for of a program';
COMMENT ON COLUMN loyalty.reward_offer.reward IS 'name of the reward';
COMMENT ON COLUMN loyalty.reward_offer.description IS 'what is shown to customers';
COMMENT ON COLUMN loyalty.reward_offer.kind IS 'product, amount, percent or voucher';
COMMENT ON COLUMN loyalty.reward_offer.value IS 'what one piece is worth: an amount, or percent';
COMMENT ON COLUMN loyalty.reward_offer.points IS 'what one piece costs this customer';
COMMENT ON COLUMN loyalty.reward_offer.quantity IS 'how many pieces the customer may have now';
COMMENT ON COLUMN loyalty.reward_offer.limited_by IS 'why they are not more: points, stock or member_limit';

CREATE FUNCTION _loyalty.require_span(what text, span interval, may_be_given boolean, hint text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF span IS NOT NULL AND NOT may_be_given THEN
		RAISE EXCEPTION '% must be null', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', span), HINT = hint;
	-- a month less some days is as long as the month is
	ELSIF span <= interval '0' OR least(extract(month FROM span), extract(day FROM span), extract(hour FROM span), extract(minute FROM span), extract(second FROM span)) < 0 THEN
		RAISE EXCEPTION '% must be more than no time', what
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', span);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_span(text, interval, boolean, text) IS 'an error unless an interval is null, or positive where it may be given';

-- A reward and its prices are checked when they are written.  What a restore brings may come
-- before the settings, and have decimals of another time.
CREATE FUNCTION _loyalty.check_reward()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	points_scale int;
	amount_scale int;
	called CONSTANT text := format('the reward "%s"', NEW.name);
BEGIN
	IF NEW.name IS NULL OR NEW.points IS NULL OR NEW.kind IS NULL THEN
		RETURN NEW;		-- which the table refuses
	END IF;
	IF current_setting('check_function_bodies') <> 'off' THEN
		EXECUTE format('SELECT p.points_scale, p.amount_scale FROM %I.program p', tg_table_schema) INTO points_scale, amount_scale;
	END IF;
	IF NEW.name = '' THEN
		RAISE EXCEPTION 'the name of a reward must not be empty' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM _loyalty.require_short_name('a reward', NEW.name);
	PERFORM _loyalty.require_number('points of ' || called, NEW.points, false, 'points_scale', points_scale);
	PERFORM _loyalty.require_choice('kind of ' || called, NEW.kind, 'product', 'amount', 'percent', 'voucher');
	IF NEW.kind = 'product' AND NEW.value IS NOT NULL THEN
		RAISE EXCEPTION 'value of % must be null', called
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s, and the kind is "product".', left(NEW.value::text, 100)),
			      HINT = 'Rewards of the kinds "amount", "percent" and "voucher" have a value.';
	ELSIF NEW.kind = 'percent' AND NOT coalesce(NEW.value > 0 AND NEW.value <= 100, false) THEN
		RAISE EXCEPTION 'value of % must be more than 0 and at most 100', called
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s, and the kind is "percent".', coalesce(left(NEW.value::text, 100), 'null'));
	ELSIF NEW.kind IN ('amount', 'voucher') THEN
		PERFORM _loyalty.require_given(ARRAY['value of ' || called], ARRAY[NEW.value IS NULL]);
		PERFORM _loyalty.require_number('value of ' || called, NEW.value, false, 'amount_scale', amount_scale);
	END IF;
	IF NEW.kind = 'percent' AND NEW.value < 1 AND (NEW.kind, NEW.value) IS DISTINCT FROM (OLD.kind, OLD.value) THEN
		RAISE NOTICE 'value of % is less than 1 percent', called
			USING DETAIL = format('It is %s, so an order of 100 costs %s less.', NEW.value, NEW.value),
			      HINT = format('For %s percent, the value is %s.', trim_scale(NEW.value * 100), trim_scale(NEW.value * 100));
	END IF;
	PERFORM _loyalty.require_span('valid_for of ' || called, NEW.valid_for, NEW.kind = 'voucher', 'Only vouchers are valid for some time; a reward ends at ends_at.');
	PERFORM _loyalty.require_span('limit_period of ' || called, NEW.limit_period, NEW.member_limit IS NOT NULL, 'A period is that of member_limit: say that, too.');
	IF (NEW.valid_for, NEW.limit_period) IS DISTINCT FROM (OLD.valid_for, OLD.limit_period) THEN
		PERFORM _loyalty.tell_of_seconds('valid_for of ' || called, NEW.valid_for);
		PERFORM _loyalty.tell_of_seconds('limit_period of ' || called, NEW.limit_period);
	END IF;
	PERFORM _loyalty.require_number(v.name || ' of ' || called, v.number, v.zero_too, NULL, NULL)
	   FROM (VALUES ('stock', NEW.stock, true), ('member_limit', NEW.member_limit, false)) v (name, number, zero_too);
	IF NEW.ends_at <= NEW.starts_at THEN
		RAISE EXCEPTION 'ends_at of % must be after starts_at', called
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('They are %s and %s.', NEW.ends_at, NEW.starts_at);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_reward() IS 'trigger: check what a reward is and costs';

CREATE FUNCTION _loyalty.pieces_taken(program name, reward text)
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.answer(format('SELECT coalesce(sum(r.quantity), 0) FROM %I.reward_redemption r WHERE r.reward = $1 AND r.reversed_at IS NULL', program), reward)::bigint
$$;
COMMENT ON FUNCTION _loyalty.pieces_taken(name, text) IS 'how many pieces of a reward were redeemed, but for what was reversed in full';

CREATE FUNCTION _loyalty.was_redeemed(program name, reward text)
RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.answer(format('SELECT EXISTS (SELECT FROM %I.reward_redemption r WHERE r.reward = $1)', program), reward)::boolean
$$;
COMMENT ON FUNCTION _loyalty.was_redeemed(name, text) IS 'was a reward ever redeemed?';

-- Redemptions are of a reward that is there, under the name that it has.  Whoever redeems
-- holds a lock on its row, so what was redeemed is known when that is changed, by a snapshot
-- that is taken then.
CREATE FUNCTION _loyalty.keep_reward()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF tg_op = 'TRUNCATE' THEN
		RAISE EXCEPTION 'rewards cannot be deleted all at once'
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Those that were redeemed stay.',
			      HINT = format('Delete those that were not by their name, with DELETE FROM %I.reward.', tg_table_schema);
	ELSIF current_setting('check_function_bodies') = 'off' THEN
		RETURN coalesce(NEW, OLD);
	ELSIF current_setting('transaction_isolation') <> 'read committed'
	      AND (tg_op = 'DELETE' OR (NEW.name, NEW.stock) IS DISTINCT FROM (OLD.name, OLD.stock)) THEN
		RAISE EXCEPTION 'name and stock of a reward are changed, and it is deleted, under READ COMMITTED only'
			USING ERRCODE = 'feature_not_supported', DETAIL = 'What others redeem meanwhile is counted.',
			      HINT = 'Let the transaction begin with SET TRANSACTION ISOLATION LEVEL READ COMMITTED, or set default_transaction_isolation to that.';
	ELSIF (tg_op = 'DELETE' OR NEW.name IS DISTINCT FROM OLD.name) AND _loyalty.was_redeemed(tg_table_schema, OLD.name) THEN
		RAISE EXCEPTION 'the reward "%" was redeemed, and cannot be % any more', OLD.name, CASE tg_op WHEN 'DELETE' THEN 'deleted' ELSE 'renamed' END
			USING ERRCODE = 'dependent_objects_still_exist',
			      HINT = format('To end it: UPDATE %I.reward SET ends_at = now() WHERE name = %L.', tg_table_schema, OLD.name);
	END IF;
	RETURN coalesce(NEW, OLD);
END
$$;
COMMENT ON FUNCTION _loyalty.keep_reward() IS 'trigger: refuse to delete or rename what was redeemed, and to change what must be counted under an old snapshot';

-- What depends on a reward follows it: its prices, and how many pieces of its stock are taken.
CREATE FUNCTION _loyalty.follow_reward()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- prices are written by a function
AS $$
DECLARE
	taken bigint;
BEGIN
	IF current_setting('check_function_bodies') = 'off' THEN
		RETURN NULL;		-- a restore brings all of that
	END IF;
	IF tg_op = 'DELETE' THEN
		EXECUTE format('DELETE FROM %I.reward_price WHERE reward = $1', tg_table_schema) USING OLD.name;
	ELSIF tg_op = 'UPDATE' THEN
		EXECUTE format('UPDATE %I.reward_price SET reward = $2 WHERE reward = $1 AND $1 <> $2', tg_table_schema) USING OLD.name, NEW.name;
	END IF;
	IF tg_op <> 'INSERT' AND (tg_op = 'DELETE' OR (NEW.name, NEW.stock) IS DISTINCT FROM (OLD.name, OLD.stock)) THEN
		EXECUTE format('DELETE FROM %I.reward_stock WHERE reward = $1', tg_table_schema) USING OLD.name;
	END IF;
	IF tg_op <> 'DELETE' AND NEW.stock IS NOT NULL AND (tg_op = 'INSERT' OR (NEW.name, NEW.stock) IS DISTINCT FROM (OLD.name, OLD.stock)) THEN
		taken := _loyalty.pieces_taken(tg_table_schema, NEW.name);
		IF taken > NEW.stock THEN
			RAISE EXCEPTION 'stock of the reward "%" must not be less than what is taken', NEW.name
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s, and %s are taken.', NEW.stock, taken),
				      HINT = 'The stock is how many pieces there are in all, those included that are taken.';
		END IF;
		EXECUTE format('INSERT INTO %I.reward_stock (reward, taken) VALUES ($1, $2)', tg_table_schema) USING NEW.name, taken;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.follow_reward() IS 'trigger: prices follow a reward, and what is taken of its stock is counted';

CREATE FUNCTION _loyalty.check_reward_price()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	called CONSTANT text := format('points of the reward "%s" for the tier "%s"', NEW.reward, NEW.tier);
BEGIN
	PERFORM _loyalty.require_number(called, NEW.points, false, NULL, NULL);
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NEW;
	END IF;
	EXECUTE format('SELECT points_scale, EXISTS (SELECT FROM %1$I.reward r WHERE r.name = $1) AS has_reward, EXISTS (SELECT FROM %1$I.tier t WHERE t.name = $2) AS has_tier,
	                       (SELECT string_agg(format(''"%%s"'', t.name), '', '' ORDER BY t.rank) FROM %1$I.tier t) AS tiers FROM %1$I.program', tg_table_schema)
	   INTO p USING NEW.reward, NEW.tier;
	IF NOT p.has_reward THEN
		RAISE EXCEPTION 'there is no reward "%"', NEW.reward
			USING ERRCODE = 'undefined_object', HINT = format('Insert it into the table %I.reward first.', tg_table_schema);
	ELSIF NOT p.has_tier THEN
		RAISE EXCEPTION 'there is no tier "%"', NEW.tier
			USING ERRCODE = 'undefined_object', DETAIL = format('There are %s.', coalesce(p.tiers, 'none')),
			      HINT = 'Who has no tier, or one without a price of its own, pays the points of the reward itself.';
	END IF;
	PERFORM _loyalty.require_number(called, NEW.points, false, 'points_scale', p.points_scale);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_reward_price() IS 'trigger: check the price of a reward for a tier';

CREATE FUNCTION _loyalty.follow_tier()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- prices are written by a function
AS $$
DECLARE
	relation name;
BEGIN
	FOREACH relation IN ARRAY '{reward_price, benefit}'::name[]
	LOOP
		IF tg_op = 'DELETE' THEN
			EXECUTE format('DELETE FROM %I.%I WHERE tier = $1', tg_table_schema, relation) USING OLD.name;
		ELSE
			EXECUTE format('UPDATE %I.%I SET tier = $2 WHERE tier = $1 AND $1 <> $2', tg_table_schema, relation) USING OLD.name, NEW.name;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.follow_tier() IS 'trigger: prices of rewards, and benefits, follow the tier that they are for';

-- What a customer would have of a reward now.  Nobody changes it until the transaction ends.
CREATE FUNCTION _loyalty.find_reward(settings regclass, program name, customer anyelement, reward text,
	OUT kind text, OUT value numeric, OUT valid_for interval, OUT stock bigint, OUT member_limit int, OUT limit_period interval, OUT tier text, OUT price numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
BEGIN
	EXECUTE format('SELECT r.* FROM %I.reward r WHERE r.name = $1 FOR SHARE', program) INTO r USING reward;
	IF r.name IS NULL THEN
		RAISE EXCEPTION 'there is no reward "%"', left(reward, 100)
			USING ERRCODE = 'LY020', HINT = format('The table %I.reward has the rewards of the program.', program);
	ELSIF r.starts_at > now() OR r.ends_at <= now() THEN
		RAISE EXCEPTION 'the reward "%" cannot be had now', reward
			USING ERRCODE = 'LY021', DETAIL = CASE WHEN r.starts_at > now() THEN format('It begins at %s.', r.starts_at) ELSE format('It ended at %s.', r.ends_at) END;
	END IF;
	SELECT r.kind, r.value, r.valid_for, r.stock, r.member_limit, r.limit_period INTO kind, value, valid_for, stock, member_limit, limit_period;
	price := r.points;
	EXECUTE format('SELECT _loyalty.tier_at($1, $2, now()) WHERE EXISTS (SELECT FROM %I.reward_price p WHERE p.reward = $3)', program) INTO tier USING settings, customer, reward;
	IF tier IS NOT NULL THEN
		EXECUTE format('SELECT coalesce((SELECT p.points FROM %I.reward_price p WHERE p.reward = $1 AND p.tier = $2), $3)', program) INTO price USING reward, tier, price;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.find_reward(regclass, name, anyelement, text) IS 'a reward that can be had now, and what it costs a customer by his tier; else an error (LY020, LY021)';

-- What some pieces are worth.  One percentage after the other is taken off what the one before
-- has left, each rounded down.
CREATE FUNCTION _loyalty.reward_value(kind text, value numeric, quantity int, amount numeric, decimals int)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rest numeric := amount;
	off numeric;
BEGIN
	IF kind = 'percent' AND amount IS NULL THEN
		RAISE EXCEPTION 'amount must not be null'
			USING ERRCODE = 'null_value_not_allowed', DETAIL = 'The reward is worth a part of the amount of an order.',
			      HINT = 'Say what is paid for: amount => 49.90.';
	END IF;
	IF kind = 'voucher' THEN
		-- which may have more decimals than the program has by now
		PERFORM _loyalty.require_number('value of the voucher', trunc(value, decimals), false, NULL, NULL);
	END IF;
	IF kind <> 'percent' THEN
		RETURN CASE kind WHEN 'amount' THEN trunc(least(value * quantity, amount), decimals) WHEN 'voucher' THEN trunc(value, decimals) * quantity END;
	END IF;
	FOR i IN 1 .. quantity
	LOOP
		off := trunc(rest * value * 0.01, decimals);
		rest := rest - off;
		EXIT WHEN off = 0;
	END LOOP;
	RETURN round(amount - rest, decimals);
END
$$;
COMMENT ON FUNCTION _loyalty.reward_value(text, numeric, int, numeric, int) IS 'what pieces of a reward are worth in money, for an order of an amount; null: they are products';

-- A call that was made already: the answer is what it did.
CREATE FUNCTION _loyalty.repeat_reward(program name, is_customer text, is_same text, customer anyelement, reward text, reference text, quantity int, amount numeric)
RETURNS loyalty.reward_receipt
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made record;
	result loyalty.reward_receipt;
BEGIN
	EXECUTE format('SELECT l.kind, l.entry, l.points_change, r.reward, r.quantity, r.price, r.amount, r.value, r.vouchers
	                  FROM %1$I.ledger l LEFT JOIN %1$I.reward_redemption r ON r.customer %4$s l.customer AND r.reference = l.order_key
	                 WHERE l.customer %3$s AND l.tracked_table = 0 AND l.order_key = $2 AND l.revision = 1 ORDER BY l.customer %2$s DESC LIMIT 1',
	               program, is_customer, is_same, _loyalty.customer_equality(program))
	   INTO made USING customer, reference;
	IF (made.reward, made.quantity, made.amount) IS DISTINCT FROM (reward, quantity, amount) THEN
		PERFORM _loyalty.refuse_reference(reference,
			CASE WHEN made.reward IS NULL THEN format('It is that of entry %s, which is of the kind %s and changed the points by %s.', made.entry, made.kind, made.points_change)
			     ELSE format('It is that of entry %s: %s of the reward "%s"%s.%s', made.entry, made.quantity, made.reward, ', for an amount of ' || made.amount,
			                 _loyalty.differing_arguments('{reward, quantity, amount}', ARRAY[made.reward = reward, made.quantity IS NOT DISTINCT FROM quantity, made.amount IS NOT DISTINCT FROM amount])) END);
	END IF;
	EXECUTE format('SELECT x.reference, x.entry, x.points, x.balance, x.at FROM %I.redeem($1, $2, $3) x', program)
	   INTO result.reference, result.entry, result.points, result.balance, result.at USING customer, made.price * made.quantity, reference;
	result.reward := made.reward;
	result.quantity := made.quantity;
	result.value := made.value;
	result.vouchers := CASE WHEN made.vouchers IS NOT NULL THEN ARRAY(SELECT _loyalty.issued_codes(program, made.vouchers)) END;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.repeat_reward(name, text, text, anyelement, text, text, int, numeric) IS 'what a redemption of a reward that was made already did; an error (LY002) if its reference names something else';

-- Pieces of a reward are had by one customer at a time, who holds the lock of his account,
-- and taken from the stock by one transaction after the other.
CREATE FUNCTION _loyalty.take_pieces(program name, is_same text, time_zone text, customer anyelement, reward text, quantity int, member_limit int, limit_period interval, stock bigint)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	had bigint;
	taken bigint;
BEGIN
	EXECUTE format('SELECT coalesce(sum(r.quantity), 0) FROM %I.reward_redemption r
	                 WHERE r.customer %s AND r.reward = $2 AND r.reversed_at IS NULL AND (r.at > $3 OR $3 IS NULL)', program, is_same)
	   INTO had USING customer, reward, _loyalty.moved_by(now(), - limit_period, time_zone);
	IF had + quantity > member_limit THEN
		RAISE EXCEPTION 'the customer may not have so many of the reward "%"', reward
			USING ERRCODE = 'LY023', DETAIL = format('Customer %s has had %s%s, the call asks for %s, and the limit is %s.', customer, had, ' within ' || limit_period, quantity, member_limit);
	END IF;
	IF stock IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('UPDATE %I.reward_stock s SET taken = s.taken + $2 WHERE s.reward = $1 RETURNING s.taken', program) INTO taken USING reward, quantity;
	IF taken IS NULL THEN
		RAISE EXCEPTION 'the table "reward_stock" of loyalty program "%" does not have the reward "%"', program, reward
			USING ERRCODE = 'data_corrupted', HINT = format('SELECT * FROM loyalty.verify(%L) tells what to do.', program);
	ELSIF taken > stock THEN
		RAISE EXCEPTION 'not enough of the reward "%" is left', reward
			USING ERRCODE = 'LY022', DETAIL = format('There are %s left, and the call asks for %s.', stock - taken + quantity, quantity);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.take_pieces(name, text, text, anyelement, text, int, int, interval, bigint) IS
'take pieces of a reward for a customer, or an error if there are not so many (LY022), or he may not have them (LY023)';

CREATE FUNCTION _loyalty.redeem_reward(settings regclass, customer anyelement, reward text, reference text, quantity int, amount numeric, reason text)
RETURNS loyalty.reward_receipt
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	r record;
	known boolean;
	result loyalty.reward_receipt;
	batch text;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'redeem_reward');
	PERFORM _loyalty.require_given('{reward, quantity}', ARRAY[reward IS NULL, quantity IS NULL]);
	PERFORM _loyalty.require_number('quantity', quantity, false, NULL, NULL);
	PERFORM _loyalty.require_number('amount', amount, true, NULL, NULL);
	PERFORM _loyalty.require_customer(settings, p.program, customer);
	reference := _loyalty.given_reference(reference);
	-- as every call does; who waits for the lock finds what the other one did
	EXECUTE format('SELECT FROM %I.account a WHERE a.customer %s AND a.merged_into IS NULL FOR NO KEY UPDATE', p.program, p.is_same) USING customer;
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.ledger l WHERE l.customer %s AND l.tracked_table = 0 AND l.order_key = $2)', p.program, p.is_same)
	   INTO known USING customer, reference;
	IF NOT known THEN
		SELECT * INTO r FROM _loyalty.find_reward(settings, p.program, customer, reward);
		result.value := _loyalty.reward_value(r.kind, r.value, quantity, amount, p.amount_scale);
		EXECUTE format('SELECT x.reference, x.entry, x.points, x.balance, x.at FROM %I.redeem($1, $2, $3, $4) x', p.program)
		   INTO result.reference, result.entry, result.points, result.balance, result.at
		  USING customer, r.price * quantity, reference, coalesce(reason, format('reward "%s"', reward));
		-- a customer without an account could not be locked: somebody may have made the same call
		known := result.at <> now();
	END IF;
	IF known THEN
		RETURN _loyalty.repeat_reward(p.program, p.is_customer, p.is_same, customer, reward, reference, quantity, amount);
	END IF;
	PERFORM _loyalty.take_pieces(p.program, p.is_same, p.time_zone, customer, reward, quantity, r.member_limit, r.limit_period, r.stock);
	result.reward := reward;
	result.quantity := quantity;
	IF r.kind = 'voucher' THEN
		batch := gen_random_uuid();
		PERFORM _loyalty.make_vouchers(p.program, p.customer_type, quantity, trunc(r.value, p.amount_scale), batch, NULL::text, coalesce(_loyalty.moved_by(now(), r.valid_for, p.time_zone), 'infinity'), reward, reason);
		result.vouchers := ARRAY(SELECT _loyalty.issued_codes(p.program, batch));
	END IF;
	EXECUTE format('INSERT INTO %I.reward_redemption (customer, reference, reward, quantity, tier, price, amount, value, vouchers, member_limit, limit_period, at)
	                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)', p.program)
	  USING customer, reference, reward, quantity, r.tier, r.price, amount, result.value, batch, r.member_limit, r.limit_period, result.at;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.redeem_reward(regclass, anyelement, text, text, int, numeric, text) IS 'what the function redeem_reward of a program does, for its owner';

-- What reverse does after it took points back: a redemption of a reward that lost all of its
-- points gives its pieces back, and its vouchers are void, if nobody has used one.
CREATE FUNCTION _loyalty.return_reward(settings regclass, customer anyelement, reverses text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	r record;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'reverse');
	EXECUTE format('SELECT r.customer, r.reward, r.quantity, r.vouchers FROM %1$I.reward_redemption r
	                 WHERE r.customer %2$s AND r.reference = $2 AND r.reversed_at IS NULL
	                   AND r.price * r.quantity <= (SELECT sum(l.points_change) FROM %1$I.ledger l WHERE l.customer %3$s r.customer AND l.tracked_table = 0 AND l.reverses = $2)',
	               p.program, p.is_same, _loyalty.customer_equality(p.program)) INTO r USING customer, reverses;
	IF r.reward IS NULL THEN
		RETURN;
	END IF;
	-- against whoever changes its stock meanwhile
	EXECUTE format('SELECT FROM %I.reward r WHERE r.name = $1 FOR SHARE', p.program) USING r.reward;
	IF r.vouchers IS NOT NULL THEN
		PERFORM _loyalty.void_unused(p.program, r.vouchers, reverses);
	END IF;
	EXECUTE format('UPDATE %I.reward_stock s SET taken = s.taken - $2 WHERE s.reward = $1', p.program) USING r.reward, r.quantity;
	EXECUTE format('UPDATE %I.reward_redemption r SET reversed_at = now() WHERE r.customer %s $1 AND r.reference = $2', p.program, _loyalty.customer_equality(p.program)) USING r.customer, reverses;
END
$$;
COMMENT ON FUNCTION _loyalty.return_reward(regclass, anyelement, text) IS 'give back the pieces of a redemption whose points were taken back in full';

-- Whoever reverses a call does it here: by the customer, by a card, or trying.
CREATE FUNCTION _loyalty.reverse_call(settings regclass, customer anyelement, reverses text, points numeric, reference text, reason text)
RETURNS loyalty.receipt
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result loyalty.receipt;
BEGIN
	result := _loyalty.reverse(settings, customer, reverses, points, reference, reason);
	PERFORM _loyalty.return_reward(settings, customer, reverses);
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.reverse_call(regclass, anyelement, text, numeric, text, text) IS
'take back points of a call, and give back what it was a reward for, if all of them are';

CREATE FUNCTION _loyalty.rewards_for(settings regclass, customer anyelement)
RETURNS SETOF loyalty.reward_offer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'rewards_for');
	PERFORM _loyalty.require_customer(settings, p.program, customer);
	RETURN QUERY EXECUTE format($sql$
		SELECT r.name, r.description, r.kind, r.value, r.price, least(q.quantity, 2147483647)::int, q.limited_by
		  FROM (SELECT r.*, coalesce(t.points, r.points) AS price, s.taken, (SELECT coalesce(sum(h.quantity), 0) FROM %1$I.reward_redemption h
		               WHERE h.customer %2$s AND h.reward = r.name AND h.reversed_at IS NULL
		                 AND (h.at > _loyalty.moved_by(now(), - r.limit_period, $2) OR r.limit_period IS NULL)) AS had
		          FROM %1$I.reward r
		          LEFT JOIN %1$I.reward_price t ON t.reward = r.name AND t.tier = $3
		          LEFT JOIN %1$I.reward_stock s ON s.reward = r.name
		         WHERE (r.starts_at <= now() OR r.starts_at IS NULL) AND (r.ends_at > now() OR r.ends_at IS NULL)) r
		 CROSS JOIN LATERAL (SELECT greatest(l.pieces, 0), l.name
		                       FROM (VALUES (1, 'points', div(greatest($4, 0), r.price)), (2, 'stock', r.stock - r.taken), (3, 'member_limit', r.member_limit - r.had)) l (n, name, pieces)
		                      WHERE l.pieces IS NOT NULL ORDER BY greatest(l.pieces, 0), l.n LIMIT 1) q (quantity, limited_by)
		 ORDER BY r.price, r.name $sql$, p.program, p.is_same)
		USING customer, p.time_zone, _loyalty.tier_at(settings, customer, now()), _loyalty.balance(settings, customer, NULL);
END
$$;
COMMENT ON FUNCTION _loyalty.rewards_for(regclass, anyelement) IS 'what the function rewards_for of a program does, for its owner';
