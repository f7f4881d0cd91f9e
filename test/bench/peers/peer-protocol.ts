import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { TilePlan } from "#agent/image/tile.ts";

/** One photograph to enlarge ×4, file to file. */
export interface PeerRequest {
  /** Path of a PNG or JPEG. */
  readonly input: string;
  /** Path of the PNG to write. */
  readonly output: string;
  /** The tiles that PhotoKeep takes; UpscalerJS has a way of its own. */
  readonly plan: TilePlan;
}

/** Weights of npm `@upscalerjs/…`, ×4, that all contenders run: the product's own, and a set 30 times lighter. */
export type Weights = "esrgan-thick" | "esrgan-slim";

/** What a peer says first: what it is, with versions; for UpscalerJS with the backend. */
export const PeerHello = z.object({ name: z.string() });
/** What a peer answers to a request: wall-clock seconds from the photograph to the PNG, or why there is none. */
export const PeerAnswer = z.union([z.object({ seconds: z.number() }), z.object({ error: z.string() })]);

/** The peer's end of the pipe that it answers on; stdout is full of what libraries say. */
const ANSWERS = 3;

/** The loop of a peer's program: one line of JSON on stdin is one request. Resolves when stdin ends. */
export async function servePeer(
  name: string,
  run: (request: PeerRequest) => Promise<{ seconds: number }>,
): Promise<void> {
  const say = (message: z.infer<typeof PeerHello | typeof PeerAnswer>): void =>
    void writeSync(ANSWERS, `${JSON.stringify(message)}\n`);
  say({ name });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await run(JSON.parse(line) as PeerRequest));
    } catch (error) {
      say({ error: error instanceof Error ? error.message : String(error) });
    }
  }
}
