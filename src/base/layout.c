/*
 * layout.c: the columns that the tables of a program must have.
 *
 * A program's tables are ordinary tables, which their owner can alter, and
 * anybody may make tables of the same names in a schema of his own.  What is
 * read and written by position is checked here first.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "layout.h"

typedef struct Column
{
	const char *name;
	Oid			type;			/* InvalidOid: any */
	bool		nullable;
} Column;

/* Stands for the type loyalty.lots, whose OID is not known before. */
#define LOTS_TYPE ((Oid) 1)

/* Stands for the type of the column "customer", which comes first, without domains: these may refuse nulls. */
#define CUSTOMER_TYPE ((Oid) 2)

/* Stand for the types loyalty.history and _loyalty.event_history[]. */
#define HISTORY_TYPE ((Oid) 3)
#define EVENTS_TYPE ((Oid) 4)

/* The columns of the journal, and those that the ledger has behind them. */
static const Column entry_columns[] = {
	{"customer", InvalidOid}, {"tracked_table", INT4OID}, {"order_key", TEXTOID},
	{"revision", INT4OID}, {"at", TIMESTAMPTZOID}, {"recorded_at", TIMESTAMPTZOID},
	{"terms", INT4OID}, {"counts", BOOLOID}, {"amount", NUMERICOID},
	{"awards", NUMERICOID}, {"currency", TEXTOID}, {"rate", NUMERICOID},
	{"joined_at", TIMESTAMPTZOID, true}, {"moved", BOOLOID}, {"tier", TEXTOID, true},
	{"multiplier", NUMERICOID, true}, {"available_at", TIMESTAMPTZOID, true},
	{"parts", NUMERICARRAYOID, true}, {"held_rules", INT4ARRAYOID, true},
	{"came_from", TEXTOID, true}, {"came_revision", INT4OID, true}, {"came_over", BOOLOID, true},
	{"allotted", NUMERICARRAYOID, true}, {"event", TEXTOID, true}, {"member", JSONBOID, true},
	{"entry", INT8OID}, {"order_points", NUMERICOID}, {"orders_change", INT4OID},
	{"amount_change", NUMERICOID}, {"points_change", NUMERICOID},
	{"kind", TEXTOID, true}, {"reverses", TEXTOID, true}, {"reason", TEXTOID, true},
	{"actor", TEXTOID, true}, {"until", TIMESTAMPTZOID, true}, {"lots", LOTS_TYPE, true}, {"counterpart", CUSTOMER_TYPE, true}, {"account", CUSTOMER_TYPE, true},
	{"forgiven", NUMERICOID, true}, {"pays_for", TEXTOID, true}, {"pays_table", INT4OID, true},
	{"rooms", NUMERICARRAYOID, true}, {"apart", NUMERICARRAYOID, true}
};

StaticAssertDecl(lengthof(entry_columns) == LEDGER_COLUMNS, "columns of the ledger");

static const Column fact_columns[] = {
	{"spend", NUMERICOID, true}, {"orders", INT8OID, true}, {"points_earned", NUMERICOID, true},
	{"tenure", INTERVALOID, true}, {"first_order_at", TIMESTAMPTZOID, true},
	{"last_order_at", TIMESTAMPTZOID, true}, {"today", DATEOID, true}, {"at", TIMESTAMPTZOID, true},
	{"joined_at", TIMESTAMPTZOID, true}, {"purchases", HISTORY_TYPE, true}, {"events", EVENTS_TYPE, true},
	{"customer_row", JSONBOID, true}, {"tier", TEXTOID, true}
};

StaticAssertDecl(lengthof(fact_columns) == RULE_FACT_COLUMNS, "fields of the type rule_facts");

/* What is read without a look for nulls can't be null. */
static void
check_not_null(Relation rel, int column)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), column);

	if (!att->attnotnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s.%s\" is not laid out as a loyalty program needs it",
						get_namespace_name(RelationGetNamespace(rel)),
						RelationGetRelationName(rel)),
				 errdetail("Column \"%s\" may be null.", NameStr(att->attname)),
				 errhint("ALTER TABLE %s.%s ALTER COLUMN %s SET NOT NULL.",
						 quote_identifier(get_namespace_name(RelationGetNamespace(rel))),
						 quote_identifier(RelationGetRelationName(rel)),
						 quote_identifier(NameStr(att->attname)))));
}

