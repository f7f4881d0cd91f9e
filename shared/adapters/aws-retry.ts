import type { DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";

type RetryStrategy = Extract<
  NonNullable<DynamoDBClientConfig["retryStrategy"]>,
  { acquireInitialRetryToken: unknown }
>;

/** The longest pause before the second request, doubling with each one after. */
const PAUSE_MS = 50;
/** The same for an engine that has said that it is too much. */
const THROTTLED_PAUSE_MS = 250;
const PAUSE_MS_MAX = 5_000;

/**
 * Repeats a request up to `attempts` times in all, after pauses with full jitter (AWS Architecture Blog, "Exponential
 * Backoff And Jitter", 2015). The SDK's own strategies also stop repeating anything once many calls of a client have
 * failed; here the deadline of each call is bound enough, and a way that loses every third request is still a way.
 */
export function createRetryStrategy(attempts: number): RetryStrategy {
  return {
    acquireInitialRetryToken: async () => tokenOf(0, 0),
    async refreshRetryTokenForRetry(token, { errorType, error }) {
      const count = token.getRetryCount() + 1;
      if (errorType === "CLIENT_ERROR" || count >= attempts) throw error ?? new Error("no more attempts");
      const base = errorType === "THROTTLING" ? THROTTLED_PAUSE_MS : PAUSE_MS;
      return tokenOf(count, Math.random() * Math.min(PAUSE_MS_MAX, base * 2 ** (count - 1)));
    },
    recordSuccess: () => undefined,
  };
}

function tokenOf(count: number, delayMs: number): { getRetryCount(): number; getRetryDelay(): number } {
  return { getRetryCount: () => count, getRetryDelay: () => delayMs };
}
