/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>;

/** Who one is to the emulators: they check signatures, and accept these keys alone. */
export const LOCAL_IDENTITY = {
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "testsecret",
  AWS_REGION: "us-east-1",
  // Without it the SDK may look for an instance's credentials on a network that has none.
  AWS_EC2_METADATA_DISABLED: "true",
} as const satisfies Environment;

/** They would outrank or spoil the identity above. */
export const FOREIGN_IDENTITY = ["AWS_PROFILE", "AWS_SESSION_TOKEN"] as const;

/** Lines for a POSIX shell to evaluate. */
export function environmentText(environment: Environment): string {
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return [`unset ${FOREIGN_IDENTITY.join(" ")}`, ...lines, ""].join("\n");
}

function quoted(value: string): string {
  return /^[\w./:@%+-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
