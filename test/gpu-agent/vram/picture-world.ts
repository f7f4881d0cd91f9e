import { pictureAfter } from "#agent/vram/picture-after.ts";
import type { PoolEvent } from "#agent/vram/pool-event.ts";
import { emptyPicture, type PoolPicture } from "#agent/vram/pool-picture.ts";
import type { TimedEvent } from "#agent/vram/pool-record.ts";
import type { PoolState } from "#agent/vram/pool-state.ts";
import { createPoolWorld, stageOf, type PoolWorld, type WorldAsk } from "./pool-world.ts";

export interface PictureWorld extends PoolWorld {
  /** As of the last event. */
  picture(): PoolPicture;
  readonly timed: TimedEvent[];
}

/** A pool on a simulated device, and the picture of it. `onStep` hears every event after the picture has. */
export function createPictureWorld(
  ask: Omit<WorldAsk, "onEvent">,
  onStep: (event: PoolEvent, state: PoolState, picture: PoolPicture) => void = () => undefined,
): PictureWorld {
  const timed: TimedEvent[] = [];
  const { deviceBytes, reserveBytes = 0 } = ask;
  const world = createPoolWorld({
    ...ask,
    onEvent(event) {
      const atMs = world.clock.now();
      const state = world.pool.state();
      picture = pictureAfter(picture, event, { atMs, state });
      timed.push({ atMs, event });
      onStep(event, state, picture);
    },
  });
  let picture = emptyPicture({ device: "simulated", deviceBytes, reserveBytes, atMs: world.clock.now() });
  return { ...world, timed, picture: () => picture };
}

/** A minute of work for three models of which two fit, one stage after the other. */
export async function keepBusy({ use, clock, pool }: PoolWorld): Promise<void> {
  const order = ["a", "b", "a", "c", "b", "a", "c", "c", "b", "a"];
  const jobs = order.map((model, nth) => ({
    id: `job ${nth}`,
    stages: [{ id: "s0", model, activationBytes: 1 }],
  }));
  pool.expect(jobs);
  const uses = order.map((model, nth) =>
    use(stageOf(model, { job: `job ${nth}`, activationBytes: 1 }), 900).catch(() => undefined),
  );
  await clock.advance(60_000);
  await Promise.all(uses);
}

/** Three models of which two fit, with room to work in. */
export const CROWDED = { models: { a: 4, b: 4, c: 4 }, deviceBytes: 11, reserveBytes: 1 } as const;
