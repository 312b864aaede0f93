-- A session that has compiled a query before it needs the library: what comes with the compiler must not take
-- the place of functions of ours that have the same names, as history_init of libedit would.
\c -
SET jit = on;
SET jit_above_cost = 0;
SET jit_inline_above_cost = 0;
SET jit_optimize_above_cost = 0;
SELECT count(*) > 0 AS compiled FROM pg_class WHERE relpages >= 0;
SELECT loyalty.history(day, amount) FROM (VALUES (date '2024-01-05', 10.00), (date '2024-02-10', 30), (date '2024-01-05', 2.50)) x (day, amount);
SELECT loyalty.sum(h), loyalty.total(loyalty.sum(h)) FROM (VALUES (loyalty.history '{2024-01-05 2 12.5}'), ('{2024-01-05 1 1, 2024-01-06 1 1}')) x (h);
