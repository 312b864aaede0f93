-- verify(): cards ---------------------------------------------------------------------
--
-- What a card must be by itself, what becomes of those that are replaced, and that somebody has it.  A card stays that of
-- the key that it was issued for; customers who were merged are one.
--
-- The formula of Luhn is here for a whole number, with zeros before it: the check digit, and each second digit to the
-- left of it, and the double of the others, less 9 where that has two digits, are a multiple of ten.  A digit is the
-- byte that stands for it, less 48; it is bytes that are added up, as there may be many cards.
CREATE FUNCTION _loyalty.verify_cards(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	luhn CONSTANT text := (SELECT string_agg(CASE i % 2 WHEN 1 THEN format('get_byte(c.bytes, %s) - 48', i)
	                                         ELSE format('2 * (get_byte(c.bytes, %s) - 48) - CASE WHEN get_byte(c.bytes, %1$s) > 52 THEN 9 ELSE 0 END', i) END, ' + ')
	                         FROM generate_series(0, 19) i);
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH RECURSIVE numbered AS MATERIALIZED (
			SELECT c.card, c.customer, convert_to(lpad(c.card, 20, '0'), 'UTF8') AS bytes FROM %1$I.member_card c),
		replaced AS MATERIALIZED (
			SELECT c.card, c.customer, c.replaced_by, n.card AS successor, n.customer AS heir, n.replaced_by AS next,
			       coalesce(m.survivor, c.customer) AS account, coalesce(o.survivor, n.customer) AS heirs_account
			  FROM %1$I.member_card c LEFT JOIN %1$I.member_card n ON n.card = c.replaced_by
			  LEFT JOIN %1$I.merged m ON m.customer %2$s c.customer LEFT JOIN %1$I.merged o ON o.customer %2$s n.customer
			 WHERE c.replaced_by IS NOT NULL),
		-- from these, one comes to a card that is not replaced, or that is not there; a card is replaced once, so each is found once
		ending (card) AS (
			SELECT r.card FROM replaced r WHERE r.next IS NULL
			UNION ALL
			SELECT r.card FROM ending e JOIN replaced r ON r.replaced_by = e.card)
		SELECT 'number is not that of a card'::text, c.customer::text, NULL::text,
		       format('card %%s; %%s', c.card, CASE WHEN c.card ~ '^[0-9]{8,19}$' THEN 'its check digit is wrong' ELSE 'a number has between 8 and 19 digits' END)
		  FROM numbered c WHERE c.card !~ '^[0-9]{8,19}$' OR (%3$s) %% 10 <> 0
		UNION ALL
		SELECT 'card has a status that cannot be', c.customer::text, NULL, format('card %%s; %%s, replaced by %%s', c.card, c.status, coalesce(c.replaced_by, 'none'))
		  FROM %1$I.member_card c
		 WHERE c.status NOT IN ('active', 'blocked', 'replaced') OR (c.status = 'active' AND c.replaced_by IS NOT NULL)
		UNION ALL
		SELECT 'replaced card has no successor', c.customer::text, NULL, format('card %%s; %%s', c.card, coalesce(c.replaced_by || ' is not there', 'none is noted'))
		  FROM %1$I.member_card c
		 WHERE (c.status = 'replaced' OR c.replaced_by IS NOT NULL) AND NOT EXISTS (SELECT FROM %1$I.member_card n WHERE n.card = c.replaced_by)
		UNION ALL
		SELECT 'replaced card has a successor of another customer', r.customer::text, NULL, format('card %%s; %%s is of %%s', r.card, r.successor, r.heir)
		  FROM replaced r WHERE NOT r.heirs_account %2$s r.account
		UNION ALL
		SELECT 'cards replace each other', r.customer::text, NULL, format('card %%s; %%s took its place', r.card, r.replaced_by)
		  FROM replaced r WHERE NOT EXISTS (SELECT FROM ending e WHERE e.card = r.card)
		UNION ALL
		SELECT 'card of a customer whom nobody knows', c.customer::text, NULL,
		       format('card %%s; the customer is not in the table of the customers, and has no entries', c.card)
		  FROM %1$I.member_card c
		 WHERE NOT EXISTS (SELECT FROM %1$I.customer k WHERE k.customer %2$s c.customer)
		   AND NOT EXISTS (SELECT FROM %1$I.account k WHERE k.customer %2$s c.customer)
		   AND NOT EXISTS (SELECT FROM %1$I.journal k WHERE k.customer %2$s c.customer) $sql$, program, _loyalty.customer_equality(program), luhn);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_cards(name) IS
'cards whose number cannot be one, that are replaced by what cannot have replaced them, or that are of nobody';
