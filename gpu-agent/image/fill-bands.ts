import { inpaint, INPAINT_REACH } from "./inpaint.ts";
import { dilateMask, type Mask } from "./morphology.ts";
import { allocateRows, rowSamples, type RowSink, type RowSource, type Samples } from "./raster-shape.ts";

/** A mask ends where damage has faded to half: the rest of its rim belongs to it. */
const RIM = 1;
const REACH = INPAINT_REACH + RIM;
/** Pixels of a band that are held as planes, beside the rows it looks at above and below. */
const BAND_PIXELS = 1 << 20;

export interface FillAsk {
  /** Gray or RGB at 16 bits. */
  readonly source: RowSource;
  readonly sink: RowSink;
  /** Of the same size, gray at 16 bits: marked where it is above half. */
  readonly mask: RowSource;
  /** Rows that are filled at a time; by default what a mebipixel holds, and it changes no pixel. */
  readonly bandRows?: number;
  readonly onBand?: (fraction: number) => void;
}

/**
 * Fills what is marked, and one pixel around it, in bands of whole rows; all other samples pass through as they are.
 * Held at any time: a band and 49 rows above and below it, at 22 bytes a pixel of colour.
 * @returns how many pixels were marked, and how many of these lie too deep and were left.
 */
export async function fillBands(
  ask: FillAsk,
  signal: AbortSignal,
): Promise<{ readonly marked: number; readonly left: number }> {
  const { source, sink, mask, onBand } = ask;
  const { shape } = source;
  const count = Math.min(shape.height, ask.bandRows ?? Math.max(1, Math.floor(BAND_PIXELS / shape.width)));
  const rows = allocateRows(shape, Math.min(shape.height, count + 2 * REACH));
  const marks = allocateRows(mask.shape, rows.length / rowSamples(shape));
  const total = { marked: 0, left: 0 };
  for (let y = 0; y < shape.height; y += count) {
    signal.throwIfAborted();
    const end = Math.min(shape.height, y + count);
    const top = Math.max(0, y - REACH);
    const bottom = Math.min(shape.height, end + REACH);
    const band = await source.readRows(top, bottom - top, rows);
    const own = { from: (y - top) * shape.width, to: (end - top) * shape.width };
    const found = maskOf(await mask.readRows(top, bottom - top, marks), shape.width);
    const { marked, left } = fillRows(band, dilateMask(found, RIM), { channels: shape.channels, own });
    total.marked += marked;
    total.left += left;
    await sink.writeRows(band.subarray(own.from * shape.channels, own.to * shape.channels));
    onBand?.(end / shape.height);
  }
  return total;
}

function maskOf(samples: Samples, width: number): Mask {
  const data = Uint8Array.from(samples, (sample) => (sample > 32_767 ? 255 : 0));
  return { data, width, height: data.length / width };
}

/** Counts what lies in the band's own rows only; the others are filled for their sake and thrown away. */
function fillRows(
  rows: Samples,
  mask: Mask,
  { channels, own }: { channels: number; own: { from: number; to: number } },
): { marked: number; left: number } {
  if (!mask.data.includes(255)) return { marked: 0, left: 0 };
  const planes = Array.from({ length: channels }, (_, channel) => takePlane(rows, channel, channels));
  const layers = inpaint(planes, mask);
  let marked = 0;
  let left = 0;
  for (let i = own.from; i < own.to; i += 1) {
    if (mask.data[i] === 0) continue;
    marked += 1;
    if (layers[i] === 0) left += 1;
    else for (let c = 0; c < channels; c += 1) rows[i * channels + c] = planes[c]![i]! + 0.5;
  }
  return { marked, left };
}

function takePlane(rows: Samples, channel: number, channels: number): Float32Array {
  const plane = new Float32Array(rows.length / channels);
  for (let i = 0, at = channel; i < plane.length; i += 1, at += channels) plane[i] = rows[at]!;
  return plane;
}
