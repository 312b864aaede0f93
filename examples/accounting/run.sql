-- An accounting package that knows who its best customers are, and tells it to whoever picks up the phone.
--
-- It has customers, invoices with the days on which they were due and paid, complaints, and questions that customers were
-- asked.  Customers are ranked by value, by referrals, by growth against last year, by how fast they pay, by credit and by
-- collaboration.  Each has a credit grade of A, B or C and an overall value of 1 to 5.  All dates are days before today, so
-- that this comes out the same on each day.  Run this in an empty database: psql -X -f examples/accounting/run.sql
\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET TimeZone = 'Europe/London';
SET DateStyle = 'ISO';
CREATE EXTENSION IF NOT EXISTS loyalty;

-- What the package has already.
CREATE SCHEMA books;
CREATE TABLE books.customers (customer_no int PRIMARY KEY, name text NOT NULL, since date NOT NULL,
                              referred_by int REFERENCES books.customers, credit_limit numeric(10,2) NOT NULL, credit_score int);
CREATE TABLE books.invoices (invoice_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                             customer_no int NOT NULL REFERENCES books.customers, issued date NOT NULL,
                             due date NOT NULL, paid date, total numeric(10,2) NOT NULL);
CREATE TABLE books.complaints (complaint_no int PRIMARY KEY, customer_no int REFERENCES books.customers, received date, about text);
CREATE TABLE books.questions (question_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                              customer_no int REFERENCES books.customers, asked date, answered date);
CREATE FUNCTION books.referrer_of(customer int) RETURNS int LANGUAGE sql STABLE AS
	'SELECT c.referred_by FROM books.customers c WHERE c.customer_no = customer';

INSERT INTO books.customers VALUES
  (1, 'Ashdown Joinery',    current_date - interval '7 years 40 days', NULL, 30000, 720),
  (2, 'Brightwater Hotels', current_date - interval '4 years 40 days', NULL, 60000, 760),
  (3, 'Castle Print',       current_date - interval '3 years 40 days', 1,    10000, 640),
  (4, 'Downs Dairy',        current_date - interval '1 year 40 days',  1,    10000, 690);
-- For each invoice: how many days ago it was issued, the total, and after how many days it was paid, if it was.
INSERT INTO books.invoices (customer_no, issued, due, paid, total)
SELECT i.customer_no, current_date - i.ago, current_date - i.ago + 30, current_date - i.ago + i.days, i.total
  FROM (VALUES (1,  20, 12000, NULL), (1, 110, 10000, 25), (1, 200,  8000, 20), (1, 290, 10000, 30),
               (1, 400,  9000, 25),   (1, 490,  9000, 20), (1, 580,  7000, 28), (1, 670,  7000, 26),
               (2,  15, 20000, NULL), (2, 105, 25000, 60), (2, 195, 25000, 45), (2, 285, 20000, 30),
               (2, 395, 30000, 40),   (2, 485, 30000, 50), (2, 575, 20000, 20), (2, 665, 20000, 30),
               (3, 100,  6000, NULL), (3, 190,  5000, 35), (3, 280,  5000, 42), (3, 345,  4000, 33),
               (3, 430, 10000, 30),   (3, 520,  8000, 20),
               (4,  10,  4000, NULL), (4,  40,  3000,  5), (4,  70,  3000,  5), (4, 100,  2000,  7),
               (4, 375,  4000, 10)) AS i (customer_no, ago, total, days);
INSERT INTO books.complaints VALUES
  (1, 2, current_date - 45, 'wrong towels'), (2, 2, current_date - 130, 'late'), (3, 3, current_date - 200, 'smudged');
INSERT INTO books.questions (customer_no, asked, answered)
SELECT customer_no, current_date - 100, CASE WHEN q <= answered THEN current_date - 98 END
  FROM (VALUES (1, 4, 3), (2, 4, 1), (3, 3, 0), (4, 2, 2)) AS s (customer_no, asked, answered), generate_series(1, asked) q;

