import { expect, test } from "vitest";
import { awsFault, awsTrouble } from "#shared/adapters/aws-client.ts";

/** An error as the SDK throws it. */
function sdkError(name: string, message = "", more: object = {}): Error {
  return Object.assign(new Error(message), { name }, more);
}

const TABLE = { thing: "store", target: "the table photokeep" };

test.each([
  [sdkError("ProvisionedThroughputExceededException"), "throttled"],
  [sdkError("SlowDown", "", { $metadata: { httpStatusCode: 503 } }), "throttled"],
  [sdkError("TransactionConflictException"), "conflict"],
  [sdkError("TimeoutError", "socket hang up"), "unreachable"],
  [sdkError("Error", "", { code: "ECONNREFUSED" }), "unreachable"],
  [sdkError("SomethingNew", "", { $metadata: { httpStatusCode: 502 } }), "unreachable"],
  [sdkError("CredentialsProviderError", "Could not load credentials from any providers"), "denied"],
  [sdkError("AccessDeniedException"), "denied"],
  [sdkError("ResourceNotFoundException"), "absent"],
  [sdkError("QueueDoesNotExist"), "absent"],
  [sdkError("Error", "Region is missing"), "unset"],
  [sdkError("ValidationException"), "other"],
  ["thrown text", "other"],
])("what an engine says is told apart: %s is %s", (error, trouble) => {
  expect(awsTrouble(error)).toBe(trouble);
});

test("a missing permission is named", () => {
  const text =
    "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:DescribeTable on resource: …";
  expect(awsFault(sdkError("AccessDeniedException", text), TABLE)).toMatchObject({
    kind: "input",
    code: "store_denied",
    message: expect.stringContaining("the permission dynamodb:DescribeTable") as string,
  });
  const silent = sdkError("403", "UnknownError", { $metadata: { httpStatusCode: 403 } });
  expect(awsFault(silent, { thing: "blobs", target: "the bucket photokeep" })).toMatchObject({
    message: expect.stringContaining("the permission s3:ListBucket") as string,
  });
});

test("credentials that are missing or wrong are met with the settings to set", () => {
  for (const name of ["CredentialsProviderError", "UnrecognizedClientException", "ExpiredTokenException"])
    expect(awsFault(sdkError(name, "no"), TABLE)).toMatchObject({
      code: "store_denied",
      message: expect.stringMatching(/set AWS_PROFILE or AWS_ACCESS_KEY_ID/) as string,
    });
});

test("what has no known meaning is handed on as it came", () => {
  const error = sdkError("ValidationException", "One or more parameter values were invalid");
  expect(awsFault(error, TABLE)).toBe(error);
});
