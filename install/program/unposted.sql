-- kind: view
-- read: SELECT
-- Reads: posted state and what is not yet posted, always together.
CREATE OR REPLACE VIEW @schema@.unposted AS
SELECT e.customer, e.tracked_table, e.order_key, e.revision, e.at, e.recorded_at, e.terms, e.counts,
       e.amount, e.awards, e.currency, e.rate, e.joined_at, e.moved, (e.accrual).tier, (e.accrual).multiplier,
       e.entries + (e.accrual).number AS entry, (e.accrual).order_points, (e.accrual).orders_change, (e.accrual).amount_change,
       (e.accrual).points_change, (e.accrual).spend, (e.accrual).orders, (e.accrual).points_earned,
       (e.accrual).first_order_at, (e.accrual).last_order_at
  FROM (SELECT j.*, coalesce(a.entries, 0) AS entries,
               _loyalty.accrue(@settings@::regclass, j.terms, a.spend, a.orders, a.points_earned,
                              a.first_order_at, a.last_order_at, j.repeated,
                              CASE WHEN j.repeated AND j.number = 1
                                   THEN ARRAY(SELECT DISTINCT ON (l.tracked_table, l.order_key) l FROM @schema@.ledger l
                                               WHERE l.customer @eq@ j.customer
                                               ORDER BY l.tracked_table, l.order_key, l.revision DESC) END,
                              j.at, j.tracked_table, j.order_key, j.revision, j.counts, j.amount, j.awards,
                              j.joined_at, j.multiplier, j.tier) OVER posting AS accrual
          FROM (SELECT r.*, row_number() OVER recording AS number,
                       bool_or(r.revision > 1) OVER (PARTITION BY r.customer) AS repeated
                  FROM @schema@.journal r
                WINDOW recording AS (PARTITION BY r.customer
                                     ORDER BY r.recorded_at, r.at, r.tracked_table, r.order_key, r.revision)) j
          LEFT JOIN @schema@.account a ON a.customer @eq@ j.customer
        WINDOW posting AS (PARTITION BY j.customer ORDER BY j.number ROWS UNBOUNDED PRECEDING)) e
 WHERE (e.accrual).number IS NOT NULL;
COMMENT ON VIEW @schema@.unposted IS 'journal entries with what posting will make of them';
