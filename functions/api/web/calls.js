/** Everything the page asks of the API. */

/** @typedef {import("../restoration-schema.ts").Restoration} Restoration */
/** @typedef {import("../upload-slot.ts").UploadRequest} UploadRequest */
/** @typedef {{ preset: string, operations: { upscale: number, repair: true | "auto", colorize: boolean }, output: { format: string, keep_credits: boolean } }} Options */

/** A failure with a sentence for the reader. */
export class CallFailure extends Error {}

const TYPES = new Set([
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/tiff",
  "image/gif",
  "image/avif",
  "image/heic",
  "image/heif",
]);
const FILE_NAME_CHARS_MAX = 200;
/** The browser sets them itself, and refuses to be told. */
const BROWSER_HEADERS = new Set(["content-length", "host"]);
const UNREACHABLE = "The server cannot be reached.";

/**
 * @param {File} file
 * @param {Options} options
 * @returns {Promise<Restoration>}
 */
export function createRestoration(file, options) {
  const type = TYPES.has(file.type) ? file.type : "application/octet-stream";
  const body = {
    ...options,
    input: { file: { content_type: type, content_length: file.size } },
    metadata: { file_name: file.name.slice(0, FILE_NAME_CHARS_MAX) },
  };
  return call("/v1/restorations", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
    },
    body: JSON.stringify(body),
  });
}

/**
 * @param {number} limit
 * @returns {Promise<Restoration[]>} newest first
 */
export async function listRestorations(limit) {
  const page = await call(`/v1/restorations?limit=${limit}`);
  return page.data;
}

/**
 * @param {string} self
 * @returns {Promise<Restoration>}
 */
export function readRestoration(self) {
  return call(self);
}

/**
 * @param {Restoration} restoration
 * @returns {Promise<Restoration>}
 */
export function cancelRestoration({ links }) {
  return call(links.cancel, { method: "POST" });
}

/**
 * Sends the bytes to the signed address. XMLHttpRequest, because fetch does not tell how far it is.
 * @param {UploadRequest} request
 * @param {File} file
 * @param {{ onProgress: (percent: number) => void, signal: AbortSignal }} watch
 * @returns {Promise<void>}
 */
export function sendFile(request, file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open(request.method, nearAddress(request.url));
    for (const [name, value] of Object.entries(request.headers))
      if (!BROWSER_HEADERS.has(name.toLowerCase())) sending.setRequestHeader(name, value);
    sending.upload.addEventListener("progress", ({ loaded, total }) =>
      onProgress(Math.floor((100 * loaded) / Math.max(1, total))),
    );
    sending.addEventListener("load", () => {
      if (sending.status < 300) resolve();
      else reject(new CallFailure(`The upload was refused (${sending.status}). Please try again.`));
    });
    sending.addEventListener("error", () =>
      reject(new CallFailure("The upload broke off. Please try again.")),
    );
    sending.addEventListener("abort", () => reject(new CallFailure("The upload was stopped.")));
    signal.addEventListener("abort", () => sending.abort(), { once: true });
    sending.send(file);
  });
}

/**
 * A signed address names the server by one of its names. Where that and the name in the address bar both mean this
 * machine, the latter is taken: to the browser anything else would be another site.
 * @param {string} address
 */
export function nearAddress(address) {
  const url = new URL(address, location.href);
  const near = isLoopback(url.hostname) && isLoopback(location.hostname) && url.port === location.port;
  return near ? url.pathname + url.search : url.href;
}

/** @param {string} name */
function isLoopback(name) {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(name);
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
async function call(path, init) {
  const answer = await fetch(path, init).catch(() => {
    throw new CallFailure(UNREACHABLE);
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok)
    throw new CallFailure(body.detail ?? `The server answered with an error (${answer.status}).`);
  return body;
}
