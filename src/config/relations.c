/*
 * relations.c: the relations of a program by their names, and names as SQL.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "program.h"
#include "relations.h"

/*
 * A relation of a program that must exist.
 */
Oid
program_relation(Oid schema, const char *name)
{
	Oid			relid = get_relname_relid(name, schema);
	char	   *program = OidIsValid(relid) ? NULL : get_namespace_name(schema);

	if (!OidIsValid(relid) && program == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema with OID %u does not exist", schema)));
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("loyalty program \"%s\" has no relation \"%s\"", program, name),
				 errhint("Call loyalty.upgrade_program(%s), which makes what is missing.",
						 quote_literal_cstr(program))));
	return relid;
}

/*
 * An operator as SQL that means it under every search_path.
 */
char *
program_operator(Oid op)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
	Form_pg_operator form;
	char	   *result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", op);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					  NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return result;
}

/*
 * A comparison of customers by the primary key of the journal, as SQL.
 */
char *
program_key_operator(Relation index, StrategyNumber strategy)
{
	Oid			type = index->rd_opcintype[0];

	return program_operator(get_opfamily_member(index->rd_opfamily[0], type, type, strategy));
}

/*
 * The name of a table as an argument of a function that is called by hand.
 */
char *
program_table_argument(Oid relid)
{
	return quote_literal_cstr(quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
														 get_rel_name(relid)));
}
