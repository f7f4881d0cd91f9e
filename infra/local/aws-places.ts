import { awsVariables } from "#shared/aws-variables.ts";
import { Fault } from "#shared/domain/fault.ts";

/** Where a stack on AWS's engines keeps things. */
export interface AwsPlaces {
  readonly table: string;
  readonly doorbellsUrl: string;
  readonly deadLettersUrl: string;
  readonly uploadsUrl: string;
  readonly bucket: string;
  /** What the SDK reads from the environment, to be handed to child processes: endpoints, region, credentials. */
  readonly environment: Readonly<Record<string, string>>;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** @throws Fault input `setting_missing` naming the variable. */
export function readAwsPlaces(variables: Variables): AwsPlaces {
  const need = (name: string, what: string): string => {
    const value = variables[name];
    if (value !== undefined && value !== "") return value;
    throw new Fault(
      "input",
      "setting_missing",
      `Set ${name} to ${what}; \`npm run emulators -- start\` prints all settings for local servers.`,
    );
  };
  return {
    table: need("PHOTOKEEP_TABLE", "the name of the DynamoDB table"),
    doorbellsUrl: need("PHOTOKEEP_DOORBELLS_URL", "the URL of the SQS queue of doorbells"),
    deadLettersUrl: need("PHOTOKEEP_DEAD_LETTERS_URL", "the URL of that queue's dead letters"),
    uploadsUrl: need("PHOTOKEEP_UPLOADS_URL", "the URL of the SQS queue that S3 announces uploads on"),
    bucket: need("PHOTOKEEP_BUCKET", "the name of the S3 bucket"),
    environment: awsVariables(variables),
  };
}
