-- Ours: orders that are the sum of their lines.
\ir program.sql
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'ordered_at',
                            counts_when => $$status = 'paid'$$, lines => 'shop.lines', line_order => 'order_id',
                            line_amount => 'qty * price', backfill => false) \g /dev/null
