/** More is never looked through: tables come first, behind the metadata, which may be long. */
export const jpegHeadBytes = 1 << 20;
const segmentsMax = 2_000;

/** The luminance table of ITU-T T.81 Annex K.1 in zigzag order: what libjpeg scales by its "quality". */
const standardLuminance = [
  16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58,
  51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103,
  62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];

/**
 * Estimates the quality, 1–100 on the scale of the IJG library, at which a JPEG was saved, from its luminance quantisation
 * table: each entry is compared with the standard table (T.81 Annex K.1), and the mean ratio is turned back by libjpeg's
 * rule (`jpeg_quality_scaling`). Encoders with tables of their own get the nearest equivalent.
 *
 * @param head the first {@link jpegHeadBytes} bytes of the file, fewer when it is shorter.
 * @returns undefined when no luminance table can be read there.
 */
export function estimateJpegQuality(head: Uint8Array): number | undefined {
  const table = luminanceTable(head.subarray(0, jpegHeadBytes));
  if (table === undefined) return undefined;
  // Entries at 1 and 255 were clamped there by the encoder and say less than the others.
  const free = [...table.entries()].filter(([, entry]) => entry > 1 && entry !== 255);
  if (free.length === 0) return table[0] === 1 ? 100 : 1;
  const ratios = free.map(([index, entry]) => entry / standardLuminance[index]!);
  const percent = (100 * ratios.reduce((sum, ratio) => sum + ratio, 0)) / ratios.length;
  const quality = percent <= 100 ? (200 - percent) / 2 : 5_000 / percent;
  return Math.min(100, Math.max(1, Math.round(quality)));
}

/** Walks the marker segments (T.81 Annex B) up to the first scan and answers table 0, in zigzag order. */
function luminanceTable(bytes: Uint8Array): number[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return undefined;
  let at = 2;
  for (let segment = 0; segment < segmentsMax && at + 4 <= bytes.length; segment++) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return undefined;
    const isBare = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
    const length = isBare ? 0 : view.getUint16(at + 2);
    if (!isBare && length < 2) return undefined;
    if (marker === 0xdb) {
      const table = tableZero(bytes.subarray(at + 4, at + 2 + length));
      if (table !== undefined) return table;
    }
    at += 2 + length;
  }
  return undefined;
}

/** One DQT segment holds up to four tables of 64 entries, of one or two bytes each. */
function tableZero(segment: Uint8Array): number[] | undefined {
  let at = 0;
  while (at < segment.length) {
    const precision = segment[at]! >> 4;
    const id = segment[at]! & 15;
    if (precision > 1) return undefined;
    const entryBytes = precision + 1;
    const entries = segment.subarray(at + 1, at + 1 + 64 * entryBytes);
    if (entries.length < 64 * entryBytes) return undefined;
    if (id === 0) {
      const table = Array.from({ length: 64 }, (_, index) =>
        precision === 0 ? entries[index]! : entries[2 * index]! * 256 + entries[2 * index + 1]!,
      );
      return table.includes(0) ? undefined : table;
    }
    at += 1 + entries.length;
  }
  return undefined;
}
