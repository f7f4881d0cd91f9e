import sharp from "sharp";
import { bicubic } from "#agent/image/resample.ts";
import type { MemoryPicture } from "../../measures/memory-picture.ts";
import { fitted } from "./fitted.ts";

const cellWidth = 320;
const gap = 6;

/** Rows of pictures of one size, side by side on one sheet, as a JPEG of quality 85. */
export async function contactSheet(rows: readonly (readonly MemoryPicture[])[]): Promise<Buffer> {
  let top = 0;
  const placed = rows.flatMap((row) => {
    const cells = row.map((picture, column) => {
      const height = Math.round((picture.height * cellWidth) / picture.width);
      const small = fitted(picture, { width: cellWidth, height }, bicubic);
      return { input: Buffer.from(small.data), raw: small, left: column * (cellWidth + gap), top };
    });
    top += Math.max(...cells.map(({ raw }) => raw.height)) + gap;
    return cells;
  });
  const columns = Math.max(...rows.map((row) => row.length));
  const size = { width: columns * (cellWidth + gap) - gap, height: top - gap };
  return await sharp({ create: { ...size, channels: 3, background: "#888" } })
    .composite(placed)
    .jpeg({ quality: 85 })
    .toBuffer();
}
