import java.sql.*;

/* What JDBC's DatabaseMetaData asks of the catalogues. Arguments: URL, role. */
class Metadata
{
	static void print(String title, ResultSet rows, String... columns) throws SQLException
	{
		int n = 0;

		while (rows.next())
		{
			StringBuilder line = new StringBuilder(title);

			for (String column : columns)
				line.append(' ').append(rows.getString(column));
			System.out.println(line);
			n++;
		}
		rows.close();
		System.out.println(title + ": " + n);
	}

	public static void main(String[] args) throws SQLException
	{
		try (Connection connection = DriverManager.getConnection(args[0], args[1], ""))
		{
			DatabaseMetaData data = connection.getMetaData();

			print("schema", data.getSchemas(), "TABLE_SCHEM");
			print("table", data.getTables(null, "clinic", "%", null), "TABLE_NAME", "TABLE_TYPE");
			print("column", data.getColumns(null, "clinic", "%", "%"), "TABLE_NAME", "COLUMN_NAME", "TYPE_NAME", "IS_NULLABLE");
			print("key", data.getPrimaryKeys(null, "clinic", "visits"), "COLUMN_NAME", "PK_NAME");
			print("imported", data.getImportedKeys(null, "clinic", "visits"), "PKTABLE_NAME", "FKCOLUMN_NAME");
			print("exported", data.getExportedKeys(null, "clinic", "visits"), "FKTABLE_NAME");
			// reads reltuples and relpages of pg_class
			print("index", data.getIndexInfo(null, "clinic", "visits", false, true), "INDEX_NAME", "COLUMN_NAME");
			print("function", data.getFunctions(null, "dp", "doctor"), "FUNCTION_NAME");
			print("privilege", data.getTablePrivileges(null, "clinic", "codes"), "GRANTEE", "PRIVILEGE");
			print("type", data.getTypeInfo(), "TYPE_NAME");
		}
	}
}
