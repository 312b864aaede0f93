/*
 * configuration.c: the triggers on a program's configuration, and what the
 * administration of a program does with the rights of its owner.
 *
 * Whoever may write rules, tiers, rates or settings decides what the program's
 * owner runs.  So what checks them, and makes new terms of them, runs as the owner
 * at once, whoever writes: the writer needs no right on anything else, and nothing
 * that a rule brings along runs with the rights of a superuser who writes it.
 *
 * The functions that administer programs run with the rights of their caller,
 * which they need to make triggers on tables, and lock them.  Everything that reads
 * or writes the program's own relations, which may be views by now and have
 * triggers, domains and defaults of the owner, goes through _loyalty.as_owner(),
 * and gives back plain text.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "gate.h"
#include "layout.h"
#include "nested.h"
#include "owner.h"
#include "result.h"
#include "version.h"

/*
 * The owner of the program whose table fired a trigger.  The table must belong to
 * him, too: anybody may make triggers on tables of his own, in a schema of
 * somebody else.
 */
static Oid
trigger_owner(TriggerData *trigdata)
{
	Relation	rel = trigdata->tg_relation;
	Oid			schema;
	Oid			owner = owner_of_program(get_namespace_name(RelationGetNamespace(rel)), &schema);

	if (rel->rd_rel->relowner != owner)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("table \"%s\" is not part of the loyalty program \"%s\"",
						RelationGetRelationName(rel), get_namespace_name(schema))));
	return owner;
}

/* The trigger function of the extension that does the work. */
static Oid
inner_function(const char *name)
{
	Oid			funcid = LookupFuncName(list_make2(makeString("_loyalty"), makeString(pstrdup(name))),
										0, NULL, true);
	Oid			language = InvalidOid;
	HeapTuple	tuple;

	if (OidIsValid(funcid))
	{
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
		if (HeapTupleIsValid(tuple))
		{
			language = ((Form_pg_proc) GETSTRUCT(tuple))->prolang;
			ReleaseSysCache(tuple);
		}
	}
	/* not one in C: these are triggers for other tables, and this one itself */
	if (!OidIsValid(funcid) || get_func_rettype(funcid) != TRIGGEROID ||
		language == ClanguageId || language == INTERNALlanguageId)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"_loyalty.%s\" does not check a configuration", name)));
	return funcid;
}

PG_FUNCTION_INFO_V1(loyalty_configuration);

/*
 * configuration(function): trigger on the configuration of a program, for rows or
 * statements.  Calls another trigger function of the extension as the program's
 * owner, with the settings that matter fixed.
 */
Datum
loyalty_configuration(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = gate_trigger(fcinfo, "configuration", GATE_ANY);

	LOCAL_FCINFO(inner, 0);
	FmgrInfo	flinfo;
	OwnerScope	scope;
	Datum		result;
	char	   *search_path;

	/* functions of the extension have looked at what they write */
	bool		writes = settings_tell_writing();

	if (!writes)
		nested_refuse_write(RelationGetRelationName(trigdata->tg_relation));
	if (trigdata->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" needs one argument, the function to call", "configuration")));
	fmgr_info(inner_function(trigdata->tg_trigger->tgargs[0]), &flinfo);
	InitFunctionCallInfoData(*inner, &flinfo, 0, InvalidOid, fcinfo->context, fcinfo->resultinfo);

	search_path = pstrdup(namespace_search_path);
	owner_enter_writing(&scope, trigger_owner(trigdata));
	if (!writes)
		version_require(RelationGetNamespace(trigdata->tg_relation));
	settings_tell_search_path(search_path);
	result = FunctionCallInvoke(inner);
	owner_leave(&scope);
	fcinfo->isnull = inner->isnull;
	return result;
}

PG_FUNCTION_INFO_V1(loyalty_owner_only);

/*
 * owner_only(): trigger for statements on what the functions of the extension
 * write themselves.  It becomes part of queries of the owner, so a GRANT does not
 * let anybody else write it.
 */
Datum
loyalty_owner_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = gate_trigger(fcinfo, "owner_only", GATE_BEFORE_STATEMENT);

	if (!has_privs_of_role(GetUserId(), trigdata->tg_relation->rd_rel->relowner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only the owner of a loyalty program may write its table \"%s\"",
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("It is written by the functions of the extension, and when rules, tiers or settings are changed.")));
	return PointerGetDatum(NULL);
}