/* A type of the extension. */
static Oid
own_type(const char *schema, const char *name)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
									   ObjectIdGetDatum(get_namespace_oid(schema, false)));

	if (!OidIsValid(type))
		elog(ERROR, "type %s.%s does not exist", schema, name);
	return type;
}

/*
 * The type loyalty.lots.
 */
Oid
layout_lots_type(void)
{
	return own_type("loyalty", "lots");
}

/*
 * The row type of the histories that an account has.
 */
Oid
layout_histories_type(void)
{
	return own_type("_loyalty", "account_histories");
}

/*
 * The history of events of one kind, of which an account has an array.
 */
Oid
layout_event_type(void)
{
	return own_type("_loyalty", "event_history");
}

/* The type of a column, or what may be of any type. */
static Oid
column_type(const Column *column, TupleDesc desc, Oid any_type)
{
	switch (column->type)
	{
		case LOTS_TYPE:
			return layout_lots_type();
		case CUSTOMER_TYPE:
			return getBaseType(TupleDescAttr(desc, 0)->atttypid);
		case HISTORY_TYPE:
			return own_type("loyalty", "history");
		case EVENTS_TYPE:
			return get_array_type(layout_event_type());
		default:
			return OidIsValid(column->type) ? column->type : any_type;
	}
}

static void
check_columns(Relation rel, const Column *columns, int count, Oid any_type)
{
	TupleDesc	desc = RelationGetDescr(rel);

	/* what is read must not be altered before it is used */
	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	for (int i = 0; i < count; i++)
	{
		Oid			type = column_type(&columns[i], desc, any_type);

		if (i >= desc->natts || TupleDescAttr(desc, i)->attisdropped ||
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), columns[i].name) != 0 ||
			(OidIsValid(type) && TupleDescAttr(desc, i)->atttypid != type))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("\"%s.%s\" is not laid out as a loyalty program needs it",
							get_namespace_name(RelationGetNamespace(rel)),
							RelationGetRelationName(rel)),
					 errdetail("Column %d must be \"%s\".", i + 1, columns[i].name),
					 errhint("Restore the columns that loyalty.create_program() made.")));
		if (!columns[i].nullable)
			check_not_null(rel, i);
	}
}

/*
 * The index that is the primary key of a table, or InvalidOid.  What the relation
 * cache knows of it goes with any invalidation, so it is asked for anew each
 * time.
 */
Oid
layout_primary_key(Relation rel)
{
	if (!rel->rd_indexvalid)
		list_free(RelationGetIndexList(rel));
	return rel->rd_pkindex;
}

/*
 * The journal or the ledger, with its primary key, which is locked as the table
 * is.
 */
void
layout_check_entries(Relation rel, bool ledger, LOCKMODE lock)
{
	Relation	index;
	Oid			key;
	bool		good = false;
	int			columns = ledger ? LEDGER_COLUMNS : ENTRY_COLUMNS;

	check_columns(rel, entry_columns, columns, InvalidOid);
	if (ledger)
		check_not_null(rel, ENTRY_MULTIPLIER);
	/* Further columns are null, or have their default. */
	for (int i = columns; i < RelationGetDescr(rel)->natts; i++)
		if (TupleDescAttr(RelationGetDescr(rel), i)->attnotnull &&
			!TupleDescAttr(RelationGetDescr(rel), i)->atthasdef &&
			!TupleDescAttr(RelationGetDescr(rel), i)->attisdropped)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("\"%s.%s\" is not laid out as a loyalty program needs it",
							get_namespace_name(RelationGetNamespace(rel)),
							RelationGetRelationName(rel)),
					 errdetail("The added column \"%s\" is NOT NULL and has no default.",
							   NameStr(TupleDescAttr(RelationGetDescr(rel), i)->attname))));
	key = layout_primary_key(rel);
	if (rel->rd_rel->relkind == RELKIND_RELATION && OidIsValid(key))
	{
		index = relation_open(key, lock);
		good = index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indimmediate &&
			index->rd_index->indisvalid && index->rd_index->indnkeyatts == ENTRY_KEYS &&
			index->rd_index->indnatts == ENTRY_KEYS;
		for (int i = 0; good && i < ENTRY_KEYS; i++)
			good = index->rd_index->indkey.values[i] == i + 1;
		relation_close(index, NoLock);
	}
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s.%s\" is not laid out as a loyalty program needs it",
						get_namespace_name(RelationGetNamespace(rel)),
						RelationGetRelationName(rel)),
				 errdetail("It must be a table with the primary key (customer, tracked_table, order_key, revision).")));
}

