/** What an audit opens: store and objects alone, to be read. A stack may be at work on them. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { AwsPlaces } from "../aws-places.ts";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { openS3Blobs } from "#shared/adapters/s3-blobs.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Blobs, Clock, Entropy, Store, StoreScan } from "#shared/ports.ts";

export interface AuditEngines extends AsyncDisposable {
  readonly store: Store & StoreScan;
  readonly blobs: Blobs;
  /** How many readers at once help on this engine. */
  readonly parts: number;
}

interface Doors {
  readonly clock: Clock;
  readonly entropy: Entropy;
}

const DYNAMO_PARTS = 4;

/**
 * The data folder of a local stack, running or not. Takes no lock and writes nothing.
 * @throws Fault missing `data_missing`; conflict `schema_older`, `schema_newer`, `database_damaged`.
 */
export async function openEmbeddedAudit(folder: string, doors: Doors): Promise<AuditEngines> {
  const database = join(folder, "jobs.db");
  const found = await stat(database).catch(() => undefined);
  if (found?.isFile() !== true)
    throw new Fault(
      "missing",
      "data_missing",
      `${folder} is no data folder: it has no jobs.db; name one with --data DIR.`,
    );
  const store = await openSqliteStore({ path: database, readOnly: true, ...doors });
  const blobs = await createFileBlobs({ root: join(folder, "blobs"), entropy: doors.entropy });
  return { store, blobs, parts: 1, [Symbol.asyncDispose]: () => store.close() };
}

/** @throws Fault input, naming the setting or permission that is wrong; busy when an engine does not answer. */
export async function openAwsAudit(
  places: Pick<AwsPlaces, "table" | "bucket">,
  { clock }: Doors,
): Promise<AuditEngines> {
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openDynamoStore({ table: places.table }));
  const blobs = opening.use(await openS3Blobs({ bucket: places.bucket, clock }));
  const opened = opening.move();
  return { store, blobs, parts: DYNAMO_PARTS, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
