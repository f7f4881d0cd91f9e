import { randomBytes } from "node:crypto";
import type { AwsOptions } from "#shared/adapters/aws-client.ts";
import { createDynamoTable, deleteDynamoTable } from "#shared/adapters/dynamo-table.ts";

/** A table of its own under a random name; gone when it is disposed of. */
export async function createTestTable(
  options: AwsOptions,
): Promise<AsyncDisposable & { readonly name: string }> {
  const name = `photokeep-test-${randomBytes(6).toString("hex")}`;
  await createDynamoTable(options, name);
  return { name, [Symbol.asyncDispose]: () => deleteDynamoTable(options, name) };
}
