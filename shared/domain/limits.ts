/** Every number that bounds the system, in one place. Times in milliseconds. */

// Engines (the tightest of the engines behind each port).
export const ITEM_BYTES_MAX = 350_000;
export const TRANSACTION_WRITES_MAX = 100;
export const PAGE_ROWS_MAX = 100;
export const QUEUE_BATCH_MAX = 10;
export const QUEUE_DELAY_MS_MAX = 900_000;
export const QUEUE_BODY_BYTES_MAX = 8_192;
/** A message that nobody can read is kept so long, cut to so many characters. */
export const UNREADABLE_TTL_MS = 14 * 24 * 3_600_000;
export const UNREADABLE_CHARS_MAX = 4_096;
/** Shards of the due and ready indexes, so that no partition is hot. */
export const INDEX_SHARDS = 16;

// Uploads and images.
export const UPLOAD_BYTES_MAX = 60 * 1024 * 1024;
export const UPLOAD_TTL_MS = 3_600_000;
/** When a job first looks for its upload itself, in case the event was lost; later and later from then on. */
export const UPLOAD_LOOK_MS = 60_000;
export const INPUT_PIXELS_MAX = 100_000_000;
/** Above it the plan lowers the scale and says so. */
export const OUTPUT_PIXELS_MAX = 400_000_000;
export const DOWNLOAD_TTL_MS = 3_600_000;
export const API_BODY_BYTES_MAX = 64 * 1024;
/** A call of an agent: at the most it tells all of its models. */
export const AGENT_BODY_BYTES_MAX = 256 * 1024;

// Jobs.
export const FINISH_WITHIN_MS = 24 * 3_600_000;
export const DEADLINE_SECONDS_MAX = FINISH_WITHIN_MS / 1_000;
export const RETENTION_HOURS_DEFAULT = 720;
export const RETENTION_HOURS_MAX = 24 * 365;
/** Intermediate outputs outlive the job's end by this. */
export const DISCARD_AFTER_MS = 600_000;
/** Bytes are deleted again this long after the last moment at which a try that ran at the job's end may write. */
export const DISCARD_AGAIN_MS = 3_600_000;

// Leases (the model-checked timers of docs/architecture.md).
export const LEASE_MS = 20_000;
export const LEASE_GUARD_MS = 3_000;
/** A claim whose decision is older than this at its write starts over. */
export const CLAIM_AGE_MS_MAX = 2_000;
/** Between two rounds of a sweeper. A failover waits for half of it on average; each round's questions cost money. */
export const SWEEP_MS = 5_000;
export const VISIBILITY_MS = 30_000;
export const HARD_DEADLINE_MS = 15 * 60_000;
/** The hard deadline of a stage is at least this many times its estimate. */
export const HARD_DEADLINE_FACTOR = 4;
export const RING_AGAIN_MS = 50_000;
export const RING_AGAIN_MS_MAX = 15 * 60_000;
export const AGENT_ITEM_TTL_MS = 24 * 3_600_000;

