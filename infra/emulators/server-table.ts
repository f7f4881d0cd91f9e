/**
 * The servers that stand in for AWS on one machine: what each is, how it comes here, how it is started, and what a local
 * stack needs in it. Each was chosen for keeping what the adapters rely on: conditions and transactions (dynoxide),
 * redrive and message groups (ElasticMQ), signatures and write-once uploads (versitygw).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LOCAL_IDENTITY } from "./environment.ts";
import type { Server } from "./server.ts";
import { createDynamoTable } from "#shared/adapters/dynamo-table.ts";
import { createS3Bucket } from "#shared/adapters/s3-bucket.ts";
import { createSqsQueue } from "#shared/adapters/sqs-resources.ts";

const DYNOXIDE = "1.2.1";
const ELASTICMQ = "1.7.1";
const VERSITYGW = "v1.8.0";
const MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

const TABLE = "photokeep";
const BUCKET = "photokeep";
/** A doorbell that nobody could heed is rung again by its job's timer; until then this is far beyond any outage. */
const DOORBELL_RECEIVES_MAX = 1_000;
/** The keys whose arrival S3 announces: the bytes of a job's photograph. */
const ANNOUNCED = { prefix: "jobs/", suffix: "/input" } as const;

const region = LOCAL_IDENTITY.AWS_REGION;

const dynoxide: Server = {
  id: "dynamodb",
  standsFor: "DynamoDB",
  name: "dynoxide",
  version: DYNOXIDE,
  licence: "MIT or Apache-2.0",
  tools: [],
  platform: "linux-x64",
  install: {
    tools: ["npm"],
    async into(folder, run) {
      await writeFile(join(folder, "package.json"), '{ "private": true }\n');
      const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
      await run("npm", ["install", "--prefix", folder, ...quiet, `@dynoxide/linux-x64@${DYNOXIDE}`]);
    },
  },
  after: [],
  async command({ programs, data, port }) {
    const program = join(programs, "node_modules", "@dynoxide", "linux-x64", "dynoxide");
    return [
      program,
      "serve",
      "--host",
      "127.0.0.1",
      "--port",
      `${port}`,
      "--db-path",
      join(data, "tables.db"),
    ];
  },
  async prepare(endpoint) {
    await createDynamoTable({ endpoint, region }, TABLE);
    return { AWS_ENDPOINT_URL_DYNAMODB: endpoint, PHOTOKEEP_TABLE: TABLE };
  },
};

const elasticmq: Server = {
  id: "sqs",
  standsFor: "SQS",
  name: "ElasticMQ",
  version: ELASTICMQ,
  licence: "Apache-2.0",
  tools: ["java"],
  install: {
    tools: ["mvn"],
    async into(folder, run) {
      await writeFile(join(folder, "pom.xml"), elasticmqPom());
      await run("mvn", ["-q", "-B", MAVEN_COPY, "-DoutputDirectory=lib"]);
    },
  },
  after: [],
  async command({ programs, data, port }) {
    const settings = {
      "node-address.host": "127.0.0.1",
      "node-address.port": port,
      "rest-sqs.bind-hostname": "127.0.0.1",
      "rest-sqs.bind-port": port,
      "rest-stats.enabled": false,
      "aws.region": region,
      "messages-storage.enabled": true,
      "messages-storage.uri": `jdbc:h2:${join(data, "queues")}`,
    };
    const flags = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
    const classes = join(programs, "lib", "*");
    return ["java", "-Xmx128m", "-XX:+UseSerialGC", ...flags, "-cp", classes, "org.elasticmq.server.Main"];
  },
  async prepare(endpoint) {
    const options = { endpoint, region };
    const deadLetters = { name: "photokeep-dead-letters", maxReceives: DOORBELL_RECEIVES_MAX };
    const doorbells = await createSqsQueue(options, { name: "photokeep-doorbells", deadLetters });
    const uploads = await createSqsQueue(options, { name: "photokeep-uploads" });
    return {
      AWS_ENDPOINT_URL_SQS: endpoint,
      PHOTOKEEP_DOORBELLS_URL: doorbells.url,
      PHOTOKEEP_DEAD_LETTERS_URL: doorbells.deadLettersUrl ?? "",
      PHOTOKEEP_UPLOADS_URL: uploads.url,
    };
  },
};

const uploadEvents: Server = {
  id: "upload-events",
  standsFor: "S3 notifications",
  name: "upload-events",
  version: "",
  licence: "MIT",
  tools: [],
  after: ["sqs"],
  async command({ port, urls, environment }) {
    const endpoint = urls.sqs;
    const queue = environment["PHOTOKEEP_UPLOADS_URL"];
    if (endpoint === undefined || queue === undefined) return undefined;
    const program = fileURLToPath(new URL("upload-events.ts", import.meta.url));
    const settings = { port, bucket: BUCKET, ...ANNOUNCED, endpoint, queue };
    const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    return [process.execPath, program, ...flags];
  },
  prepare: async () => ({}),
};

const versitygw: Server = {
  id: "s3",
  standsFor: "S3",
  name: "versitygw",
  version: VERSITYGW,
  licence: "Apache-2.0",
  tools: [],
  install: {
    tools: ["go"],
    async into(folder, run) {
      const module = `github.com/versity/versitygw/cmd/versitygw@${VERSITYGW}`;
      await run("go", ["install", module], { GOBIN: folder });
    },
  },
  // It refuses to start when nobody hears its first notification.
  after: ["upload-events"],
  async command({ programs, data, port, urls }) {
    const [objects, versions, filter] = ["objects", "versions", "events.json"].map((name) =>
      join(data, name),
    );
    if (objects === undefined || versions === undefined || filter === undefined) return undefined;
    await mkdir(objects, { recursive: true });
    await mkdir(versions, { recursive: true });
    await writeFile(filter, '{ "s3:ObjectCreated:*": true }\n');
    const webhook = urls["upload-events"];
    const events = webhook === undefined ? [] : ["--event-webhook-url", webhook, "--event-filter", filter];
    const keys = [
      "--access",
      LOCAL_IDENTITY.AWS_ACCESS_KEY_ID,
      "--secret",
      LOCAL_IDENTITY.AWS_SECRET_ACCESS_KEY,
    ];
    // The page sends its uploads to another origin: this one.
    const origins = ["--cors-allow-origin", "*"];
    const gateway = [
      "--port",
      `127.0.0.1:${port}`,
      "--region",
      region,
      "--quiet",
      ...origins,
      ...keys,
      ...events,
    ];
    return [join(programs, "versitygw"), ...gateway, "posix", "--versioning-dir", versions, objects];
  },
  async prepare(endpoint) {
    await createS3Bucket({ endpoint, region }, BUCKET);
    return { AWS_ENDPOINT_URL_S3: endpoint, PHOTOKEEP_BUCKET: BUCKET };
  },
};

/** All of them, each behind those it comes after. */
export const SERVERS: readonly Server[] = [dynoxide, elasticmq, uploadEvents, versitygw];

function elasticmqPom(): string {
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>photokeep</groupId><artifactId>emulators</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>${ELASTICMQ}</version>
  </dependency></dependencies>
</project>
`;
}
