import { PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import type { Page } from "#shared/ports.ts";

/** The pages of a walk, one at a time: nobody holds more. @throws what `read` throws; the signal's reason. */
export async function* pages<T>(
  read: (range: { limit: number; cursor?: string }) => Promise<Page<T>>,
  signal?: AbortSignal,
): AsyncGenerator<readonly T[]> {
  let cursor: string | undefined;
  do {
    signal?.throwIfAborted();
    const page = await read({ limit: PAGE_ROWS_MAX, ...(cursor === undefined ? {} : { cursor }) });
    yield page.rows;
    cursor = page.cursor;
  } while (cursor !== undefined);
}
