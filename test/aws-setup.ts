import { readState } from "../infra/emulators/emulator-state.ts";
import { FOREIGN_IDENTITY } from "../infra/emulators/environment.ts";
import { emulatorPlaces } from "../infra/emulators/places.ts";
import { usableEnvironment } from "../infra/emulators/server-process.ts";

const ENDPOINT = /^AWS_ENDPOINT_URL_(DYNAMODB|SQS|S3)$/;

/**
 * Before a test run: decides which engines of AWS it has. Endpoints that are set, or a real account by AWS_TEST_STAGE,
 * stand; otherwise emulators that run on this machine are taken; otherwise the contracts of AWS are skipped, which is
 * said in a line.
 */
export async function setup(): Promise<void> {
  const isSet = (name: string): boolean => (process.env[name] ?? "") !== "";
  if (isSet("AWS_TEST_STAGE") || Object.keys(process.env).some((name) => ENDPOINT.test(name) && isSet(name)))
    return;
  const { state } = emulatorPlaces({ cwd: process.cwd() }, process.env);
  const environment = await usableEnvironment(await readState(state));
  if (environment === undefined) {
    console.log(
      "The contracts of DynamoDB, SQS and S3 are skipped; to include them: npm run emulators -- start",
    );
    return;
  }
  for (const name of FOREIGN_IDENTITY) delete process.env[name];
  // The engines alone: tables and queues of a local stack are none of the tests' business.
  for (const [name, value] of Object.entries(environment))
    if (!name.startsWith("PHOTOKEEP_")) process.env[name] = value;
}
