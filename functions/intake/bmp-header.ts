/** What the head of a BMP states. Microsoft, "Bitmap Storage": BITMAPCOREHEADER to BITMAPV5HEADER. */
export type BmpHeader = {
  width: number;
  height: number;
  isTopDown: boolean;
  bitsPerPixel: 1 | 2 | 4 | 8 | 16 | 24 | 32;
  packing: "plain" | "run-lengths";
  /** Of the pixels, from the start of the file. */
  firstByte: number;
  /** Red, green, blue of up to 256 colours, for 8 bits and less; colours that the file lacks are black. */
  palette: Uint8Array;
  /** Which bits of a pixel of 16 or 32 bits are red, green, blue, alpha (0 where there is none). */
  masks: readonly [number, number, number, number];
  icc?: Uint8Array;
};

const coreBytes = 12;
/** Sizes by which the kinds of header are told apart; the one of 64 is OS/2's, read as one of 40. */
const headerSizes: ReadonlySet<number> = new Set([coreBytes, 40, 52, 56, 64, 108, 124]);
const fileHeaderBytes = 14;
const iccBytesMax = 4 << 20;

/** The header, or why it is none: `broken` where it contradicts itself, `unsupported` for what is not read here. */
export function readBmpHeader(file: Buffer): BmpHeader | "broken" | "unsupported" {
  if (file.length < fileHeaderBytes + coreBytes) return "broken";
  const headerBytes = file.readUInt32LE(14);
  if (!headerSizes.has(headerBytes)) return "unsupported";
  // Whatever kind it is: the rest of the head reads as zeros where the file ends.
  const head = Buffer.alloc(fileHeaderBytes + 124 + 16);
  file.copy(head, 0, 0, Math.min(head.length, file.length));
  const isCore = headerBytes === coreBytes;
  const width = isCore ? head.readUInt16LE(18) : head.readInt32LE(18);
  const signedHeight = isCore ? head.readUInt16LE(20) : head.readInt32LE(22);
  const bitsPerPixel = head.readUInt16LE(isCore ? 24 : 28);
  const compression = isCore ? 0 : head.readUInt32LE(30);
  const firstByte = file.readUInt32LE(10);
  const height = Math.abs(signedHeight);
  if (width < 1 || height < 1) return "broken";
  if (!isDepth(bitsPerPixel) || !isKnownPacking(compression, bitsPerPixel)) return "unsupported";
  const hasMasks = compression === 3 || compression === 6;
  const masksBehind = hasMasks && headerBytes === 40 ? (compression === 3 ? 12 : 16) : 0;
  const paletteAt = fileHeaderBytes + headerBytes + masksBehind;
  if (firstByte < fileHeaderBytes + headerBytes || firstByte >= file.length) return "broken";
  const icc = profile(file, headerBytes);
  return {
    width,
    height,
    isTopDown: signedHeight < 0,
    bitsPerPixel,
    packing: compression === 1 || compression === 2 ? "run-lengths" : "plain",
    firstByte,
    palette: paletteOf(file.subarray(paletteAt, Math.max(paletteAt, firstByte)), {
      entryBytes: isCore ? 3 : 4,
      colours: bitsPerPixel <= 8 ? 2 ** bitsPerPixel : 0,
    }),
    masks: masksOf(head, {
      bitsPerPixel,
      hasMasks,
      hasAlpha: hasMasks && (headerBytes >= 56 || compression === 6) && headerBytes !== 64,
    }),
    ...(icc === undefined ? {} : { icc }),
  };
}

function isDepth(bits: number): bits is BmpHeader["bitsPerPixel"] {
  return [1, 2, 4, 8, 16, 24, 32].includes(bits);
}

/** 0 plain, 1 and 2 run lengths of 8 and 4 bits, 3 and 6 bit fields; 4 and 5 are a JPEG or PNG inside. */
function isKnownPacking(compression: number, bits: number): boolean {
  if (compression === 1) return bits === 8;
  if (compression === 2) return bits === 4;
  if (compression === 3 || compression === 6) return bits === 16 || bits === 32;
  return compression === 0;
}

function paletteOf(bytes: Buffer, table: { entryBytes: number; colours: number }): Uint8Array {
  const palette = new Uint8Array(table.colours * 3);
  for (let colour = 0; colour < table.colours; colour += 1) {
    for (let channel = 0; channel < 3; channel += 1)
      palette[3 * colour + channel] = bytes[table.entryBytes * colour + 2 - channel] ?? 0;
  }
  return palette;
}

function masksOf(
  head: Buffer,
  { bitsPerPixel, hasMasks, hasAlpha }: { bitsPerPixel: number; hasMasks: boolean; hasAlpha: boolean },
): BmpHeader["masks"] {
  if (!hasMasks) return bitsPerPixel === 16 ? [0x7c00, 0x03e0, 0x001f, 0] : [0xff_0000, 0xff00, 0xff, 0];
  const mask = (index: number) => head.readUInt32LE(54 + 4 * index);
  return [mask(0), mask(1), mask(2), hasAlpha ? mask(3) : 0];
}

/** The profile that a BITMAPV5HEADER embeds ("MBED", stored from its last byte to its first); one that is linked to is not. */
function profile(file: Buffer, headerBytes: number): Uint8Array | undefined {
  if (headerBytes < 124 || file.length < fileHeaderBytes + 124) return undefined;
  if (file.toString("latin1", 70, 74) !== "DEBM") return undefined;
  const at = fileHeaderBytes + file.readUInt32LE(126);
  const bytes = file.readUInt32LE(130);
  if (bytes < 128 || bytes > iccBytesMax || at + bytes > file.length) return undefined;
  return file.subarray(at, at + bytes);
}
