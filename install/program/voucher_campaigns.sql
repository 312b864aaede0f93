-- kind: view
-- read: SELECT
CREATE OR REPLACE VIEW @schema@.voucher_campaigns AS
SELECT b.campaign, count(*) AS vouchers, count(*) FILTER (WHERE e.redeemed > 0) AS used,
       sum(b.amount)::numeric(38, @amount_scale@) AS issued,
       coalesce(sum(e.redeemed), 0)::numeric(38, @amount_scale@) AS redeemed,
       coalesce(sum(e.voided), 0)::numeric(38, @amount_scale@) AS voided,
       coalesce(sum(v.balance) FILTER (WHERE b.expires_at <= now()), 0)::numeric(38, @amount_scale@) AS expired,
       coalesce(sum(v.balance) FILTER (WHERE b.expires_at > now()), 0)::numeric(38, @amount_scale@) AS open
  FROM @schema@.voucher_batch b
  JOIN @schema@.voucher v ON v.batch = b.reference
  LEFT JOIN (SELECT code, -sum(amount) FILTER (WHERE kind = 'redemption') AS redeemed, -sum(amount) FILTER (WHERE kind = 'void') AS voided
               FROM @schema@.voucher_entry WHERE kind <> 'issue' GROUP BY code) e ON e.code = v.code
 GROUP BY b.campaign;
COMMENT ON VIEW @schema@.voucher_campaigns IS 'what became of the vouchers of each campaign, without their codes';
COMMENT ON COLUMN @schema@.voucher_campaigns.campaign IS 'what the vouchers were issued for; of rewards, their names; null: those without';
COMMENT ON COLUMN @schema@.voucher_campaigns.vouchers IS 'how many were issued';
COMMENT ON COLUMN @schema@.voucher_campaigns.used IS 'how many were redeemed, in full or in part';
COMMENT ON COLUMN @schema@.voucher_campaigns.issued IS 'what they were worth when they were issued';
COMMENT ON COLUMN @schema@.voucher_campaigns.redeemed IS 'as much of it was redeemed';
COMMENT ON COLUMN @schema@.voucher_campaigns.voided IS 'as much was made void';
COMMENT ON COLUMN @schema@.voucher_campaigns.expired IS 'as much has expired';
COMMENT ON COLUMN @schema@.voucher_campaigns.open IS 'as much can be redeemed';
