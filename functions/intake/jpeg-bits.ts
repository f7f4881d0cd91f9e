/** Entropy-coded data of JPEG (ITU-T T.81, annex F): bits, first the highest of each byte; a zero is stuffed behind 0xff. */

export type BitReader = {
  readonly bytes: Uint8Array;
  at: number;
  /** The last `count` bits of `bits` are yet to be read; no more than 24. */
  bits: number;
  count: number;
  /** Zeros that were read behind the end of the data. */
  missing: number;
};

export function createBitReader(bytes: Uint8Array, at: number): BitReader {
  return { bytes, at, bits: 0, count: 0, missing: 0 };
}

/** Nothing but what fills up the last byte is left before the next marker, and no bit was read that is not there. */
export function isAtEnd(reader: BitReader): boolean {
  const { bytes, at, count, missing } = reader;
  const isAtMarker = at >= bytes.length || (bytes[at] === 0xff && bytes[at + 1] !== 0);
  return isAtMarker && count >= missing && count - missing < 8;
}

/** The next `length` bits, 16 at most. */
export function takeBits(reader: BitReader, length: number): number {
  if (length === 0) return 0;
  if (reader.count < length) fill(reader);
  reader.count -= length;
  return (reader.bits >>> reader.count) & ((1 << length) - 1);
}

/**
 * The next code by its {@link lookupTable}: its length in the high byte and its symbol in the low one, 0 for none. The code
 * itself is what {@link lastBits} answers.
 */
export function takeCode(reader: BitReader, table: Uint16Array): number {
  if (reader.count < 16) fill(reader);
  const found = table[(reader.bits >>> (reader.count - 16)) & 0xffff]!;
  reader.count -= found >> 8;
  return found;
}

/** The `length` bits that were read last. */
export function lastBits(reader: BitReader, length: number): number {
  return (reader.bits >>> reader.count) & ((1 << length) - 1);
}

function fill(reader: BitReader): void {
  const { bytes } = reader;
  while (reader.count <= 16) {
    const byte = bytes[reader.at];
    const isData = byte !== undefined && (byte !== 0xff || bytes[reader.at + 1] === 0);
    reader.bits = ((reader.bits << 8) | (isData ? byte : 0)) >>> 0;
    reader.count += 8;
    if (isData) reader.at += byte === 0xff ? 2 : 1;
    else reader.missing += 8;
  }
}

export type BitWriter = { bytes: Uint8Array; at: number; bits: number; count: number };

export function createBitWriter(): BitWriter {
  return { bytes: new Uint8Array(1 << 16), at: 0, bits: 0, count: 0 };
}

/** @param length of `bits`, 16 at most. */
export function putBits(writer: BitWriter, bits: number, length: number): void {
  writer.bits = ((writer.bits << length) | bits) & 0x7f_ffff;
  writer.count += length;
  while (writer.count >= 8) {
    writer.count -= 8;
    const byte = (writer.bits >>> writer.count) & 255;
    putByte(writer, byte);
    if (byte === 0xff) putByte(writer, 0);
  }
}

/** Fills the last byte up with ones (F.1.2.3), and appends a marker where one is given. */
export function endInterval(writer: BitWriter, marker?: number): void {
  if (writer.count > 0) putBits(writer, 0xff >> writer.count, 8 - writer.count);
  if (marker === undefined) return;
  putByte(writer, 0xff);
  putByte(writer, marker);
}

export function writtenBytes({ bytes, at }: BitWriter): Buffer {
  return Buffer.from(bytes.buffer, 0, at);
}

function putByte(writer: BitWriter, byte: number): void {
  if (writer.at === writer.bytes.length) {
    const longer = new Uint8Array(2 * writer.bytes.length);
    longer.set(writer.bytes);
    writer.bytes = longer;
  }
  writer.bytes[writer.at] = byte;
  writer.at += 1;
}

/** A table of codes as a file states it: how many there are of each length, and what they stand for. */
export type CodeTable = { counts: Uint8Array; symbols: Uint8Array };

/**
 * The tables of one DHT segment (B.2.4.2), by what the segment calls them: class and number.
 *
 * @returns false where the segment is malformed.
 */
export function readCodeTables(segment: Uint8Array, tables: Map<number, CodeTable>): boolean {
  for (let at = 0; at < segment.length;) {
    const counts = segment.subarray(at + 1, at + 17);
    const length = counts.reduce((sum, count) => sum + count, 0);
    const symbols = segment.subarray(at + 17, at + 17 + length);
    if (counts.length < 16 || symbols.length < length) return false;
    tables.set(segment[at]!, { counts, symbols });
    at += 17 + length;
  }
  return true;
}

/**
 * Indexed by the next 16 bits: the length of the code with which they begin in the high byte, its symbol in the low one,
 * 0 where there is none. Codes of one length are consecutive, and shorter ones come first (annex C).
 *
 * @returns undefined where there are more codes than bits allow.
 */
export function lookupTable({ counts, symbols }: CodeTable): Uint16Array | undefined {
  const table = new Uint16Array(1 << 16);
  let next = 0;
  let index = 0;
  for (const [at, count] of counts.entries()) {
    const length = at + 1;
    const span = 1 << (16 - length);
    if (next + count * span > table.length) return undefined;
    for (let i = 0; i < count; i += 1, next += span, index += 1)
      table.fill((length << 8) | symbols[index]!, next, next + span);
  }
  return table;
}
