import { z } from "zod";

/** Measurements kept of each thing; the largest of them counts, so that an outlier is forgotten in the end. */
const SAMPLES_MAX = 8;
/** Until there are as many, what was declared counts where it is more. */
const SAMPLES_MIN = 3;
const TILE_SIZES_MAX = 16;

const Samples = z.array(z.int().nonnegative()).max(SAMPLES_MAX);

/** What one model was measured to take on one device; bytes, the latest last. */
export const Footprint = z.strictObject({
  /** Of its session apart from activations. */
  session: Samples,
  /** Left behind by a release. */
  residue: Samples,
  /** The most that a run took beside the session, by the tile's size in pixels. */
  peaks: z.array(z.strictObject({ tilePixels: z.int().positive(), bytes: Samples })).max(TILE_SIZES_MAX),
  /** A tile of twice this size has run out of memory, and none larger than this has run since. */
  tilePixelsMax: z.int().positive().optional(),
});
export type Footprint = z.infer<typeof Footprint>;

/** One thing that was measured, or learnt the hard way: no memory for a tile of this size. */
export type FootprintSample =
  | { readonly what: "session" | "residue"; readonly bytes: number }
  | { readonly what: "peak"; readonly tilePixels: number; readonly bytes: number }
  | { readonly what: "exhausted"; readonly tilePixels: number };

export const NO_FOOTPRINT: Footprint = { session: [], residue: [], peaks: [] };

export function withSample(footprint: Footprint, sample: FootprintSample): Footprint {
  switch (sample.what) {
    case "session":
    case "residue":
      return { ...footprint, [sample.what]: latest(footprint[sample.what], sample.bytes) };
    case "peak": {
      const { tilePixels, bytes } = sample;
      const known = footprint.peaks.find((peak) => peak.tilePixels === tilePixels);
      const others = footprint.peaks.filter((peak) => peak !== known);
      const peaks = [...others, { tilePixels, bytes: latest(known?.bytes ?? [], bytes) }];
      return { ...footprint, ...provenLimit(footprint, tilePixels), peaks: peaks.slice(-TILE_SIZES_MAX) };
    }
    case "exhausted": {
      const { tilePixelsMax = Infinity } = footprint;
      const half = Math.max(1, Math.floor(sample.tilePixels / 2));
      return { ...footprint, tilePixelsMax: Math.min(tilePixelsMax, half) };
    }
  }
}

/** What a session is planned with: the larger of declared and measured until there are three measurements, then these. */
export function sessionBytesOf(footprint: Footprint, declaredBytes: number): number {
  return expected(footprint.session, declaredBytes);
}

/**
 * What a run on a tile of this size is planned with, likewise. A size that was never measured is taken to need as much
 * for each pixel as the hungriest that was, or as declared where that is more.
 */
export function activationBytesOf(
  { peaks }: Footprint,
  {
    tilePixels,
    declaredBytesPerPixel,
  }: { readonly tilePixels: number; readonly declaredBytesPerPixel: number },
): number {
  const declaredBytes = Math.ceil(tilePixels * declaredBytesPerPixel);
  const known = peaks.find((peak) => peak.tilePixels === tilePixels);
  if (known !== undefined) return expected(known.bytes, declaredBytes);
  const perPixel = peaks.map((peak) => Math.max(0, ...peak.bytes) / peak.tilePixels);
  return Math.max(declaredBytes, Math.ceil(tilePixels * Math.max(0, ...perPixel)));
}

/** What has run can run: it may have lacked memory only while others held it. */
function provenLimit({ tilePixelsMax }: Footprint, tilePixels: number): Pick<Footprint, "tilePixelsMax"> {
  return tilePixelsMax === undefined ? {} : { tilePixelsMax: Math.max(tilePixelsMax, tilePixels) };
}

function expected(samples: readonly number[], declaredBytes: number): number {
  const measured = Math.max(0, ...samples);
  return samples.length < SAMPLES_MIN ? Math.max(declaredBytes, measured) : measured;
}

function latest(samples: readonly number[], bytes: number): number[] {
  return [...samples, Math.max(0, Math.ceil(bytes))].slice(-SAMPLES_MAX);
}
