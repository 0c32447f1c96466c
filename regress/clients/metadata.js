// What node pg and tools above it ask of the catalogues. Arguments: host, port,
// database, role, relation.
const { Client } = require('pg');

const [host, port, database, user, relation] = process.argv.slice(2);
const questions = [
	"SELECT oid, typname, typtype, typarray FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace ORDER BY oid",
	"SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'clinic' ORDER BY 1",
	"SELECT table_name, column_name, udt_name, is_nullable FROM information_schema.columns WHERE table_schema = 'clinic' ORDER BY 1, 2",
	// Prisma, Knex
	"SELECT c.relname, i.relname AS index, x.indisunique, x.indisprimary FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid" +
		" JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'clinic' ORDER BY 1, 2",
	"SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'clinic' ORDER BY 1",
	// all columns of pg_class, as DBeaver asks
	"SELECT (SELECT count(*) FROM (SELECT c.*, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c" +
		" WHERE c.relnamespace = 'clinic'::regnamespace AND c.relname !~ '^pg_') s)::int AS classes"
];

async function main()
{
	const client = new Client({ host, port: Number(port), database, user });

	await client.connect();
	for (const question of questions)
		console.log(JSON.stringify((await client.query(question)).rows));
	const empty = await client.query(`SELECT * FROM ${relation} LIMIT 0`);
	console.log(JSON.stringify(empty.fields.map((field) => [field.name, field.dataTypeID])));
	await client.end();
}

main().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