-- What the program looks at.  An invoice is an order, and several events besides.  One that is paid has its total as the amount
-- of an event, and its total times the days as that of another one: the quotient of both is an average weighted by amount.  One
-- that is not paid is an event on the day on which it is due, so that it becomes overdue by time alone.  And what is invoiced
-- to a customer who was referred is an event of the one who referred him: referrer_of() reads what never changes afterwards.
SELECT loyalty.create_program('desk', customers => 'books.customers', joined_at => 'since', time_zone => 'Europe/London') \g /dev/null
SELECT loyalty.track_orders('desk', 'books.invoices', customer => 'customer_no', at => 'issued', amount => 'total') \g /dev/null
SELECT loyalty.track_events('desk', 'paid', 'books.invoices', customer => 'customer_no', at => 'issued',
                            amount => 'total', counts_when => 'paid IS NOT NULL'),
       loyalty.track_events('desk', 'paid times days', 'books.invoices', customer => 'customer_no', at => 'issued',
                            amount => 'total * (paid - issued)', counts_when => 'paid IS NOT NULL'),
       loyalty.track_events('desk', 'paid late', 'books.invoices', customer => 'customer_no', at => 'issued', counts_when => 'paid > due'),
       loyalty.track_events('desk', 'open', 'books.invoices', customer => 'customer_no', at => 'due',
                            amount => 'total', counts_when => 'paid IS NULL'),
       loyalty.track_events('desk', 'referred revenue', 'books.invoices', customer => 'books.referrer_of(customer_no)', at => 'issued',
                            amount => 'total'),
       loyalty.track_events('desk', 'referral', 'books.customers', customer => 'referred_by', at => 'since'),
       loyalty.track_events('desk', 'complaint', 'books.complaints', customer => 'customer_no', at => 'received'),
       loyalty.track_events('desk', 'question', 'books.questions', customer => 'customer_no', at => 'asked'),
       loyalty.track_events('desk', 'answer', 'books.questions', customer => 'customer_no', at => 'asked',
                            counts_when => 'answered IS NOT NULL') \g /dev/null
INSERT INTO desk.metric (name, expression, comment) VALUES
  ('revenue',         $$total(purchases, today - interval '1 year')$$, 'invoiced in a year'),
  ('growth',          $$round(100 * total(purchases, today - interval '1 year')
                                / nullif(total(purchases, today - interval '2 years', today - interval '1 year'), 0) - 100, 1)$$,
                      'percent more than in the year before'),
  ('with referrals',  $$spend + total("referred revenue")$$, 'lifetime value, and that of those whom the customer referred'),
  ('referrals',       $$times(referral)$$, NULL),
  ('days to pay',     $$round(total("paid times days") / nullif(total(paid), 0), 1)$$, 'weighted by amount'),
  ('late share',      $$round(100.0 * times("paid late") / nullif(times(paid), 0), 1)$$, 'percent of the paid invoices'),
  ('overdue',         $$total(open, NULL, today)$$, 'not paid, and due before today'),
  ('credit',          $$member.credit_score$$, NULL),
  ('complaints',      $$times(complaint, today - interval '1 year')$$, 'in a year'),
  ('collaboration',   $$round(100.0 * times(answer) / nullif(times(question), 0))$$, 'percent of the questions that were answered');
INSERT INTO desk.rating (rating, grade, rank, qualifies) VALUES
  ('credit', 'A', 3, 'credit >= 700 AND overdue = 0'), ('credit', 'B', 2, 'credit >= 500'), ('credit', 'C', 1, 'true'),
  ('value', '5', 5, 'revenue >= 80000'), ('value', '4', 4, 'revenue >= 40000'), ('value', '3', 3, 'revenue >= 20000'),
  ('value', '2', 2, 'revenue >= 10000'), ('value', '1', 1, 'true');
INSERT INTO desk.rating_step (rating, reason, condition, steps, bound) VALUES
  ('credit', 'pays late',       '"late share" >= 50', -1, NULL),
  ('credit', 'pays at once',    '"days to pay" <= 15', 1, NULL),
  ('value', 'answers',          'collaboration >= 75', 1, '4'),
  ('value', 'complains',        'complaints >= 2', -1, NULL),
  ('value', 'grows',            'growth >= 50', 1, NULL),
  ('value', 'owes',             'overdue > member.credit_limit / 2', -1, NULL),
  ('value', 'recommends us',    'referrals >= 2', 1, NULL),
  ('value', 'shrinks',          'growth < 0', -1, NULL);

