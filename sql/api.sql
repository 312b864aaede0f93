-- What users call is in the schema loyalty, and all else in _loyalty.
SELECT p.prokind AS kind, p.proname AS name, regexp_replace(pg_get_function_arguments(p.oid), '(^|, )IN ', '\1', 'g') AS arguments
  FROM pg_proc p WHERE p.pronamespace = 'loyalty'::regnamespace ORDER BY p.proname COLLATE "C", 3;
-- beside functions, the list of programs is there, and types
SELECT c.relkind, c.relname FROM pg_class c WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind NOT IN ('i', 't') ORDER BY 2;
SELECT t.typname FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE t.typnamespace = 'loyalty'::regnamespace AND t.typelem = 0 AND c.relkind IS DISTINCT FROM 'v' ORDER BY 1;
-- each has a comment that says what it is for
SELECT p.oid::regprocedure AS without_comment FROM pg_proc p
 WHERE p.pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND coalesce(obj_description(p.oid, 'pg_proc'), '') = '';
-- what everybody may call, of what is not to be called by hand: what views and triggers of programs call
SELECT p.proname AS name FROM pg_proc p
 WHERE p.pronamespace = '_loyalty'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
   AND p.prorettype <> 'trigger'::regtype ORDER BY 1;
-- who drops a schema that is empty of it does not drop the extension
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS public;
DROP SCHEMA public CASCADE;
SELECT count(*) FROM pg_extension WHERE extname = 'loyalty';
ROLLBACK;
DROP SCHEMA _loyalty CASCADE;
DROP SCHEMA loyalty CASCADE;
