/** The page and its files: a fixed list, read once; no path of a request ever reaches the file system. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Hono } from "hono";

const require = createRequire(import.meta.url);
const SCRIPT = "text/javascript; charset=utf-8";

const FILES = [
  { name: "page.css", type: "text/css; charset=utf-8" },
  { name: "card.css", type: "text/css; charset=utf-8" },
  { name: "page.js", type: SCRIPT },
  { name: "calls.js", type: SCRIPT },
  { name: "card.js", type: SCRIPT },
  { name: "comparison.js", type: SCRIPT },
  { name: "follow.js", type: SCRIPT },
  { name: "parts.js", type: SCRIPT },
  { name: "stages.js", type: SCRIPT },
  { name: "words.js", type: SCRIPT },
  { name: "icon.svg", type: "image/svg+xml" },
] as const;
const SLIDER = {
  name: "img-comparison-slider.js",
  path: "img-comparison-slider/dist/index.js",
  type: SCRIPT,
} as const;

/** Stands for the version in index.html. */
const VERSION_MARK = "@version";

interface Asset {
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer<ArrayBuffer>;
}

/**
 * `/` and `/assets/<version>/<file>`. The version is a digest of all files, so each may be kept for ever.
 * @param ask.photoOrigins where signed photographs lie, if not on this very origin.
 */
export function webRoutes({ photoOrigins = [] }: { readonly photoOrigins?: readonly string[] } = {}): Hono {
  const assets: Asset[] = [
    ...FILES.map(({ name, type }) => ({
      name,
      type,
      bytes: readFileSync(new URL(`web/${name}`, import.meta.url)),
    })),
    { ...SLIDER, bytes: readFileSync(require.resolve(SLIDER.path)) },
  ];
  const index = readFileSync(new URL("web/index.html", import.meta.url), "utf8");
  const version = digestOf(assets);
  const page = index.replaceAll(VERSION_MARK, version);
  const policy = pagePolicy(photoOrigins);

  const app = new Hono();
  app.get("/", (c) =>
    c.html(page, 200, {
      "cache-control": "no-cache",
      "content-security-policy": policy,
      "x-content-type-options": "nosniff",
    }),
  );
  for (const { name, type, bytes } of assets) {
    app.get(`/assets/${version}/${name}`, (c) =>
      c.body(bytes, 200, {
        "content-type": type,
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
      }),
    );
  }
  return app;
}

function digestOf(assets: readonly Asset[]): string {
  const hash = createHash("sha256");
  for (const { name, bytes } of assets) hash.update(name).update(bytes);
  return hash.digest("hex").slice(0, 16);
}

/** Scripts and styles from here only, none of them inline; photographs also as local previews of what was chosen. */
function pagePolicy(photoOrigins: readonly string[]): string {
  const from = ["'self'", ...photoOrigins].join(" ");
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${from} blob:`,
    `connect-src ${from}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
