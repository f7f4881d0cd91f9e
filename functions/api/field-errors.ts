import type { z } from "@hono/zod-openapi";

export interface FieldError {
  readonly path: readonly PropertyKey[];
  /** One sentence for whoever wrote the request. */
  readonly detail: string;
}

/** So many are told; a body may hold thousands of unknown fields. */
const ERRORS_MAX = 20;

type Issue = z.core.$ZodIssue;

/** Flattens zod's issues: one entry per field, unions resolved to the variant that was probably meant. */
export function fieldErrors(issues: readonly Issue[]): FieldError[] {
  return issues.flatMap((issue) => flatten(issue)).slice(0, ERRORS_MAX);
}

function flatten(issue: Issue): FieldError[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys
      .slice(0, ERRORS_MAX)
      .map((key) => ({ path: [...issue.path, key], detail: `the field ${quote(key)} is not known` }));
  if (issue.code === "invalid_union") return flattenUnion(issue.path, issue.errors);
  return [{ path: issue.path, detail: sentence(issue) }];
}

/** A choice of plain values is told whole; of a choice of objects only the variant that fits best. */
function flattenUnion(path: readonly PropertyKey[], variants: readonly (readonly Issue[])[]): FieldError[] {
  if (variants.every(isPlain))
    return [
      { path, detail: `expected ${[...new Set(variants.map(([only]) => expected(only)))].join(" or ")}` },
    ];
  const [closest = []] = variants.toSorted((a, b) => a.length - b.length);
  return closest.flatMap(flatten).map(({ path: inner, detail }) => ({ path: [...path, ...inner], detail }));
}

function isPlain([only, ...more]: readonly Issue[]): boolean {
  const ofValue = only?.code === "invalid_value" || only?.code === "invalid_type";
  return ofValue && more.length === 0 && only.path.length === 0;
}

function sentence(issue: Issue): string {
  if (issue.code === "invalid_value" || issue.code === "invalid_type") return `expected ${expected(issue)}`;
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

function expected(issue: Issue | undefined): string {
  if (issue?.code === "invalid_value")
    return issue.values
      .map((value) => (typeof value === "string" ? quote(value) : String(value)))
      .join(" or ");
  if (issue?.code === "invalid_type") return issue.expected === "boolean" ? "true or false" : issue.expected;
  return issue?.message ?? "another value";
}

/** Foreign text, cut to a readable length. */
function quote(text: string): string {
  return `“${text.slice(0, 60)}”`;
}
