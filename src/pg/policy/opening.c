/*
 * opening.c
 *	  Which statements can open protected rows to an analyst (rules 29, 30):
 *	  after one of them, all rights are looked at, and the statement is undone
 *	  where one reaches too far.
 *
 * Statements that only take away, and those that leave rights, owners,
 * inheritance and code beside rows alone, are not among them: the look costs
 * some milliseconds.
 */
#include "pg/policy/policy_internal.h"

#include "nodes/parsenodes.h"

static bool
has_foreign_key(const List *constraints)
{
	const ListCell *lc;

	foreach(lc, constraints)
	{
		if (((const Constraint *) lfirst(lc))->contype == CONSTR_FOREIGN)
			return true;
	}
	return false;
}

/* A child or partition has its parent's rows; a foreign key asks whether a row exists. */
static bool
may_new_table_open(const CreateStmt *create)
{
	const ListCell *lc;

	if (create->inhRelations != NIL || has_foreign_key(create->constraints))
		return true;
	foreach(lc, create->tableElts)
	{
		const Node *element = lfirst(lc);

		if (IsA(element, Constraint) && ((const Constraint *) element)->contype == CONSTR_FOREIGN)
			return true;
		if (IsA(element, ColumnDef) && has_foreign_key(((const ColumnDef *) element)->constraints))
			return true;
	}
	return false;
}

static bool
may_command_open(AlterTableType type)
{
	switch (type)
	{
		case AT_ChangeOwner:
		case AT_AddInherit:
		case AT_AttachPartition:
		case AT_SetRelOptions:
		case AT_ResetRelOptions:
		case AT_AddConstraint:
		case AT_AddColumn:
		case AT_AddOf:
		case AT_ColumnDefault:
		case AT_AlterColumnType:
			return true;
		default:
			return false;
	}
}

static bool
may_altered_table_open(const AlterTableStmt *alter)
{
	const ListCell *lc;

	foreach(lc, alter->cmds)
	{
		if (may_command_open(((const AlterTableCmd *) lfirst(lc))->subtype))
			return true;
	}
	return false;
}

/* Only an index that calls functions of its own. */
static bool
may_index_open(const IndexStmt *index)
{
	const ListCell *lc;

	if (index->whereClause != NULL)
		return true;
	foreach(lc, index->indexParams)
	{
		if (((const IndexElem *) lfirst(lc))->expr != NULL)
			return true;
	}
	return false;
}

bool
eps_policy_may_open(const Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_GrantStmt:
			return ((const GrantStmt *) statement)->is_grant;
		case T_GrantRoleStmt:
			return ((const GrantRoleStmt *) statement)->is_grant;
		case T_CreateRoleStmt:
		case T_AlterRoleStmt:
		case T_ReassignOwnedStmt:
		case T_AlterOwnerStmt:
		case T_ViewStmt:
		case T_RuleStmt:
		case T_CreateTrigStmt:
		case T_CreateEventTrigStmt:
		case T_CreatePolicyStmt:
		case T_AlterPolicyStmt:
			return true;
		case T_CreateTableAsStmt:
			return ((const CreateTableAsStmt *) statement)->objtype == OBJECT_MATVIEW;
		case T_CreateStmt:
			return may_new_table_open((const CreateStmt *) statement);
		case T_AlterTableStmt:
			return may_altered_table_open((const AlterTableStmt *) statement);
		case T_IndexStmt:
			return may_index_open((const IndexStmt *) statement);
		default:
			return false;
	}
}
