import { z } from "zod";
import type { Page } from "../ports.ts";
import { Fault } from "../domain/fault.ts";

/** Two keys of at most 1,024 bytes and an index key, quoted and in base 64. */
const CURSOR_CHARS_MAX = 16_384;
const KEY_BYTES_MAX = 1_024;
const Parts = z.array(z.string());

/** Packs the position after which a listing goes on. Opaque to callers, and no secret: it names what they were shown. */
export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** @throws Fault input `cursor_invalid`: cursors travel through clients, so anything may come back. */
export function decodeCursor(cursor: string, length: number): readonly string[] {
  const parts =
    cursor.length <= CURSOR_CHARS_MAX ? parse(Buffer.from(cursor, "base64url").toString()) : undefined;
  if (parts === undefined || parts.length !== length || !parts.every(couldBeKey)) {
    throw new Fault(
      "input",
      "cursor_invalid",
      "The cursor is not one of this list; start from the first page.",
    );
  }
  return parts;
}

function couldBeKey(part: string): boolean {
  return part !== "" && part.isWellFormed() && Buffer.byteLength(part) <= KEY_BYTES_MAX;
}

function parse(text: string): readonly string[] | undefined {
  try {
    return Parts.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * The first `limit` of the ordered rows as a page; its cursor is absent when no further row was given.
 * @param rows at least one more than `limit` where there are more.
 */
export function pageOf<Row, T>(
  rows: readonly Row[],
  limit: number,
  of: { readonly show: (row: Row) => T; readonly position: (row: Row) => readonly string[] },
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = last !== undefined && rows.length > limit;
  return { rows: shown.map(of.show), ...(more && { cursor: encodeCursor(of.position(last)) }) };
}
