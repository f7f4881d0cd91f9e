/** A process of its own for tests: `lift-process.ts <database file> <schema as JSON>`. Opens the file, lifting its schema. */
import { openSqliteDatabase } from "#shared/adapters/sqlite-database.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";

const [path = "", schema = "[]"] = process.argv.slice(2);
await openSqliteDatabase({ path, schema: JSON.parse(schema) as string[], entropy: systemEntropy });