/*
 * The type "purchase", which earning rules see.
 */
void
layout_check_purchase(Relation rel, Oid customer_type)
{
	const Column columns[] = {{"customer", customer_type, true}, {"at", TIMESTAMPTZOID, true},
	{"amount", NUMERICOID, true}, {"rate", NUMERICOID, true}};

	check_columns(rel, columns, lengthof(columns), InvalidOid);
}

/*
 * The type "facts", which tiers see, or "rule_facts", which earning rules see.
 */
void
layout_check_facts(Relation rel, bool of_rules)
{
	check_columns(rel, fact_columns, of_rules ? RULE_FACT_COLUMNS : FACT_COLUMNS, InvalidOid);
}

/*
 * The relations that the view "customer" of a program reads, which are one table as
 * long as nobody replaces it.
 */
List *
layout_customer_tables(Oid schema)
{
	Oid			relid = get_relname_relid("customer", schema);
	Relation	view;
	List	   *tables = NIL;
	ListCell   *lc;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_VIEW)
		return NIL;
	view = relation_open(relid, AccessShareLock);
	foreach(lc, get_view_query(view)->rtable)
	{
		RangeTblEntry *rte = (RangeTblEntry *) lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relid != relid)
			tables = lappend_oid(tables, rte->relid);
	}
	relation_close(view, AccessShareLock);
	return tables;
}

/*
 * The owner of the customer table must not run code as the program's owner, by
 * making a view of it: an error if the view "customer" reads one now.
 */
static void
check_customers(Oid schema)
{
	List	   *relations = LOYALTY_TABLES_BECOME_VIEWS ? layout_customer_tables(schema) : NIL;
	ListCell   *lc;

	foreach(lc, relations)
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_VIEW)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("the customer table \"%s\" of loyalty program \"%s\" is a view now",
							get_rel_name(lfirst_oid(lc)), get_namespace_name(schema)),
					 errhint("Restore the table.")));
	}
	list_free(relations);
}

/*
 * The owner of a program: of its schema and of all that decides what is
 * recorded.  If they differ, somebody could make another act for him.
 */
Oid
layout_check_owner(Oid schema)
{
	static const char *const names[] = {"program", "tracked_table", "terms", "terms_rule",
		"terms_tier", "exchange_rate", "journal", "ledger", "account", "set_aside", "facts", "rule_facts", "purchase",
		"archived", "kept", "earning_rule", "tier", "held", "posted_terms", "wallet", "terms_wallet", "merged", "campaign",
	"metric", "terms_metric", "rating", "rating_step"};
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema with OID %u does not exist", schema)));
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	for (int i = 0; i < lengthof(names); i++)
	{
		Oid			relid = get_relname_relid(names[i], schema);

		if (!OidIsValid(relid))
			continue;
		tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
		if (HeapTupleIsValid(tuple))
		{
			Oid			its_owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;

			ReleaseSysCache(tuple);
			if (its_owner != owner)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("the schema of loyalty program \"%s\" and its relation \"%s\" have different owners",
								get_namespace_name(schema), names[i]),
						 errhint("Call loyalty.change_owner() to give all of the program to one role.")));
		}
	}
	check_customers(schema);
	return owner;
}
