import { invariant } from "#shared/domain/fault.ts";
import { rowBuffer, rowSamples, type RasterShape, type RowSource } from "./raster-shape.ts";
import { bicubic } from "./resample.ts";
import { resizedSource } from "./resized-source.ts";
import { createThumbnailer, type Thumbnail, type Thumbnailer } from "./thumbnail.ts";

/** The same at another size, by bicubic. */
export async function resizeThumbnail(picture: Thumbnail, size: Thumbnailer["size"]): Promise<Thumbnail> {
  const { width, height } = picture;
  if (width === size.width && height === size.height) return picture;
  const shape: RasterShape = { width, height, channels: 3, bits: 8 };
  const stride = rowSamples(shape);
  const source: RowSource = {
    shape,
    async readRows(y, count, into) {
      const rows = rowBuffer(shape, count, into);
      rows.set(picture.data.subarray(y * stride, (y + count) * stride));
      return rows;
    },
  };
  const rows = await resizedSource(source, size, bicubic).readRows(0, size.height);
  return { ...size, data: new Uint8ClampedArray(rows.buffer) };
}

/** The same, at most `sideMax` a side: by the smallest whole factor, each pixel the mean of a square. */
export function reduceThumbnail(picture: Thumbnail, sideMax: number): Thumbnail {
  const { width, height, data } = picture;
  if (Math.max(width, height) <= sideMax) return picture;
  const thumbnailer = createThumbnailer({ width, height, channels: 3, bits: 8 }, sideMax);
  thumbnailer.push(new Uint8Array(data.buffer, data.byteOffset, data.length));
  return thumbnailer.finish();
}

/** Width of the white line between two pictures. */
const LINE_PIXELS = 4;

/** Two pictures of one size in one, the first on the left, a white line between them. */
export function sideBySide(left: Thumbnail, right: Thumbnail): Thumbnail {
  const { width, height } = left;
  invariant(right.width === width && right.height === height, "pictures side by side are of one size");
  const whole = 2 * width + LINE_PIXELS;
  const data = new Uint8ClampedArray(whole * height * 3).fill(255);
  for (let y = 0; y < height; y += 1) {
    const row = (picture: Thumbnail): Uint8ClampedArray =>
      picture.data.subarray(y * width * 3, (y + 1) * width * 3);
    data.set(row(left), y * whole * 3);
    data.set(row(right), (y * whole + width + LINE_PIXELS) * 3);
  }
  return { data, width: whole, height };
}
