import { Fault } from "#shared/domain/fault.ts";

const REDIRECTS_MAX = 5;
const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);

/**
 * GET with at most five redirects, each to https; plain http is followed only from loopback to loopback (tests, local
 * mirrors). The body is not read.
 *
 * Throws Fault `network_unreachable` when no server answers, `redirect_forbidden` for a forbidden or endless redirect.
 */
export async function openUrl(
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const first = new URL(url);
  let target = first;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    if (!isAllowed(target, first)) throw forbidden(url, `to ${target.protocol}//${target.host}`);
    const response = await get(target, headers, signal);
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) return response;
    await response.body?.cancel();
    if (!URL.canParse(location, target.href)) throw forbidden(url, "to an address that is none");
    target = new URL(location, target);
  }
  throw forbidden(url, `more than ${REDIRECTS_MAX} times`);
}

function isAllowed(target: URL, first: URL): boolean {
  if (target.username !== "" || target.password !== "") return false;
  if (target.protocol === "https:") return true;
  return target.protocol === "http:" && LOOPBACK.has(target.hostname) && LOOPBACK.has(first.hostname);
}

async function get(target: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  try {
    // Bytes as they are: a compressed answer could not be continued, and its length would say nothing.
    return await fetch(target, {
      headers: { ...headers, "accept-encoding": "identity" },
      redirect: "manual",
      signal,
    });
  } catch (cause) {
    const message = `Cannot reach ${target.host}. Check the network, or copy the file here and use: npm run models -- import FOLDER`;
    throw new Fault("busy", "network_unreachable", message, { cause });
  }
}

function forbidden(url: string, why: string): Fault {
  return new Fault(
    "conflict",
    "redirect_forbidden",
    `The server of ${url} redirects ${why}: that is not followed.`,
  );
}
