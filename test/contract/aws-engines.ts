import type { AwsOptions, AwsService } from "#shared/adapters/aws-client.ts";

/** An engine that the AWS contracts run on: an emulator that answers, or a real account. */
export interface AwsEngine {
  readonly isHere: boolean;
  /** A real account: AWS_TEST_STAGE is set, and nothing is skipped for an emulator's fault. */
  readonly isReal: boolean;
  readonly options: AwsOptions;
}

const ENDPOINTS: Readonly<Record<AwsService, string>> = {
  dynamodb: "AWS_ENDPOINT_URL_DYNAMODB",
  sqs: "AWS_ENDPOINT_URL_SQS",
  s3: "AWS_ENDPOINT_URL_S3",
};

/** As the environment tells; the test run's setup puts running emulators there. */
export function awsEngine(service: AwsService): AwsEngine {
  const endpoint = process.env[ENDPOINTS[service]];
  const isReal = endpoint === undefined && process.env["AWS_TEST_STAGE"] !== undefined;
  return {
    isHere: isReal || endpoint !== undefined,
    isReal,
    options: endpoint === undefined ? {} : { endpoint },
  };
}