// Budgets: how often a stage may be tried again, by the class of its failure. Crashes, faulty models and bugs are enough
// where two agents have met them; ALONE_MAX of them wherever.
export const CRASHES_MAX = 3;
/** Failures of a class that end a stage though all of them were on one agent, which may itself be broken. */
export const ALONE_MAX = 5;
export const LOST_MAX = 10;
export const LOST_BEFORE_CAUTION = 2;
/** Handed out with care for so long; then to anybody, as a busy fleet has no agent that is idle. */
export const CAUTION_MS = 60_000;
export const RELEASED_BEFORE_BACKOFF = 5;
export const RELEASED_MAX = 50;
/** With its pauses: an engine may be away for 18 hours, most of the day that a job has. */
export const TRANSIENT_MAX = 48;
/** Whoever meets a device that fails takes his machine out of service: no photograph may do that to a whole fleet. */
export const DEVICE_FAULTS_MAX = 6;
/** With its pauses: somebody has half an hour to make room. */
export const DISK_FULL_MAX = 16;
export const OOM_MAX = 3;
export const MODEL_FAULTS_MAX = 3;
export const BUGS_MAX = 2;
export const INTAKE_TRIES_MAX = 3;
/** Readings that came to nothing through no fault of the file, and those of them that an engine was away for. */
export const INTAKE_LOST_MAX = 16;
export const INTAKE_AWAY_MAX = 48;
/** A reading that says nothing counts as lost after so long, and so much for each megabyte that it fetches and decodes. */
export const INTAKE_LEASE_MS = 120_000;
export const INTAKE_LEASE_MS_PER_MB = 5_000;
/** A reading that nobody has begun is asked for again, later and later. */
export const INTAKE_ASK_AGAIN_MS = 30_000;
export const INTAKE_ASK_AGAIN_MS_MAX = 300_000;
const BACKOFF_MS = 1_000;
const BACKOFF_MS_MAX = 300_000;
/** Where whoever does not answer may be away for hours: nobody waits for longer than as long again. */
const PATIENT_BACKOFF_MS_MAX = 30 * 60_000;

// Money (amounts in micro-units of the currency, whole numbers only).
/** A cap of this much is no cap: a whole number that sums of it stay safe with. */
export const NO_CAP = 10 ** 15;
/** Keys with a remainder of their own in one month: their counters share the month's item. */
export const MONTH_KEYS_MAX = 200;
/** Counters that one write may change (the store's rules hold to it, too). */
export const COUNTERS_CHANGED_MAX = 90;
/** Rows that no rater was rung for are found by their own timer. */
export const RATE_AFTER_MS = 60_000;
/** Transactions of one call of the rater; what is left over has its timers. */
export const RATE_PAGES_MAX = 50;
/** Rows that a rater looks at for one transaction, which holds at most 48. */
export const RATE_ROWS_MAX = 50;
/** A rater that meets the accepts of a busy account tries the same page so often. */
export const RATE_TRIES_MAX = 20;
/** Rings of one account and month within this are one. */
export const RATE_RINGS_MS = 1_000;
/** Months rated at once in one process; rings beyond are left to the rows' timers. */
export const RATE_LINES_MAX = 1_000;
export const BATCH_LINES_MAX = 100_000;
export const BATCH_CHUNK_LINES = 40;
/** Chunks that one call of a batch's runner creates, or cancels. */
export const BATCH_CHUNKS_MAX = 100;
/** A batch whose runner died goes on after this. */
export const BATCH_AGAIN_MS = 60_000;
/** Identifiers of meter events are unique for a day at least: a second sending after this would be blind. */
export const BLIND_AFTER_MS = 20 * 3_600_000;
/** Between the last sending of a window, its first reading and its second. */
export const READINGS_APART_MS = 3_600_000;
/** How long after a month's end its invoice still takes meter events. */
export const INVOICE_GRACE_MS = 72 * 3_600_000;
/** Nothing is sent this shortly before an invoice closes: it might arrive after it. */
export const INVOICE_MARGIN_MS = 2 * 3_600_000;
/** A customer's webhook that nobody takes is given up after this. */
export const EVENT_TTL_MS = 3 * 24 * 3_600_000;

/** A write that loses its `rev` is decided again at most so often. */
export const CONFLICT_TRIES_MAX = 5;

/** Exponential backoff for the n-th try (n from 1), without jitter: a pure function of the state. */
export function backoffMs(n: number): number {
  return exponentialMs(n, BACKOFF_MS_MAX);
}

/** As backoffMs, for what an engine, or another's server, keeps waiting. */
export function patientBackoffMs(n: number): number {
  return exponentialMs(n, PATIENT_BACKOFF_MS_MAX);
}

function exponentialMs(n: number, maxMs: number): number {
  return Math.min(maxMs, BACKOFF_MS * 2 ** Math.max(0, n - 1));
}
