import { open, type FileHandle } from "node:fs/promises";
import { Fault } from "#shared/domain/fault.ts";
import { sniff, sniffBytes, type ImageFormat } from "./sniff.ts";

/** What is known of an upload before anything decodes it. */
export type UploadFile = {
  path: string;
  bytes: number;
  format: ImageFormat;
  /** Its end is missing by the format's own rules. */
  isCutShort: boolean;
};

/** Ends are looked for within so many last bytes: cameras and editors append things. */
const tailBytes = 64 * 1024;
const boxesMax = 64;

/**
 * Looks at the two ends of an upload. The bytes decide what it is, never its name.
 *
 * @throws Fault (input) `file_unreadable`, `image_empty`, `file_too_large`, `image_unrecognized`, `image_unsupported`.
 */
export async function inspectUpload(path: string, bytesMax: number): Promise<UploadFile> {
  await using file = await open(path).catch((error: unknown) => {
    const message = "The file cannot be opened. Check that it exists and that you may read it.";
    throw new Fault("input", "file_unreadable", message, { cause: error });
  });
  const stat = await file.stat();
  if (!stat.isFile())
    throw new Fault("input", "file_unreadable", "This is a folder or a device, not a file.");
  if (stat.size === 0)
    throw new Fault("input", "image_empty", "The file is empty. Send the photograph again.");
  if (stat.size > bytesMax) {
    const most = Math.floor(bytesMax / 2 ** 20);
    const message = `The file is larger than ${most} MiB. Save it as a JPEG of high quality and send that.`;
    throw new Fault("input", "file_too_large", message);
  }
  const head = await readAt(file, 0, sniffBytes);
  const tail = await readAt(file, Math.max(0, stat.size - tailBytes), tailBytes);
  const format = recognised(head);
  const isCut =
    format === "heic" || format === "avif"
      ? await hasLostBox(file, stat.size)
      : isCutShort({ format, head, tail, bytes: stat.size });
  return { path, bytes: stat.size, format, isCutShort: isCut };
}

function recognised(head: Uint8Array): ImageFormat {
  const sniffed = sniff(head);
  if (sniffed !== undefined && "format" in sniffed) return sniffed.format;
  if (sniffed?.isPhotograph === true) {
    const message = `This is ${sniffed.foreign}, which is not read here. Save it as a JPEG, PNG or TIFF and send that.`;
    throw new Fault("input", "image_unsupported", message);
  }
  const what =
    sniffed === undefined ? "This is no image in a format that is known here" : `This is ${sniffed.foreign}`;
  throw new Fault(
    "input",
    "image_unrecognized",
    `${what}. Send a JPEG, HEIC, PNG, TIFF, WebP, AVIF, GIF or BMP.`,
  );
}

/** Whether the end that the format promises is missing. Where it promises none, false. */
function isCutShort(file: {
  format: Exclude<ImageFormat, "avif" | "heic">;
  head: Buffer;
  tail: Buffer;
  bytes: number;
}): boolean {
  const { format, head, tail, bytes } = file;
  switch (format) {
    case "jpeg":
      return !tail.includes(Buffer.of(0xff, 0xd9));
    case "png":
      return !tail.includes("IEND", 0, "latin1");
    case "gif":
      return !tail.includes(0x3b, Math.max(0, tail.length - 16));
    case "webp":
      return head.length < 8 || head.readUInt32LE(4) + 8 > bytes;
    case "tiff":
      return firstDirectory(head) >= bytes;
    case "bmp":
      return head.length < 6 || head.readUInt32LE(2) > bytes;
  }
}

/** Whether a box of the outermost level ends behind the file (ISO/IEC 14496-12, 4.2). */
async function hasLostBox(file: FileHandle, bytes: number): Promise<boolean> {
  let at = 0;
  for (let box = 0; box < boxesMax && at < bytes; box += 1) {
    const head = await readAt(file, at, 16);
    if (head.length < 8) return true;
    const size = head.readUInt32BE(0);
    // 0: to the end of the file; 1: the size follows in 64 bits.
    if (size === 0) return false;
    if (size === 1 && head.length < 16) return true;
    const length = size === 1 ? Number(head.readBigUInt64BE(8)) : size;
    if (length < 8) return false;
    at += length;
  }
  return at > bytes;
}

/** The offset of the first directory: at the end of the file, as most programs write it. */
function firstDirectory(head: Buffer): number {
  if (head.length < 16) return Number.POSITIVE_INFINITY;
  const isLittle = head[0] === 0x49;
  const isBig = (isLittle ? head[2] : head[3]) === 0x2b;
  if (isBig) return Number(isLittle ? head.readBigUInt64LE(8) : head.readBigUInt64BE(8));
  return isLittle ? head.readUInt32LE(4) : head.readUInt32BE(4);
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
