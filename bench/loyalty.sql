-- Ours: orders that are one row each.
\ir program.sql
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'ordered_at', amount => 'amount',
                            counts_when => $$status = 'paid'$$, order_key => 'order_id', backfill => false) \g /dev/null
