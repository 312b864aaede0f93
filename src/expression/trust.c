/*
 * trust.c: whose code runs with the rights of a program's owner.
 *
 * Expressions are kept as text and are read again by every session, over tables
 * that may belong to somebody else.  So what an expression calls is not only what
 * its writer had in mind: the owner of a table gives a column another type, with a
 * cast of his own; who may create functions in a schema adds one that fits
 * better; the owner of a domain adds a check.  Hence one rule, looked at whenever
 * an expression is read, by the current user, who is the program's owner:
 *
 *	Functions, operators, casts and domains that are not built in must belong to
 *	the program's owner, to a superuser, or to a role that has the owner's rights.
 *
 * Whoever can replace such an object has these rights then, so nothing is gained
 * by it.  Everything else that our queries put around an expression is found in
 * pg_catalog, which belongs to a superuser; it can reach a cast of somebody else
 * only if the value of the whole expression is of another type than the program
 * wants, which expression.c refuses, or is a key of a type that is not built in
 * (trust_check_key_type).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "layout.h"
#include "owner.h"
#include "trust.h"

#define TRUST_HINT "Expressions of a loyalty program run with the rights of the program's owner, so they may call what belongs to this role or to a superuser only."

static bool check_walker(Node *node, void *context);

static bool
is_builtin(Oid oid)
{
	return oid < FirstNormalObjectId;
}

static Oid
function_owner(Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", funcid)));
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

static Oid
type_owner(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type with OID %u does not exist", type)));
	owner = ((Form_pg_type) GETSTRUCT(tuple))->typowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
refuse(const char *kind, const char *name, Oid owner)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s %s of role \"%s\" must not run with the rights of role \"%s\"",
					kind, name, GetUserNameFromId(owner, false),
					GetUserNameFromId(GetUserId(), false)),
			 errhint(TRUST_HINT)));
}

static bool
is_foreign_function(Oid funcid, void *context)
{
	return !is_builtin(funcid) && !owner_trusts(GetUserId(), function_owner(funcid));
}

/* For check_functions_in_node(): an error, or go on. */
static bool
check_function(Oid funcid, void *context)
{
	if (is_foreign_function(funcid, context))
		refuse("function", format_procedure_qualified(funcid), function_owner(funcid));
	return false;
}

/*
 * Values of a domain, or of a type that contains one, can't be read from text or
 * cast without running the checks of the domain.
 */
static void
check_type(Oid type)
{
	char		typtype;
	Oid			element;

	if (!OidIsValid(type) || is_builtin(type))
		return;
	check_stack_depth();
	element = get_element_type(type);
	if (OidIsValid(element))
	{
		check_type(element);
		return;
	}
	typtype = get_typtype(type);
	if (typtype == TYPTYPE_DOMAIN)
	{
		/* known to the memory context, so it must live as long */
		DomainConstraintRef *constraints = palloc0(sizeof(DomainConstraintRef));
		ListCell   *lc;

		if (!owner_trusts(GetUserId(), type_owner(type)))
			refuse("domain", format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY),
				   type_owner(type));
		InitDomainConstraintRef(type, constraints, CurrentMemoryContext, false);
		foreach(lc, constraints->constraints)
			(void) check_walker((Node *) ((DomainConstraintState *) lfirst(lc))->check_expr, NULL);
		check_type(getBaseType(type));
	}
	else if (typtype == TYPTYPE_COMPOSITE)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

		for (int i = 0; i < desc->natts; i++)
			if (!TupleDescAttr(desc, i)->attisdropped)
				check_type(TupleDescAttr(desc, i)->atttypid);
	}
	else if (typtype == TYPTYPE_RANGE)
		check_type(get_range_subtype(type));
	else if (loyalty_is_multirange(typtype))
		check_type(loyalty_multirange_range(type));
}

/* The type of a node of an expression; InvalidOid if it has none. */
static Oid
node_type(Node *node)
{
	return IsA(node, List) || IsA(node, CaseWhen) ? InvalidOid : exprType(node);
}

/*
 * The same for one node of an expression, without what is below it.
 */
void
trust_check_node(Node *node)
{
	(void) check_functions_in_node(node, check_function, NULL);
	check_type(node_type(node));
}

static bool
check_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	trust_check_node(node);
	return expression_tree_walker(node, check_walker, context);
}

/*
 * An error if an expression would run code that the current user must not run.
 */
void
trust_check(Node *expr)
{
	(void) check_walker(expr, NULL);
}

static bool
raw_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, TypeName))
		check_type(LookupTypeNameOid(NULL, (TypeName *) node, true));
	return raw_expression_tree_walker(node, raw_walker, context);
}

