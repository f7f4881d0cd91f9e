import { invariant } from "#shared/domain/fault.ts";
import { allocateRows, rowBuffer, rowSamples, rowsWithin } from "./raster-shape.ts";
import type { RasterShape, RowSource, Samples } from "./raster-shape.ts";
import { combineRows, resampleRow, resampleTaps, type Kernel } from "./resample.ts";

/** The source is read in blocks of about this size. */
const blockBytes = 4 << 20;

/**
 * A picture that is resized while it is read, in its own bits and channels, by the same taps as `resize`. Made for
 * reading from top to bottom; any order is right, but going back reads rows again. Held at any time: one block of the
 * source, and as many resized rows as one output row is made of (4 for bicubic enlargement, 4 · H / h for reduction).
 */
export function resizedSource(
  source: RowSource,
  size: { width: number; height: number },
  kernel: Kernel,
): RowSource {
  const from = source.shape;
  const shape: RasterShape = { ...from, width: size.width, height: size.height };
  const { channels } = shape;
  const across = resampleTaps(from.width, shape.width, kernel);
  const down = resampleTaps(from.height, shape.height, kernel);
  const block = allocateRows(from, rowsWithin(from, blockBytes));
  const blockRows = block.length / rowSamples(from);
  let blockFirst = 0;
  let blockCount = 0;
  // Row j of the source, once resized along its length, lies in slot j mod the number of slots.
  const slots = Array.from({ length: down.width }, () => new Float32Array(rowSamples(shape)));
  const held = new Int32Array(down.width).fill(-1);
  const sum = new Float32Array(rowSamples(shape));

  const fillSlot = async (row: number): Promise<void> => {
    if (row < blockFirst || row >= blockFirst + blockCount) {
      blockFirst = row;
      blockCount = Math.min(blockRows, from.height - row);
      await source.readRows(blockFirst, blockCount, block);
    }
    const start = (row - blockFirst) * rowSamples(from);
    const slot = row % down.width;
    resampleRow(block.subarray(start, start + rowSamples(from)), slots[slot]!, { taps: across, channels });
    held[slot] = row;
  };

  return {
    shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      invariant(y >= 0 && count >= 1 && y + count <= shape.height, "the rows lie in the picture");
      const rows = rowBuffer(shape, count, into);
      for (let i = 0; i < count; i += 1) {
        const first = down.firsts[y + i]!;
        const used: Float32Array[] = [];
        for (let row = first; row < first + down.width; row += 1) {
          if (held[row % down.width] !== row) await fillSlot(row);
          used.push(slots[row % down.width]!);
        }
        combineRows(used, sum, down.weights.subarray((y + i) * down.width, (y + i + 1) * down.width));
        roundSamples(sum, rows.subarray(i * sum.length, (i + 1) * sum.length));
      }
      return rows;
    },
  };
}

/** Rounds to whole samples and clips what the kernel's negative lobes drove out of range. */
function roundSamples(from: Float32Array, into: Samples): void {
  const white = into.BYTES_PER_ELEMENT === 1 ? 255 : 65_535;
  for (let i = 0; i < from.length; i += 1) {
    const value = from[i]! + 0.5;
    into[i] = value > 0 ? (value < white ? value : white) : 0;
  }
}
