-- loyalty: points, tiers and lifetime value, next to the orders
-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION loyalty" to load this file. \quit

CREATE SCHEMA loyalty;
COMMENT ON SCHEMA loyalty IS 'administration of loyalty programs';
GRANT USAGE ON SCHEMA loyalty TO PUBLIC;