/*
 * The same for what the parser runs itself, before there is an expression:
 * constants are read by the input functions of the types that the text names.
 */
void
trust_check_raw(Node *raw)
{
	(void) raw_walker(raw, NULL);
}

/*
 * The first of a type and those that it is a domain over whose owner is somebody else, who
 * can add operators and casts to it; InvalidOid if there is none.
 */
Oid
trust_foreign_type(Oid type)
{
	for (Oid t = type; OidIsValid(t) && !is_builtin(t);
		 t = get_typtype(t) == TYPTYPE_DOMAIN ? getBaseType(t) : InvalidOid)
	{
		if (!owner_trusts(GetUserId(), type_owner(t)))
			return t;
	}
	return InvalidOid;
}

/*
 * Keys are compared with each other, and with text, by whatever operators and
 * casts their type has: its owner can add some.
 */
void
trust_check_key_type(Oid type, const char *what)
{
	Oid			foreign = trust_foreign_type(type);

	if (OidIsValid(foreign))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s must not be of type %s, which belongs to role \"%s\"", what,
						format_type_extended(foreign, -1, FORMAT_TYPE_FORCE_QUALIFY),
						GetUserNameFromId(type_owner(foreign), false)),
				 errhint("Use a built-in type, or cast it to one in the expression.")));
}

/* Does an expression of a table call such a function without its row? */
static bool
constant_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (!contain_var_clause(node))
	{
		trust_check(node);
		return false;
	}
	return expression_tree_walker(node, constant_walker, context);
}

static void
check_stored(Datum stored)
{
	(void) constant_walker((Node *) stringToNode(TextDatumGetCString(stored)), NULL);
}

static void
check_constraints(Relation rel)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		(void) constant_walker((Node *) stringToNode(constr->check[i].ccbin), NULL);
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(RelationGetRelid(rel)));
		bool		isnull = true;
		Datum		stored = (Datum) 0;

		if (!HeapTupleIsValid(tuple))
			return;
		stored = SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs, &isnull);
		if (!isnull)
			check_stored(stored);
		ReleaseSysCache(tuple);
	}
}

static void
check_indexes(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		bool		isnull;
		Datum		stored;

		if (!HeapTupleIsValid(tuple))
			continue;
		stored = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indexprs, &isnull);
		if (!isnull)
			check_stored(stored);
		stored = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indpred, &isnull);
		if (!isnull)
			check_stored(stored);
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
}

/* Extended statistics have expressions from 14 on. */
static void
check_statistics(Relation rel)
{
#if PG_VERSION_NUM >= 140000
	List	   *statistics = RelationGetStatExtList(rel);
	ListCell   *lc;

	foreach(lc, statistics)
	{
		HeapTuple	tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(lfirst_oid(lc)));
		bool		isnull;
		Datum		stored;

		if (!HeapTupleIsValid(tuple))
			continue;
		stored = SysCacheGetAttr(STATEXTOID, tuple, Anum_pg_statistic_ext_stxexprs, &isnull);
		if (!isnull)
			check_stored(stored);
		ReleaseSysCache(tuple);
	}
	list_free(statistics);
#endif
}

/*
 * The same for what belongs to a table itself.  Whoever plans a query on a table
 * evaluates what is constant in the expressions of its indexes and checks; and
 * in old versions a table can become a view.
 */
void
trust_check_table(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	char		kind = rel->rd_rel->relkind;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table any more", RelationGetRelationName(rel)),
				 errhint("Call loyalty.untrack().")));
	if (rel->rd_rel->relowner != GetUserId())
	{
		check_indexes(rel);
		check_constraints(rel);
		check_statistics(rel);
	}
	relation_close(rel, NoLock);
}

/*
 * The same for the partitions and children of a table, which whoever reads all of
 * it plans with.
 */
void
trust_check_descendants(Oid relid)
{
	List	   *relations = find_all_inheritors(relid, AccessShareLock, NULL);
	ListCell   *lc;

	foreach(lc, relations)
	{
		char		kind = get_rel_relkind(lfirst_oid(lc));

		if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
			trust_check_table(lfirst_oid(lc));
	}
	list_free(relations);
}

/*
 * The same for the tables of the customers of a program, which its view "customer"
 * reads.
 */
void
trust_check_customers(Oid schema)
{
	List	   *relations = layout_customer_tables(schema);
	ListCell   *lc;

	foreach(lc, relations)
	{
		char		kind = get_rel_relkind(lfirst_oid(lc));

		if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
			trust_check_descendants(lfirst_oid(lc));
	}
	list_free(relations);
}

