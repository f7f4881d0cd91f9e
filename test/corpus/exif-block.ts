/** An EXIF block (CIPA DC-008): a little-endian TIFF of a few directories. */

type Value = string | readonly number[] | readonly (readonly [number, number])[] | Uint8Array;
/** Tag and value: text, 16-bit numbers, fractions, or bytes. */
export type ExifField = readonly [tag: number, value: Value];

export interface ExifParts {
  /** The first directory; orientation is 274, the artist 315, the copyright 33432, make and model 271 and 272. */
  image?: readonly ExifField[];
  /** The EXIF directory; the time of the exposure is 36867, serial numbers 42033 and 42037. */
  photo?: readonly ExifField[];
  gps?: readonly ExifField[];
}

const exifPointer = 34_665;
const gpsPointer = 34_853;

export function exifBlock({ image = [], photo, gps }: ExifParts): Buffer {
  const pointers = [
    ...(photo === undefined ? [] : [exifPointer]),
    ...(gps === undefined ? [] : [gpsPointer]),
  ].map((tag): ExifField => [tag, Buffer.alloc(4)]);
  let at = 8;
  const size = directory([...image, ...pointers], at, new Map()).length;
  const places = new Map<number, number>();
  const blocks: Buffer[] = [];
  at += size;
  for (const [tag, fields] of [
    [exifPointer, photo],
    [gpsPointer, gps],
  ] as const) {
    if (fields === undefined) continue;
    const block = directory(fields, at, new Map());
    places.set(tag, at);
    blocks.push(block);
    at += block.length;
  }
  return Buffer.concat([
    Buffer.from([0x49, 0x49, 0x2a, 0, 8, 0, 0, 0]),
    directory([...image, ...pointers], 8, places),
    ...blocks,
  ]);
}

/** The place of a photograph on earth, as a camera writes it. */
export const gpsFields: readonly ExifField[] = [
  [1, "N"],
  [
    2,
    [
      [51, 1],
      [30, 1],
      [3230, 100],
    ],
  ],
  [3, "W"],
  [
    4,
    [
      [0, 1],
      [7, 1],
      [4012, 100],
    ],
  ],
];

function directory(fields: readonly ExifField[], at: number, places: Map<number, number>): Buffer {
  const sorted = [...fields].sort(([a], [b]) => a - b);
  const entries = Buffer.alloc(2 + 12 * sorted.length + 4);
  entries.writeUInt16LE(sorted.length);
  const extras: Buffer[] = [];
  let extraAt = at + entries.length;
  for (const [index, [tag, value]] of sorted.entries()) {
    const { type, count, bytes } = encoded(value);
    const to = 2 + 12 * index;
    const place = places.get(tag);
    const isPointer = tag === exifPointer || tag === gpsPointer;
    entries.writeUInt16LE(tag, to);
    entries.writeUInt16LE(isPointer ? 4 : type, to + 2);
    entries.writeUInt32LE(isPointer ? 1 : count, to + 4);
    if (isPointer) entries.writeUInt32LE(place ?? 0, to + 8);
    else if (bytes.length <= 4) bytes.copy(entries, to + 8);
    else {
      entries.writeUInt32LE(extraAt, to + 8);
      const padded = Buffer.concat([bytes], bytes.length + (bytes.length % 2));
      extras.push(padded);
      extraAt += padded.length;
    }
  }
  return Buffer.concat([entries, ...extras]);
}

function encoded(value: Value): { type: number; count: number; bytes: Buffer } {
  if (typeof value === "string") {
    const bytes = Buffer.from(`${value}\0`, "utf8");
    return { type: 2, count: bytes.length, bytes };
  }
  if (value instanceof Uint8Array) return { type: 7, count: value.length, bytes: Buffer.from(value) };
  const numbers = value.flat();
  const isFractions = Array.isArray(value[0]);
  const bytes = Buffer.alloc(numbers.length * (isFractions ? 4 : 2));
  for (const [index, number] of numbers.entries())
    if (isFractions) bytes.writeUInt32LE(number, 4 * index);
    else bytes.writeUInt16LE(number, 2 * index);
  return { type: isFractions ? 5 : 3, count: value.length, bytes };
}
