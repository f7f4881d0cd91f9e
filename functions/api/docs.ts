/** The API's description: the OpenAPI document drawn from the routes, and a page to read it, without any script. */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import type { Api, ApiDoors } from "./api.ts";

type OpenApiDocument = ReturnType<Api["getOpenAPI31Document"]>;
type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

const STYLE = `
:root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}
body{max-width:52rem;margin:3rem auto;padding:0 1.25rem}
h1{font-weight:600;letter-spacing:-.02em}h2{margin-top:3rem;font-size:1.15rem}
details{border-top:1px solid color-mix(in srgb,currentColor 18%,transparent);padding:.75rem 0}
summary{cursor:pointer}code,pre{font:.85rem/1.5 ui-monospace,monospace}
pre{overflow:auto;max-height:28rem;padding:1rem;border-radius:.5rem;background:color-mix(in srgb,currentColor 7%,transparent)}
td{padding:.15rem 1.25rem .15rem 0;vertical-align:top}b{font-weight:600}
`;
/** One piece with its tags: the hash covers every space between them. */
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");
const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** Serves /openapi.json and /docs: whatever routes the app has when they are first asked for. */
export function docsRoutes(app: Api, { version }: Pick<ApiDoors, "version">): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  let drawn: OpenApiDocument | undefined;
  const document = (): OpenApiDocument =>
    (drawn ??= app.getOpenAPI31Document({
      openapi: "3.1.0",
      info: {
        title: "PhotoKeep",
        version,
        description:
          "Restores old photographs. Everything is asynchronous: create a restoration, follow it, fetch its result.",
        license: { name: "MIT" },
      },
      security: [{ bearer: [] }, {}],
    }));
  app.get("/openapi.json", (c) => c.json(document()));
  app.get("/docs", (c) => {
    c.header("content-security-policy", PAGE_POLICY);
    return c.html(docsPage(document()));
  });
}

function docsPage({ info, paths, components }: OpenApiDocument): Html {
  const operations = Object.entries(paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ method, path, operation }];
    }),
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>${info.title} API</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <h1>${info.title} API <small>${info.version}</small></h1>
        <p>${info.description} Machine-readable: <a href="/openapi.json">openapi.json</a>.</p>
        <h2>Routes</h2>
        ${operations.map(
          ({ method, path, operation }) =>
            html`<details>
              <summary><code>${method.toUpperCase()} ${path}</code> · ${operation.summary ?? ""}</summary>
              ${operation.description === undefined ? "" : html`<p>${operation.description}</p>`}
              <table>
                ${(operation.parameters ?? []).map((each) =>
                  "name" in each
                    ? html`<tr>
                        <td><code>${each.name}</code></td>
                        <td>${each.in}</td>
                        <td>${each.description ?? ""}</td>
                      </tr>`
                    : "",
                )}
              </table>
              ${operation.requestBody === undefined ? "" : html`<b>Body</b>${jsonBlock(operation.requestBody)}`}
              <b>Answers</b>${jsonBlock(operation.responses)}
            </details>`,
        )}
        <h2>Objects</h2>
        ${Object.entries(components?.schemas ?? {}).map(
          ([name, schema]) =>
            html`<details>
              <summary><code>${name}</code></summary>
              ${jsonBlock(schema)}
            </details>`,
        )}
      </body>
    </html>`;
}

function jsonBlock(value: unknown): Html {
  return html`<pre>${JSON.stringify(value, null, 2)}</pre>`;
}
