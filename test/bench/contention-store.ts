import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Key, Store } from "#shared/ports.ts";
import { awsEngine } from "../contract/aws-engines.ts";

export type EngineName = "sqlite" | "dynamodb";

/** What everyone wants to write. */
export const ITEM: Key = { pk: "contention", sk: "item" };

/** @param place the store's file, or the table's name. */
export function openStore(engine: EngineName, place: string): Promise<Store & AsyncDisposable> {
  return engine === "sqlite"
    ? openSqliteStore({ path: place, clock: systemClock, entropy: systemEntropy })
    : openDynamoStore({ ...awsEngine("dynamodb").options, table: place });
}
