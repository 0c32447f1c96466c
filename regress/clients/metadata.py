# What psycopg and tools above it ask of the catalogues. Arguments: host, port,
# database, role, relation. Prints what it found; raises where a question fails.
import sys

import psycopg2

host, port, database, role, relation = sys.argv[1:]
connection = psycopg2.connect(host=host, port=port, dbname=database, user=role)
cursor = connection.cursor()
questions = [
    "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = 'clinic'",
    "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'clinic'",
    "SELECT constraint_name, constraint_type FROM information_schema.table_constraints WHERE table_schema = 'clinic'",
    "SELECT schemaname, tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'clinic'",
    # SQLAlchemy
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'clinic' AND c.relkind IN ('r', 'p')",
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)"
    " FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
    " WHERE a.attrelid = 'clinic.visits'::regclass AND a.attnum > 0 AND NOT a.attisdropped",
    "SELECT r.conname, pg_get_constraintdef(r.oid, true) FROM pg_constraint r WHERE r.conrelid = 'clinic.visits'::regclass",
]
for question in questions:
    cursor.execute(question)
    rows = sorted(repr(row) for row in cursor.fetchall())
    assert rows or role == "alice", question
    print("\n".join(rows))
# the types of a result's columns, as BI tools ask for them
cursor.execute("SELECT * FROM " + relation + " LIMIT 0")
print([(column.name, column.type_code) for column in cursor.description])
connection.close()
