-- loyalty: points, tiers and lifetime value, next to the orders
-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION loyalty" to load this file. \quit

CREATE SCHEMA loyalty;
COMMENT ON SCHEMA loyalty IS 'loyalty programs: what users call';
GRANT USAGE ON SCHEMA loyalty TO PUBLIC;
CREATE SCHEMA _loyalty;
COMMENT ON SCHEMA _loyalty IS 'what the functions of the schema loyalty, and the objects of programs, use: not to be called by hand';
GRANT USAGE ON SCHEMA _loyalty TO PUBLIC;

