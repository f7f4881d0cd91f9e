import { basename, join } from "node:path";
import { psnr } from "../../measures/psnr.ts";
import { readPicture } from "../../measures/read-picture.ts";
import { median } from "../bench-stack.ts";
import { startMemorySampler } from "../memory-sampler.ts";
import type { Contenders, PeerKey } from "./contenders.ts";
import type { PeerRequest } from "./peer-protocol.ts";
import { startPeer, type Peer, type PeerRun } from "./peer.ts";

/** A photograph to enlarge, with the tiles that PhotoKeep takes. */
export interface PeerPicture extends Pick<PeerRequest, "input" | "plan"> {
  readonly megapixels: number;
}

/** Seconds per megapixel of the photograph. */
export interface PeerSpeed {
  readonly name: string;
  /** Wall clock, and processor time over all processes: medians over the turns it took part in. */
  readonly wall: number;
  readonly cpu: number;
  readonly turns: ReadonlyMap<number, PeerRun>;
}

/** One run, watched: the most memory its processes held at once, anonymous and shared. */
export type PeerPeak = { readonly bytes: number } & (
  | { readonly seconds: number }
  | { readonly failure: string }
);

/** Where the results go, and the lines of progress. */
interface Place {
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** Of what the results are compared without, in pixels of the result. */
const BORDER_PX = 32;

/** The picture's result by a contender. */
const resultOf = (key: PeerKey, { input }: PeerPicture, folder: string): string =>
  join(folder, `${key} ${basename(input)}.png`);

/**
 * Times the contenders in turns, forth and back, so that what else the machine does falls on all. All are there all the
 * time, with their models loaded, warmed by a small photograph. UpscalerJS, which takes many times as long, joins every
 * other turn.
 */
export async function measureSpeeds(
  contenders: Contenders,
  { picture, warm, turns }: { picture: PeerPicture; warm: PeerPicture; turns: number },
  { folder, say }: Place,
): Promise<Map<PeerKey, PeerSpeed>> {
  await using stack = new AsyncDisposableStack();
  const peers: { key: PeerKey; peer: Peer; taken: Map<number, PeerRun> }[] = [];
  for (const [key, command] of contenders) {
    say(`${key} starts …`);
    const peer = stack.use(await startPeer(command));
    await peer.run({ ...warm, output: resultOf(key, warm, folder) });
    peers.push({ key, peer, taken: new Map() });
  }
  for (let turn = 1; turn <= turns; turn += 1) {
    const isBack = turn % 2 === 0;
    for (const { key, peer, taken } of isBack ? peers.toReversed() : peers) {
      if (isBack && key === "upscalerjs") continue;
      const run = await peer.run({ ...picture, output: resultOf(key, picture, folder) });
      taken.set(turn, run);
      // Fewer processors than threads: others wanted them too.
      const had = `${(run.cpuSeconds / run.seconds).toFixed(2)} processors`;
      const took = `${run.seconds.toFixed(1)} s, CPU ${run.cpuSeconds.toFixed(1)} s`;
      say(`${turn} of ${turns}: ${key} ${took} (${had})`);
    }
  }
  const perMegapixel = (seconds: readonly number[]): number => median(seconds) / picture.megapixels;
  return new Map(
    peers.map(({ key, peer: { name }, taken }) => {
      const runs = [...taken.values()];
      const wall = perMegapixel(runs.map(({ seconds }) => seconds));
      const cpu = perMegapixel(runs.map(({ cpuSeconds }) => cpuSeconds));
      return [key, { name, wall, cpu, turns: taken }];
    }),
  );
}

/** How many times the one's time the other takes, in each turn that both took part in. */
export function ratiosOf(
  over: PeerSpeed | undefined,
  under: PeerSpeed | undefined,
  of: keyof PeerRun,
): number[] {
  return [...(over?.turns ?? [])].flatMap(([turn, run]) => {
    const other = under?.turns.get(turn);
    return other === undefined ? [] : [run[of] / other[of]];
  });
}

/** The peak memory of each contender, alone and fresh, warmed by a small photograph. */
export async function measurePeaks(
  contenders: Contenders,
  { picture, warm }: { picture: PeerPicture; warm: PeerPicture },
  { folder, say }: Place,
): Promise<Map<PeerKey, PeerPeak>> {
  const peaks = new Map<PeerKey, PeerPeak>();
  for (const [key, command] of contenders) {
    await using peer = await startPeer(command);
    await peer.run({ ...warm, output: resultOf(key, warm, folder) });
    const peak = await peakOf(peer, { ...picture, output: resultOf(key, picture, folder) });
    peaks.set(key, peak);
    const end = "seconds" in peak ? `${peak.seconds.toFixed(1)} s` : `did not get through: ${peak.failure}`;
    say(`${picture.megapixels} MP: ${key} ${(peak.bytes / 1e6).toFixed(0)} MB, ${end}`);
  }
  return peaks;
}

async function peakOf(peer: Peer, request: PeerRequest): Promise<PeerPeak> {
  using sampler = startMemorySampler(peer.pid);
  try {
    const { seconds } = await peer.run(request);
    return { bytes: sampler.takePeak().own, seconds };
  } catch (error) {
    return { bytes: sampler.takePeak().own, failure: (error as Error).message };
  }
}

/** How alike each two contenders' results of a picture are, in dB over RGB, the border left out. */
export async function likenesses(
  keys: Iterable<PeerKey>,
  picture: PeerPicture,
  { folder, say }: Place,
): Promise<{ pair: string; db: number }[]> {
  const all = [...keys];
  const found: { pair: string; db: number }[] = [];
  for (const [n, key] of all.entries()) {
    for (const other of all.slice(n + 1)) {
      const a = await readPicture(resultOf(key, picture, folder));
      const b = await readPicture(resultOf(other, picture, folder));
      const db = psnr(a, b, { borderPixels: BORDER_PX });
      found.push({ pair: `${key}–${other}`, db });
      say(`${key}–${other}: ${db.toFixed(1)} dB`);
    }
  }
  return found;
}
