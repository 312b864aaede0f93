-- A sales CRM whose account rating fills itself in.
--
-- The CRM has accounts and orders, and on the account a field "accountratingcode", a list of values that somebody has to
-- choose.  The company's rule is: who has been a customer for at least 5 years and has ordered for at least 3,000,000 is Gold;
-- for 5 years and 5,000,000, Platinum.  Run this in an empty database: psql -X -f examples/sales_crm/run.sql
\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET TimeZone = 'America/Chicago';
SET DateStyle = 'ISO';
CREATE EXTENSION IF NOT EXISTS loyalty;

-- What the CRM has already.  Whenever a rating changes, a trigger of the CRM notes it in the history of the account.
CREATE SCHEMA crm;
CREATE TYPE crm.rating_code AS ENUM ('Gold', 'Platinum');
CREATE TABLE crm.accounts (account_id int PRIMARY KEY, name text NOT NULL, customer_since date NOT NULL,
                           accountratingcode crm.rating_code);
CREATE TABLE crm.orders (order_no int PRIMARY KEY, account_id int NOT NULL REFERENCES crm.accounts, ordered_on date NOT NULL,
                         total numeric(14,2) NOT NULL, status text NOT NULL DEFAULT 'invoiced');
CREATE TABLE crm.account_history (line int GENERATED ALWAYS AS IDENTITY, account text, change text);
CREATE FUNCTION crm.note_rating() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO crm.account_history (account, change)
	VALUES (NEW.name, format('%s -> %s', coalesce(OLD.accountratingcode::text, 'none'), coalesce(NEW.accountratingcode::text, 'none')));
	RETURN NEW;
END
$$;
CREATE TRIGGER note_rating AFTER UPDATE ON crm.accounts FOR EACH ROW EXECUTE FUNCTION crm.note_rating();

-- Harbor Freight will have been a customer for five years on the first of next month, whenever you run this.
SELECT (date_trunc('month', current_date) + interval '1 month')::date AS next_first \gset
INSERT INTO crm.accounts VALUES
  (1, 'Northwind Steel', '2012-03-15'),
  (2, 'Lakeside Foods',  '2018-04-01'),
  (3, 'Prairie Paper',   '2010-01-04'),
  (4, 'Harbor Freight',  date :'next_first' - interval '5 years'),
  (5, 'Summit Energy',   '2015-09-01');
INSERT INTO crm.orders (order_no, account_id, ordered_on, total, status) VALUES
  (1001, 1, '2013-05-10', 1250000, 'invoiced'),
  (1002, 1, '2016-09-01', 1900000, 'invoiced'),     -- Northwind: 3,150,000 so far
  (1003, 1, '2019-02-11', 2100000, 'invoiced'),     -- 5,250,000
  (1004, 2, '2018-06-20', 2400000, 'invoiced'),
  (1005, 2, '2019-11-05', 1850000, 'invoiced'),
  (1006, 2, '2021-08-30', 1150000, 'invoiced'),     -- Lakeside: 5,400,000
  (1007, 3, '2011-07-07',  800000, 'invoiced'),
  (1008, 3, '2014-10-21',  750000, 'invoiced'),
  (1009, 3, '2020-01-15', 2500000, 'cancelled'),    -- does not count: Prairie has 1,550,000
  (1010, 4, date :'next_first' - interval '4 years', 3600000, 'invoiced'),
  (1011, 5, '2017-12-01', 3000000, 'invoiced');     -- Summit: 3,000,000, just enough

-- The program: which tables, which orders count, and the rule of the company as two rows.
SELECT loyalty.create_program('key_accounts', customers => 'crm.accounts', joined_at => 'customer_since',
                              time_zone => 'America/Chicago') \g /dev/null
SELECT loyalty.track_orders('key_accounts', 'crm.orders', customer => 'account_id', at => 'ordered_on', amount => 'total',
                            counts_when => $$status = 'invoiced'$$) \g /dev/null
INSERT INTO key_accounts.tier (name, rank, qualifies) VALUES
  ('Gold',     1, $$tenure >= '5 years' AND spend >= 3000000$$),
  ('Platinum', 2, $$tenure >= '5 years' AND spend >= 5000000$$);

\echo '-- The field is filled in from now on: one row says what it shows, and a call does it.'
INSERT INTO key_accounts.write_back (column_name, shows) VALUES ('accountratingcode', 'tier');
CALL loyalty.write_back('key_accounts');
SELECT a.account_id, a.name, m.lifetime_value, a.accountratingcode
  FROM crm.accounts a JOIN key_accounts.members m USING (account_id) ORDER BY a.account_id;

-- Northwind had 3,150,000 in September 2016, but became Gold on the day of its fifth year, and Platinum with the order of
-- February 2019.  Lakeside had 5,400,000 in August 2021, and no order since: it became Platinum by time alone, when five
-- years were over, and was never Gold.  No job had to run for that.
\echo '-- What the two best accounts were over the years.'
SELECT d.day, key_accounts.tier_at(1, d.day) AS northwind_steel, key_accounts.tier_at(2, d.day) AS lakeside_foods
  FROM (VALUES (date '2016-12-31'), ('2017-03-14'), ('2017-03-15'), ('2019-02-10'), ('2019-02-11'), ('2023-03-31'),
               ('2023-04-01')) AS d (day)
 ORDER BY d.day;

-- Harbor Freight has 3,600,000.  For Platinum it lacks 1,400,000 and time; for Gold it lacks nothing but time.
\echo '-- What Harbor Freight lacks, and when that will be otherwise if it orders nothing.'
SELECT tier, part, condition, holds, CASE WHEN condition LIKE '%spend%' THEN distance END AS distance,
       changes_on = :'next_first' AS on_next_first
  FROM key_accounts.explain_tier(4) ORDER BY tier DESC, part;

\echo '-- Northwind returns what it ordered in 2016, and Summit orders again.'
UPDATE crm.orders SET status = 'returned' WHERE order_no = 1002;
INSERT INTO crm.orders (order_no, account_id, ordered_on, total) VALUES (1012, 5, '2024-06-03', 2000000);
CALL loyalty.write_back('key_accounts');
-- Northwind has 5,250,000 less 1,900,000 and is Gold; Summit has 3,000,000 and 2,000,000 and is Platinum.
SELECT a.account_id, a.name, m.lifetime_value, a.accountratingcode
  FROM crm.accounts a JOIN key_accounts.members m USING (account_id) ORDER BY a.account_id;
-- What was returned now has counted until now, so the past is what it was.
SELECT key_accounts.tier_at(1, '2019-02-11') AS northwind_in_2019;

\echo '-- The CRM noted each change once: only accounts whose rating is another one were written.'
CALL loyalty.write_back('key_accounts');
SELECT account, change FROM crm.account_history ORDER BY account, line;

\echo '-- All is as it should be.'
SELECT * FROM loyalty.verify('key_accounts');