/* A row of an SPI result as an array of texts. */
static Datum
row_as_texts(HeapTuple row, TupleDesc desc)
{
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	int			dims[1] = {desc->natts};
	int			lbs[1] = {1};

	for (int c = 0; c < desc->natts; c++)
	{
		char	   *value = SPI_getvalue(row, desc, c + 1);

		nulls[c] = value == NULL;
		values[c] = nulls[c] ? (Datum) 0 : CStringGetTextDatum(value);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, TEXTOID,
											  -1, false, TYPALIGN_INT));
}

/* Run a command whose parameters are all texts; an error if it fails. */
static void
execute_with_texts(const char *command, ArrayType *arguments)
{
	Datum	   *values;
	bool	   *nulls;
	char	   *marks;
	Oid		   *types;
	int			count;
	int			result;

	Assert(ARR_ELEMTYPE(arguments) == TEXTOID);
	deconstruct_array(arguments, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	marks = palloc(count + 1);
	types = palloc((count + 1) * sizeof(Oid));
	for (int i = 0; i < count; i++)
	{
		marks[i] = nulls[i] ? 'n' : ' ';
		types[i] = TEXTOID;
	}
	marks[count] = '\0';
	result = SPI_execute_with_args(command, count, types, values, marks, false, 0);
	if (result < 0)
		elog(ERROR, "could not run a command as the owner of a loyalty program: %s",
			 SPI_result_code_string(result));
}

/* An error unless the owner may call the function of the extension that a command names first. */
static void
require_callable(Oid owner, const char *command)
{
	const char *call = strstr(command, "loyalty.");
	char		name[NAMEDATALEN];

	if (call == NULL)
		return;
	call += strlen("loyalty.");
	strlcpy(name, call, Min(strspn(call, "abcdefghijklmnopqrstuvwxyz_") + 1, sizeof(name)));
	owner_require_call(owner, name);
}

PG_FUNCTION_INFO_V1(loyalty_as_owner);

/*
 * as_owner(program name, command text, VARIADIC arguments text[]) returns setof text[]
 *
 * Runs a command with the rights of the program's owner and gives back its rows as
 * texts.  For those only who have these rights anyway: to them it is a way to
 * have less.
 */
Datum
loyalty_as_owner(PG_FUNCTION_ARGS)
{
	Tuplestorestate *store;
	TupleDesc	desc;
	OwnerScope	scope;
	const char *program;
	Oid			schema;
	Oid			owner;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("program and command must not be null")));
	store = result_begin(fcinfo, &desc);
	program = NameStr(*PG_GETARG_NAME(0));
	owner = owner_of_program(program, &schema);
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of loyalty program \"%s\"", program)));
	require_callable(owner, text_to_cstring(PG_GETARG_TEXT_PP(1)));

	owner_enter_writing(&scope, owner);
	settings_not_writing();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	execute_with_texts(text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_ARRAYTYPE_P(2));
	for (uint64 i = 0; SPI_tuptable != NULL && i < SPI_processed; i++)
	{
		Datum		value = row_as_texts(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		bool		isnull = false;

		tuplestore_putvalues(store, desc, &value, &isnull);
	}
	SPI_finish();
	owner_leave(&scope);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(loyalty_is_seen_by_all);

/*
 * is_seen_by_all(xact xid8) returns boolean
 *
 * Is a committed transaction over for every snapshot that anybody in this database has?  One
 * that is to come is of the cluster that the program was restored from, and over, too.
 */
Datum
loyalty_is_seen_by_all(PG_FUNCTION_ARGS)
{
	FullTransactionId xact = FullTransactionIdFromU64(DatumGetUInt64(PG_GETARG_DATUM(0)));
	FullTransactionId next = ReadNextFullTransactionId();
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	TransactionId oldest = loyalty_oldest_snapshot(rel);
	uint32		age = XidFromFullTransactionId(next) - oldest;

	table_close(rel, AccessShareLock);
	PG_RETURN_BOOL(!FullTransactionIdPrecedes(xact, next) ||
				   U64FromFullTransactionId(xact) + age < U64FromFullTransactionId(next));
}
