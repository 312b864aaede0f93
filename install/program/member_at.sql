-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.member_at(customer @argument_type@, at timestamptz, known_at timestamptz DEFAULT 'infinity')
RETURNS loyalty.member
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT ROW(_loyalty.tier_for(@settings@::regclass, s.terms, s.spend, s.orders, s.points_earned,
	                             s.joined_at, s.first_order_at, s.last_order_at, $2, p.reader, s.purchases, s.events, NULL),
	           (CASE WHEN s.lots IS NULL THEN s.points ELSE s.points - loyalty.total(s.lots) + loyalty.available(_loyalty.redeemable_lots(s.lots, @status@), s.at) END)::numeric(38, @points_scale@),
	           s.spend::numeric(38, @amount_scale@), s.orders, s.first_order_at, s.last_order_at, s.joined_at, _loyalty.tenure(s.joined_at, $2, p.time_zone),
	           (s.spend / nullif(s.orders, 0))::numeric(38, @amount_scale@), s.held::numeric(38, @points_scale@),
	           (CASE WHEN s.lots IS NULL THEN 0 ELSE loyalty.pending(_loyalty.redeemable_lots(s.lots, @status@), s.at) END)::numeric(38, @points_scale@), loyalty.next_expiry(_loyalty.redeemable_lots(s.lots, @status@), s.at),
	           loyalty.expiring(_loyalty.redeemable_lots(s.lots, @status@), s.at, loyalty.next_expiry(_loyalty.redeemable_lots(s.lots, @status@), s.at))::numeric(38, @points_scale@))::loyalty.member
	  FROM @schema@.program p CROSS JOIN _loyalty.state_at(@settings@::regclass, $1, $2, $3) s
	 WHERE s.points IS NOT NULL
$fn$;
COMMENT ON FUNCTION @schema@.member_at(@argument_type@, timestamptz, timestamptz) IS
'what the views members and former_members tell of a customer, as of a moment, by what was known at another one, or is now: with both the same, what they showed then; null for who was nobody';
