/** The engines behind the ports of a local stack: embedded ones on its data folder, or AWS's. */
import { createBlobDoor } from "#shared/adapters/blob-door.ts";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { openS3Blobs } from "#shared/adapters/s3-blobs.ts";
import { openSqliteQueue } from "#shared/adapters/sqlite-queue.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { createUrlSigner } from "#shared/adapters/url-signer.ts";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { SWEEP_MS } from "#shared/domain/limits.ts";
import type { StoreClock } from "#shared/store-clock.ts";
import type { Blobs, Entropy, Queue, Store } from "#shared/ports.ts";
import type { AwsPlaces } from "./aws-places.ts";
import type { DataFolder } from "./data-folder.ts";

export interface Engines extends AsyncDisposable {
  readonly store: Store;
  /** Doorbells. */
  readonly queue: Queue;
  readonly blobs: Blobs;
  /** Answers requests to signed URLs, where this machine serves the bytes itself. */
  readonly blobDoor?: (request: Request) => Promise<Response>;
  /** Doorbells that were heard too often. Embedded queues give up none. */
  readonly deadLetters?: Queue;
  /** Where the bytes' arrival is announced, where nobody here sees it happen. */
  readonly uploads?: Queue;
  /** Deletes bytes that no key names; answers how many. */
  readonly sweepOrphans?: () => Promise<number>;
  /** How often to look for what is due. */
  readonly sweepMs: number;
  /** How often agents say that they live. */
  readonly beatMs: number;
  /** Whether nobody else can be at work on them: the data folder's lock says so. */
  readonly isOwn: boolean;
  /** What an agent is told to reach them. */
  readonly agentEnvironment: Readonly<Record<string, string>>;
}

export interface EnginesAsk {
  readonly data: DataFolder;
  /** Where this stack is reached. */
  readonly url: string;
  readonly clock: StoreClock;
  readonly entropy: Entropy;
  /** Told of each key once its bytes are safe, where they come through this process. */
  readonly onStored: (key: string) => Promise<void>;
  /** Told of every call to AWS. */
  readonly onCall?: (call: AwsCall) => void;
}

/** Asking is free on this machine; elsewhere each question is paid for. */
const RHYTHM = {
  embedded: { sweepMs: 1_000, beatMs: 1_000 },
  aws: { sweepMs: SWEEP_MS, beatMs: 5_000 },
} as const;
/** Longer than any upload or stage takes to name what it has written. */
const ORPHANS_AGE_MS = 6 * 3_600_000;

/** SQLite and files in the data folder. */
export async function openEmbeddedEngines(ask: EnginesAsk): Promise<Engines> {
  const { data, clock, entropy } = ask;
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openSqliteStore({ path: data.storeFile, clock, entropy }));
  const queue = opening.use(
    await openSqliteQueue({ path: data.queueFile, name: "doorbells", clock, entropy }),
  );
  const signer = createUrlSigner({ secret: data.urlSecret, baseUrl: ask.url });
  const blobs = await createFileBlobs({ root: data.blobs, signer, entropy });
  const opened = opening.move();
  return {
    store,
    queue,
    blobs,
    blobDoor: createBlobDoor({ blobs, signer, clock, onStored: ask.onStored }),
    sweepOrphans: () => blobs.sweepOrphans(ORPHANS_AGE_MS),
    ...RHYTHM.embedded,
    isOwn: true,
    agentEnvironment: { PHOTOKEEP_DOORS: "embedded" },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/**
 * DynamoDB, SQS and S3, or servers that speak their protocols.
 * @throws Fault input, naming the setting or permission that is wrong; busy when an engine does not answer.
 */
export async function openAwsEngines(ask: EnginesAsk, places: AwsPlaces): Promise<Engines> {
  const { clock } = ask;
  const options = ask.onCall === undefined ? {} : { onCall: ask.onCall };
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openDynamoStore({ ...options, table: places.table, clock }));
  const queue = opening.use(await openSqsQueue({ ...options, url: places.doorbellsUrl, clock }));
  const deadLetters = opening.use(await openSqsQueue({ ...options, url: places.deadLettersUrl, clock }));
  const uploads = opening.use(await openSqsQueue({ ...options, url: places.uploadsUrl, clock }));
  const blobs = opening.use(await openS3Blobs({ ...options, bucket: places.bucket, clock }));
  const opened = opening.move();
  return {
    store,
    queue,
    blobs,
    deadLetters,
    uploads,
    ...RHYTHM.aws,
    isOwn: false,
    agentEnvironment: {
      ...places.environment,
      PHOTOKEEP_DOORS: "aws",
      PHOTOKEEP_DOORBELLS_URL: places.doorbellsUrl,
      PHOTOKEEP_BUCKET: places.bucket,
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
