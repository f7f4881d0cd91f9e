import { createBitWriter, endInterval, putBits, writtenBytes } from "#functions/intake/jpeg-bits.ts";

/**
 * A baseline JPEG (ITU-T T.81) of flat blocks in one row, 8 × 8 pixels each, of exactly these levels: one for each
 * component. `transform` is what Adobe's segment says of their meaning: 0 as they are, 1 YCbCr, 2 YCCK.
 */
export function flatJpeg(blocks: readonly (readonly number[])[], transform: 0 | 1 | 2): Buffer {
  const count = blocks[0]!.length;
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  const width = 8 * blocks.length;
  const writer = createBitWriter();
  for (const [at, levels] of blocks.entries())
    for (const [component, level] of levels.entries()) {
      const change = level - (at === 0 ? 128 : blocks[at - 1]![component]!);
      const category = Math.abs(change).toString(2).length * Number(change !== 0);
      putBits(writer, category, 4);
      putBits(writer, change < 0 ? change + 2 ** category - 1 : change, category);
      // No coefficient but the first.
      putBits(writer, 0, 1);
    }
  endInterval(writer);
  const zeros = (length: number) => Array.from({ length }, () => 0);
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    segment(0xee, ...Buffer.from("Adobe\0\x64\0\0\0\0", "latin1"), transform),
    segment(0xdb, 0, ...Array.from({ length: 64 }, () => 8)),
    segment(0xc0, 8, 0, 8, width >> 8, width & 255, count, ...ids.flatMap((id) => [id, 0x11, 0])),
    // Category n is n in four bits; the end of a block is one bit.
    segment(0xc4, 0, 0, 0, 0, 10, ...zeros(12), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    segment(0xc4, 0x10, 1, ...zeros(15), 0),
    segment(0xda, count, ...ids.flatMap((id) => [id, 0]), 0, 63, 0),
    writtenBytes(writer),
    Buffer.of(0xff, 0xd9),
  ]);
}

function segment(code: number, ...data: number[]): Buffer {
  return Buffer.of(0xff, code, (data.length + 2) >> 8, (data.length + 2) & 255, ...data);
}
