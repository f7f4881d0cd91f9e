import { delimiter, join } from "node:path";
import { z } from "zod";
import { awsVariables } from "#shared/aws-variables.ts";
import { Fault } from "#shared/domain/fault.ts";
import { LicenceClass } from "#shared/domain/model.ts";
import type { Level } from "#shared/log.ts";
import { readDeviceSetting, type DeviceSetting } from "./device/device-choice.ts";
import { POLICIES, type PolicyName } from "./vram/policy-table.ts";

const POLICY_NAMES = Object.keys(POLICIES) as PolicyName[];

/** What both processes of an agent are told by their environment. */
const Environment = z.object({
  /** The data folder: blobs, the doorbells' queue, scratch. */
  PHOTOKEEP_DATA: z.string().min(1),
  /** The folder of verified and prepared models. */
  PHOTOKEEP_MODELS: z.string().min(1),
  /** Further folders searched for known model files, separated as in PATH. */
  PHOTOKEEP_EXTRA_MODELS: z.string().default(""),
  /** Threads of a model; 0: as many as there are cores. */
  PHOTOKEEP_THREADS: z.coerce.number().int().min(0).max(256).default(0),
  /** auto, cpu, cuda, or a list: cuda:0,cuda:1. */
  PHOTOKEEP_DEVICE: z.string().max(400).default("auto"),
  /** What the loaded models of one worker on the processor may take with their activations, in MiB; a GPU tells its own. */
  PHOTOKEEP_MODEL_MEMORY_MB: z.coerce.number().int().min(64).max(1_048_576).default(2_048),
  /** Memory of the machine that prepared model files may be kept in, in MiB. */
  PHOTOKEEP_WARM_MEMORY_MB: z.coerce.number().int().min(0).max(1_048_576).default(4_096),
  /** What the models' folder may take on disk, in MiB; 0: whatever it does. */
  PHOTOKEEP_MODEL_DISK_MB: z.coerce.number().int().min(0).max(10_485_760).default(0),
  /** Which model is loaded and evicted when. */
  PHOTOKEEP_POLICY: z.enum(POLICY_NAMES).default("lookahead"),
  /** Models that are never evicted, separated by commas. */
  PHOTOKEEP_PINNED_MODELS: z.string().max(4_000).default(""),
  /** Whether another worker process waits started for the end of the first. */
  PHOTOKEEP_SPARE_WORKER: z.enum(["yes", "no"]).default("yes"),
  /** Classes of licences this deployment may use, separated by commas. */
  PHOTOKEEP_LICENCES: z
    .string()
    .default("commercial,attribution")
    .transform((list) => list.split(","))
    .pipe(z.array(LicenceClass)),
  /** The engines behind the ports: files of the data folder, or AWS's, which the SDK finds by its own variables. */
  PHOTOKEEP_DOORS: z.enum(["embedded", "aws"]).default("embedded"),
  /** The S3 bucket. */
  PHOTOKEEP_BUCKET: z.string().min(3).optional(),
  PHOTOKEEP_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

const AgentEnvironment = Environment.extend({
  PHOTOKEEP_CONTROL_URL: z.url({ protocol: /^https?$/ }),
  PHOTOKEEP_FLEET_SECRET: z.string().min(16),
  /** EC2's instance metadata, for notices that the instance goes; none by default. */
  PHOTOKEEP_METADATA_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** The SQS queue of doorbells. */
  PHOTOKEEP_DOORBELLS_URL: z.url({ protocol: /^https?$/ }).optional(),
});

const WorkerEnvironment = Environment.extend({
  /** Set by the supervisor: the scratch folder of this worker alone, and what its models run on. */
  PHOTOKEEP_SCRATCH: z.string().min(1),
  PHOTOKEEP_PROVIDER: z.enum(["cpu", "cuda"]).default("cpu"),
});

type Variables = Readonly<Record<string, string | undefined>>;

/** Where blobs are: a folder of this machine, or a bucket. */
export type BlobsPlace = { readonly folder: string } | { readonly bucket: string };
/** Where doorbells ring: a file of this machine, or a queue of SQS. */
export type QueuePlace = { readonly file: string } | { readonly url: string };

export interface WorkerConfig {
  readonly blobs: BlobsPlace;
  readonly scratch: string;
  readonly modelsDir: string;
  readonly extraModelDirs: readonly string[];
  readonly threads: number;
  readonly provider: "cpu" | "cuda";
  readonly modelDiskBytes: number | undefined;
  readonly licences: readonly LicenceClass[];
  readonly logLevel: Level;
}

export interface AgentConfig {
  readonly controlUrl: string;
  readonly fleetSecret: string;
  readonly doorbells: QueuePlace;
  /** Where EC2 announces that this instance goes; absent elsewhere. */
  readonly metadataUrl: string | undefined;
  readonly scratchRoot: string;
  /** Where each pool says what it does, for operators. */
  readonly poolsFolder: string;
  readonly modelsDir: string;
  readonly device: DeviceSetting;
  readonly pool: PoolConfig;
  readonly hasSpareWorker: boolean;
  readonly logLevel: Level;
  /** The environment of the worker whose scratch folder is this: of secrets only what opens its blobs. */
  workerEnvironment(scratch: string): Record<string, string>;
}

/** How the memory of models is used; bytes. */
interface PoolConfig {
  readonly policy: PolicyName;
  /** On the processor; a GPU tells its own. */
  readonly budgetBytes: number;
  readonly warmBytesMax: number;
  readonly pinned: readonly string[];
}

const MIB = 2 ** 20;

/** @throws ZodError or Fault input `setting_missing` naming the variable that is missing or wrong. */
export function readAgentConfig(variables: Variables): AgentConfig {
  const env = AgentEnvironment.parse(variables);
  return {
    controlUrl: env.PHOTOKEEP_CONTROL_URL.replace(/\/+$/, ""),
    fleetSecret: env.PHOTOKEEP_FLEET_SECRET,
    doorbells:
      env.PHOTOKEEP_DOORS === "aws"
        ? { url: need(env.PHOTOKEEP_DOORBELLS_URL, "PHOTOKEEP_DOORBELLS_URL") }
        : { file: join(env.PHOTOKEEP_DATA, "queue.db") },
    metadataUrl: env.PHOTOKEEP_METADATA_URL,
    scratchRoot: join(env.PHOTOKEEP_DATA, "scratch"),
    poolsFolder: join(env.PHOTOKEEP_DATA, "pools"),
    modelsDir: env.PHOTOKEEP_MODELS,
    device: readDeviceSetting(env.PHOTOKEEP_DEVICE),
    pool: {
      policy: env.PHOTOKEEP_POLICY,
      budgetBytes: env.PHOTOKEEP_MODEL_MEMORY_MB * MIB,
      warmBytesMax: env.PHOTOKEEP_WARM_MEMORY_MB * MIB,
      pinned: env.PHOTOKEEP_PINNED_MODELS.split(",").filter((model) => model !== ""),
    },
    hasSpareWorker: env.PHOTOKEEP_SPARE_WORKER === "yes",
    logLevel: env.PHOTOKEEP_LOG_LEVEL,
    workerEnvironment: (scratch) => ({
      ...(env.PHOTOKEEP_DOORS === "aws" ? awsVariables(variables) : {}),
      PHOTOKEEP_DOORS: env.PHOTOKEEP_DOORS,
      ...(env.PHOTOKEEP_BUCKET === undefined ? {} : { PHOTOKEEP_BUCKET: env.PHOTOKEEP_BUCKET }),
      PHOTOKEEP_DATA: env.PHOTOKEEP_DATA,
      PHOTOKEEP_MODELS: env.PHOTOKEEP_MODELS,
      PHOTOKEEP_EXTRA_MODELS: env.PHOTOKEEP_EXTRA_MODELS,
      PHOTOKEEP_THREADS: String(env.PHOTOKEEP_THREADS),
      PHOTOKEEP_MODEL_DISK_MB: String(env.PHOTOKEEP_MODEL_DISK_MB),
      PHOTOKEEP_LICENCES: env.PHOTOKEEP_LICENCES.join(","),
      PHOTOKEEP_LOG_LEVEL: env.PHOTOKEEP_LOG_LEVEL,
      PHOTOKEEP_SCRATCH: scratch,
    }),
  };
}

/** @throws ZodError or Fault input `setting_missing` naming the variable that is missing or wrong. */
export function readWorkerConfig(variables: Variables, cores: number): WorkerConfig {
  const env = WorkerEnvironment.parse(variables);
  return {
    blobs:
      env.PHOTOKEEP_DOORS === "aws"
        ? { bucket: need(env.PHOTOKEEP_BUCKET, "PHOTOKEEP_BUCKET") }
        : { folder: join(env.PHOTOKEEP_DATA, "blobs") },
    scratch: env.PHOTOKEEP_SCRATCH,
    modelsDir: env.PHOTOKEEP_MODELS,
    extraModelDirs: env.PHOTOKEEP_EXTRA_MODELS.split(delimiter).filter((folder) => folder !== ""),
    threads: env.PHOTOKEEP_THREADS === 0 ? cores : env.PHOTOKEEP_THREADS,
    provider: env.PHOTOKEEP_PROVIDER,
    modelDiskBytes: env.PHOTOKEEP_MODEL_DISK_MB === 0 ? undefined : env.PHOTOKEEP_MODEL_DISK_MB * MIB,
    licences: env.PHOTOKEEP_LICENCES,
    logLevel: env.PHOTOKEEP_LOG_LEVEL,
  };
}

function need(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw new Fault("input", "setting_missing", `With PHOTOKEEP_DOORS=aws, ${name} must be set.`);
}