/*
 * May the current user read a table, or some columns of it?
 */
bool
trust_may_read(Oid relid)
{
	return pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK;
}

/* For check_functions_in_node().  What is refused anyway need not be granted. */
static bool
lacks_execute(Oid funcid, void *context)
{
	if (loyalty_may_execute(funcid, GetUserId()) || is_foreign_function(funcid, context))
		return false;
	*(Oid *) context = funcid;
	return true;
}

/*
 * The function that a node calls and the current user may not, or InvalidOid.
 */
Oid
trust_lacks_execute(Node *node)
{
	Oid			result = InvalidOid;

	(void) check_functions_in_node(node, lacks_execute, &result);
	return result;
}

/*
 * Nobody shall lock, or look into, a table that he has no right on.
 */
void
trust_check_read(Oid relid)
{
	if (!trust_may_read(relid))
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

static bool
is_user_function(Oid funcid, void *context)
{
	return !is_builtin(funcid);
}

/*
 * Can one node of an expression run anything that is not built in?
 */
bool
trust_is_user_code(Node *node)
{
	return IsA(node, CoerceToDomain) || !is_builtin(node_type(node)) ||
		check_functions_in_node(node, is_user_function, NULL);
}

static bool
user_code_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (trust_is_user_code(node))
		return true;
	return expression_tree_walker(node, user_code_walker, context);
}

/*
 * Can an expression run anything that is not built in?  Not by functions alone: a
 * domain has checks, and types bring functions that no node names.
 */
bool
trust_runs_user_code(Node *expr)
{
	return user_code_walker(expr, NULL);
}

/* Is the text of a value of a built-in type the same under all settings? */
static bool
has_plain_text(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case OIDOID:
		case CHAROID:
		case NAMEOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case UUIDOID:
		case UNKNOWNOID:
			return true;
		default:
			return type_is_enum(type);
	}
}

/*
 * Can this name of a time zone be an abbreviation?  What these mean, a setting
 * says; they come before the names of zones, but none has a slash.
 */
static bool
may_be_abbreviation(Node *zone)
{
	static const char *const same[] = {"UTC", "UCT", "GMT", "Zulu"};
	char	   *name;

	if (!IsA(zone, Const) || ((Const *) zone)->consttype != TEXTOID)
		return true;
	if (((Const *) zone)->constisnull)
		return false;
	name = TextDatumGetCString(((Const *) zone)->constvalue);
	for (int i = 0; i < lengthof(same); i++)
		if (pg_strcasecmp(name, same[i]) == 0)
			return false;
	return strchr(name, '/') == NULL;
}

/*
 * Does a node, its arguments aside, read a setting though it is called immutable?
 */
bool
trust_reads_setting(Node *node)
{
	if (IsA(node, FuncExpr))
	{
		FuncExpr   *call = (FuncExpr *) node;

		switch (call->funcid)
		{
			case LOYALTY_TIMESTAMPTZ_AGE:
				return true;
			case LOYALTY_TIMESTAMPTZ_IN_ZONE:
			case LOYALTY_TIMESTAMP_IN_ZONE:
				return may_be_abbreviation(linitial(call->args));
		}
	}
	if (IsA(node, CoerceViaIO))
		return !(has_plain_text(exprType((Node *) ((CoerceViaIO *) node)->arg)) &&
				 has_plain_text(((CoerceViaIO *) node)->resulttype));
	return IsA(node, XmlExpr) || node_type(node) == CSTRINGOID;
}

static bool
settings_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (trust_reads_setting(node))
		return true;
	return expression_tree_walker(node, settings_walker, context);
}

/*
 * May the value of an expression depend on settings of the session?  No only if
 * it is proved: it calls nothing but immutable built-in functions over built-in
 * types, and makes no text of a type whose text has settings.
 */
bool
trust_depends_on_settings(Node *expr)
{
	return trust_runs_user_code(expr) || contain_mutable_functions(expr) ||
		settings_walker(expr, NULL);
}

PG_FUNCTION_INFO_V1(loyalty_require_own_tables);

/*
 * require_own_tables(program name, relation oid) returns void
 *
 * An error if a query on a table with its partitions and children, or without one
 * on the customer table, would run code of others as the current user.
 */
Datum
loyalty_require_own_tables(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	if (PG_ARGISNULL(1))
		trust_check_customers(get_namespace_oid(NameStr(*PG_GETARG_NAME(0)), false));
	else if (get_rel_relkind(PG_GETARG_OID(1)) != '\0')
		trust_check_descendants(PG_GETARG_OID(1));
	PG_RETURN_VOID();
}
