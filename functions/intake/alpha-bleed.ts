import { open, type FileHandle } from "node:fs/promises";
import { invariant } from "#shared/domain/fault.ts";
import type { PlainRaster } from "./plain-raster.ts";

/** Whatever reads the colours beside a visible pixel reads this far at most. */
const bleedReach = 32;
const bandRows = 64;
const firstByte = 8;

type Samples = Uint8Array | Uint16Array;

/**
 * Gives pixels that are wholly transparent the colour of the nearest visible one, as far as `bleedReach`, in place. Under
 * nothing most programs store black or white: models and resampling, which take colours and alpha apart, would smear
 * that into a fringe around everything that is visible. Pixels that show at all stay as they are.
 */
export async function bleedColours(image: PlainRaster, alpha: PlainRaster): Promise<void> {
  const { width, height } = image;
  invariant(alpha.width === width && alpha.height === height, "alpha has the size of the picture");
  await using colourFile = await open(image.path, "r+");
  await using alphaFile = await open(alpha.path);
  const rowsMax = Math.min(height, bandRows + 2 * bleedReach);
  const colours = samplesFor(image, rowsMax);
  const opacity = samplesFor(alpha, rowsMax);
  const distances = new Uint8Array(width * rowsMax);
  for (let y = 0; y < height; y += bandRows) {
    // Around the band as many rows as colours come from.
    const top = Math.max(0, y - bleedReach);
    const bottom = Math.min(height, y + bandRows + bleedReach);
    const rows = bottom - top;
    await readRows(alphaFile, opacity, { y: top, rows, rowSamples: width });
    if (!hasEdge(opacity, width * rows)) continue;
    await readRows(colourFile, colours, { y: top, rows, rowSamples: width * 3 });
    markDistances(opacity, distances, width * rows);
    spread(colours, distances, { width, rows });
    const count = Math.min(height, y + bandRows) - y;
    await writeRows(colourFile, colours, { y, rows: count, rowSamples: width * 3, from: y - top });
  }
}

function samplesFor({ width, channels, bits }: PlainRaster, rows: number): Samples {
  const samples = width * rows * channels;
  return bits === 8 ? new Uint8Array(samples) : new Uint16Array(samples);
}

/** Something is visible, and something is not. */
function hasEdge(opacity: Samples, pixels: number): boolean {
  const isHidden = opacity[0] === 0;
  for (let at = 1; at < pixels; at += 1) if ((opacity[at] === 0) !== isHidden) return true;
  return false;
}

function markDistances(opacity: Samples, distances: Uint8Array, pixels: number): void {
  for (let at = 0; at < pixels; at += 1) distances[at] = opacity[at] === 0 ? 255 : 0;
}

/** Nearest by steps along rows and columns: once forth, once back (Rosenfeld & Pfaltz 1966, J. ACM 13). */
function spread(
  colours: Samples,
  distances: Uint8Array,
  { width, rows }: { width: number; rows: number },
): void {
  const pixels = width * rows;
  for (let at = 0; at < pixels; at += 1) {
    if (distances[at] === 0) continue;
    if (at % width > 0) take(colours, distances, at, at - 1);
    if (at >= width) take(colours, distances, at, at - width);
  }
  for (let at = pixels - 1; at >= 0; at -= 1) {
    if (distances[at] === 0) continue;
    if ((at + 1) % width > 0) take(colours, distances, at, at + 1);
    if (at + width < pixels) take(colours, distances, at, at + width);
  }
}

function take(colours: Samples, distances: Uint8Array, at: number, from: number): void {
  const distance = distances[from]! + 1;
  if (distance > bleedReach || distance >= distances[at]!) return;
  distances[at] = distance;
  colours[3 * at] = colours[3 * from]!;
  colours[3 * at + 1] = colours[3 * from + 1]!;
  colours[3 * at + 2] = colours[3 * from + 2]!;
}

type Rows = { y: number; rows: number; rowSamples: number };

async function readRows(file: FileHandle, into: Samples, { y, rows, rowSamples }: Rows): Promise<void> {
  const rowBytes = rowSamples * into.BYTES_PER_ELEMENT;
  const bytes = Buffer.from(into.buffer, 0, rows * rowBytes);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, firstByte + y * rowBytes);
  invariant(bytesRead === bytes.length, "a raster is as long as its size says");
}

async function writeRows(
  file: FileHandle,
  samples: Samples,
  { y, rows, rowSamples, from }: Rows & { from: number },
): Promise<void> {
  const rowBytes = rowSamples * samples.BYTES_PER_ELEMENT;
  const bytes = Buffer.from(samples.buffer, from * rowBytes, rows * rowBytes);
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, firstByte + y * rowBytes);
  invariant(bytesWritten === bytes.length, "a band is written at once");
}
