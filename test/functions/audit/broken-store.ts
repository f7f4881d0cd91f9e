import { audit } from "#functions/audit/audit.ts";
import type { BlobDepth } from "#functions/audit/blob-rules.ts";
import type { Finding, FindingKind } from "#functions/audit/finding.ts";
import { jobIndexes, jobKey, type Job } from "#shared/domain/job.ts";
import type { Draft, IndexName, Key, Store } from "#shared/ports.ts";
import type { ControlPlane } from "../control-plane-fixture.ts";

type Entries = Partial<Record<IndexName, Key>>;

/** Writes an item as no code of the product would: nothing is asserted. */
export async function writeRaw(store: Store, draft: Draft): Promise<void> {
  await store.transact([{ op: "delete", key: { pk: draft.pk, sk: draft.sk } }]);
  await store.transact([{ op: "put", item: draft, when: "absent" }]);
}

/** Changes the stored job by hand. @param entries makes its index entries out of those that it ought to have. */
export async function breakJob(
  store: Store,
  change: (job: Job) => void,
  entries: (ought: Entries) => Entries = (ought) => ought,
): Promise<void> {
  const item = await store.get(jobKey("job_1"));
  if (item === undefined) throw new Error("there is no job to break");
  const job = structuredClone(item.body) as Job;
  change(job);
  await writeRaw(store, { ...jobKey("job_1"), body: job, indexes: entries(jobIndexes(job)) });
}

const SILENT = { onUncompared: () => undefined, onProgress: () => undefined };

type Plane = Pick<ControlPlane, "clock" | "blobs" | "store">;

/** Every finding of an audit. The pause before a second reading takes no time. @param meanwhile happens in it. */
export async function findingsOf(
  plane: Plane,
  depth?: BlobDepth,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<Finding[]> {
  const { store, clock, blobs } = plane;
  const findings: Finding[] = [];
  const counts = await audit(
    {
      store,
      clock: { now: () => clock.now(), sleep: meanwhile },
      ...(depth === undefined ? {} : { blobs: { blobs, depth } }),
    },
    { parts: 2, onFinding: (finding) => findings.push(finding), ...SILENT },
  );
  if (counts.findings !== findings.length) throw new Error("the audit does not count what it finds");
  return findings;
}

export async function kindsOf(plane: Plane, depth?: BlobDepth): Promise<FindingKind[]> {
  return [...new Set((await findingsOf(plane, depth)).map(({ kind }) => kind))].toSorted();
}
