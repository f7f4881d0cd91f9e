/** The formats that are restored. */
export type ImageFormat = "jpeg" | "png" | "webp" | "tiff" | "gif" | "avif" | "heic" | "bmp";

/** What the first bytes of a file say: a format that is read, or one that is known and not read. */
export type Sniffed = { format: ImageFormat } | { foreign: string; isPhotograph: boolean };

/** So many bytes from the start decide. */
export const sniffBytes = 512;

type Signature = { bytes: readonly number[]; at?: number };

const formats: readonly { format: ImageFormat; signature: Signature }[] = [
  { format: "jpeg", signature: { bytes: [0xff, 0xd8, 0xff] } },
  { format: "png", signature: { bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] } },
  { format: "gif", signature: text("GIF87a") },
  { format: "gif", signature: text("GIF89a") },
  { format: "tiff", signature: { bytes: [0x49, 0x49, 0x2a, 0x00] } },
  { format: "tiff", signature: { bytes: [0x4d, 0x4d, 0x00, 0x2a] } },
  { format: "tiff", signature: { bytes: [0x49, 0x49, 0x2b, 0x00] } },
  { format: "tiff", signature: { bytes: [0x4d, 0x4d, 0x00, 0x2b] } },
];

const foreignPhotographs: readonly { name: string; signature: Signature }[] = [
  // A Canon raw file also begins like a TIFF: it must be looked for first.
  { name: "a Canon raw file", signature: text("CR\u0002", 8) },
  { name: "a Photoshop document", signature: text("8BPS") },
  { name: "a JPEG XL picture", signature: { bytes: [0xff, 0x0a] } },
  { name: "a JPEG XL picture", signature: text("JXL ", 4) },
  { name: "a JPEG 2000 picture", signature: text("jP  ", 4) },
  { name: "a Fuji raw file", signature: text("FUJIFILMCCD-RAW") },
];

const foreignFiles: readonly { name: string; signature: Signature }[] = [
  { name: "a PDF document", signature: text("%PDF-") },
  { name: "a ZIP archive or an office document", signature: { bytes: [0x50, 0x4b, 0x03, 0x04] } },
  { name: "a RAR archive", signature: text("Rar!") },
  { name: "a 7-Zip archive", signature: { bytes: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c] } },
  { name: "a compressed archive", signature: { bytes: [0x1f, 0x8b] } },
  { name: "a program", signature: { bytes: [0x7f, 0x45, 0x4c, 0x46] } },
  { name: "a program", signature: { bytes: [0x4d, 0x5a] } },
  { name: "a PostScript file", signature: text("%!PS") },
  { name: "a video", signature: { bytes: [0x1a, 0x45, 0xdf, 0xa3] } },
];

/**
 * Names a file by its first bytes (W3C "MIME sniffing" and the formats' own specifications). A name or a declared type
 * never counts. Answers undefined when nothing known begins like this.
 *
 * @param head the first {@link sniffBytes} bytes, fewer when the file is shorter.
 */
export function sniff(head: Uint8Array): Sniffed | undefined {
  const photograph = foreignPhotographs.find(({ signature }) => has(head, signature));
  if (photograph !== undefined) return { foreign: photograph.name, isPhotograph: true };
  const known = formats.find(({ signature }) => has(head, signature));
  if (known !== undefined) return { format: known.format };
  // Two letters are little: the size of the header behind them is below 256, and no text.
  if (has(head, text("BM")) && has(head, text("\0\0\0", 15))) return { format: "bmp" };
  if (has(head, text("RIFF")) && has(head, text("WEBP", 8))) return { format: "webp" };
  if (has(head, text("ftyp", 4))) return sniffBrand(head);
  const file = foreignFiles.find(({ signature }) => has(head, signature));
  if (file !== undefined) return { foreign: file.name, isPhotograph: false };
  return sniffText(head);
}

/** ISO base media files name their brands in the first box: AVIF, HEIC and every MP4 begin alike (ISO/IEC 14496-12). */
function sniffBrand(head: Uint8Array): Sniffed {
  const boxBytes = new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(0);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= Math.min(boxBytes, head.length); at += 4) {
    if (at !== 12) brands.push(latin(head.subarray(at, at + 4)));
  }
  if (brands.includes("avif") || brands.includes("avis")) return { format: "avif" };
  if (brands.some((brand) => /^(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(brand))) {
    return { format: "heic" };
  }
  if (brands[0] === "crx ") return { foreign: "a Canon raw file", isPhotograph: true };
  return { foreign: "a video", isPhotograph: false };
}

function sniffText(head: Uint8Array): Sniffed | undefined {
  const start = latin(head);
  if (/<svg[\s>]/i.test(start)) return { foreign: "an SVG drawing", isPhotograph: false };
  if (/<!doctype html|<html[\s>]/i.test(start)) return { foreign: "a web page", isPhotograph: false };
  const isText = head.length > 0 && head.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
  return isText ? { foreign: "text", isPhotograph: false } : undefined;
}

function text(characters: string, at = 0): Signature {
  return { bytes: [...Buffer.from(characters, "latin1")], at };
}

function has(head: Uint8Array, { bytes, at = 0 }: Signature): boolean {
  return bytes.every((byte, index) => head[at + index] === byte);
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
