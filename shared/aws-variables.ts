/** Beside everything that begins with AWS_: where the SDK finds profiles, and which servers it trusts. */
const PASSED_ON = new Set(["HOME", "NODE_EXTRA_CA_CERTS"]);

/** What the AWS SDK reads of an environment, to be handed to a child process that gets nothing else. */
export function awsVariables(
  variables: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      value !== undefined && (name.startsWith("AWS_") || PASSED_ON.has(name)) ? [[name, value]] : [],
    ),
  );
}