-- The metrics, worked out for Ashdown: 12000 + 10000 + 8000 + 10000 in the last year are 40000, a quarter more than the 32000
-- of the year before.  Seven invoices over 60000 are paid; 10000 times 25 days, 8000 times 20 and so on are 1493000, which is
-- 24.9 days.  Castle and Downs, whom it referred, were invoiced 38000 and 16000; with its own 72000 that is 126000.
\echo '-- What is known of each customer.'
SELECT * FROM desk.metrics ORDER BY customer_no;

-- Whoever has as much as another one shares the rank.  By days to pay, the first one is the slowest.
\echo '-- The rank of each customer by each of it.'
SELECT c.name, v.rank AS revenue, r.rank AS referrals, w.rank AS with_referrals, g.rank AS growth, d.rank AS slowness,
       k.rank AS credit, o.rank AS collaboration
  FROM books.customers c
  JOIN desk.ranking('revenue') v        ON v.customer = c.customer_no
  JOIN desk.ranking('referrals') r      ON r.customer = c.customer_no
  JOIN desk.ranking('with referrals') w ON w.customer = c.customer_no
  JOIN desk.ranking('growth') g         ON g.customer = c.customer_no
  JOIN desk.ranking('days to pay') d    ON d.customer = c.customer_no
  JOIN desk.ranking('credit') k         ON k.customer = c.customer_no
  JOIN desk.ranking('collaboration') o  ON o.customer = c.customer_no
 ORDER BY v.rank;
\echo '-- The two best customers by what they and their referrals are worth.'
SELECT * FROM desk.ranking('with referrals', top => 2);

-- Ashdown is a 4 by its revenue.  Its answers would bring it to 4 and no further; that it recommends us makes it a 5.
-- Brightwater is a 5, but shrinks and complains: 3.  Castle is a 3 and owes more than half of its limit: 2.  Downs is a 2,
-- answers and grows: 4.  By credit, Brightwater falls to B and Castle to C since they pay late, and Downs rises to A.
\echo '-- The grades, and how they came about.'
SELECT c.name, r.credit, r.value, card.why
  FROM books.customers c JOIN desk.ratings r USING (customer_no) CROSS JOIN LATERAL desk.card(c.customer_no) card
 ORDER BY c.customer_no;

-- The customer number that is printed on invoices is issued as that of a card.  Castle was last invoiced 100 days ago, and the
-- gaps between its invoices are 90, 85, 65, 90 and 90 days.  Half of them are not longer than 90 days, so that its next order
-- was due 10 days ago.
\echo '-- The phone rings: "Castle Print, customer number 7000 0039."'
SELECT desk.issue_card(customer_no, number)
  FROM (VALUES (1, '70000013'), (2, '70000021'), (3, '70000039'), (4, '70000047')) AS n (customer_no, number) \g /dev/null
\x on
SELECT c.name, p.ratings ->> 'value' AS value, p.ratings ->> 'credit' AS credit, p.why, date_part('year', p.tenure) AS years,
       p.lifetime_value, p.orders, p.average_order, coalesce(p.events ->> 'complaint', '0') AS complaints,
       coalesce(p.events ->> 'referral', '0') AS referrals, current_date - p.last_order_at::date AS last_order_days_ago,
       p.next_purchase_due - current_date AS next_due_in_days
  FROM desk.card_by_number('7000 0039') p JOIN books.customers c ON c.customer_no::text = p.customer;
\x off

-- The five invoices of 32000 that it had paid make 977000 days times money, and 6000 after 100 days make 600000 more: by 38000,
-- these are 41.5 days.  Four of six were late.  It owes nothing any more and is a 3; its credit is C as before.
\echo '-- Castle says that it has just sent the 6000, and so it is.'
UPDATE books.invoices SET paid = current_date WHERE customer_no = 3 AND paid IS NULL;
SELECT m.overdue, m."days to pay", m."late share", r.credit, r.value
  FROM desk.metrics m JOIN desk.ratings r USING (customer_no) WHERE customer_no = 3;

\echo '-- All is as it should be.'
SELECT * FROM loyalty.verify('desk');
