import {
  createBitReader,
  createBitWriter,
  endInterval,
  isAtEnd,
  lastBits,
  lookupTable,
  putBits,
  readCodeTables,
  takeBits,
  takeCode,
  writtenBytes,
  type BitReader,
  type BitWriter,
  type CodeTable,
} from "./jpeg-bits.ts";

/** A progressive JPEG of three components, taken apart: each a gray JPEG of the same size. */
export type JpegPlanes = {
  width: number;
  height: number;
  /** The components are red, green and blue; otherwise they are Y, Cb and Cr. */
  isRgb: boolean;
  files: [Buffer, Buffer, Buffer];
};

/** As libvips: a file of more is an attack on its reader's time. */
const scansMax = 100;
const segmentsMax = 2_000;

const startOfImage = Buffer.of(0xff, 0xd8);
const endOfImage = 0xd9;
const startOfScan = 0xda;
const quantisation = 0xdb;
const huffman = 0xc4;
const restartInterval = 0xdd;
const progressiveFrame = 0xc2;
const firstRestart = 0xd0;

/**
 * A decoder of progressive JPEG (ITU-T T.81, annex G) holds the coefficients of all components until the last scan has
 * passed: six bytes a pixel where the chroma is not halved. Gray planes can be decoded one after another, in two bytes a
 * pixel. No coefficient is decoded for that: scans of one component are copied, and of scans of several, which hold
 * nothing but DC coefficients (G.1.1.1.1), the codes of each block are handed on bit for bit.
 *
 * @returns undefined for any other file, and for one in which anything is not as it should be.
 */
export function splitJpeg(file: Buffer): JpegPlanes | undefined {
  const segments = segmentsOf(file);
  const frame = segments === undefined ? undefined : readFrame(segments);
  if (segments === undefined || frame === undefined) return undefined;
  if (segments.filter(({ code }) => code === startOfScan).length > scansMax) return undefined;
  const parts: Buffer[][] = frame.ids.map(() => [startOfImage]);
  const tables = new Map<number, CodeTable>();
  let interval = 0;
  for (const segment of segments) {
    const { code, data, whole } = segment;
    if (code === huffman && !readCodeTables(data, tables)) return undefined;
    if (code === restartInterval) interval = data.length < 2 ? 0 : data.readUInt16BE(0);
    if (code === huffman || code === restartInterval || code === quantisation)
      for (const part of parts) part.push(whole);
    if (code === progressiveFrame)
      for (const [plane, part] of parts.entries()) part.push(frameOfPlane(data, plane));
    if (code !== startOfScan) continue;
    const scan = readScan(segment, frame.ids);
    if (scan === undefined) return undefined;
    const split = splitScan(scan, { blocks: frame.blocks, interval, tables });
    if (split === undefined) return undefined;
    for (const [index, coded] of split.entries()) {
      const { plane, header } = scan.components[index]!;
      parts[plane]!.push(header, coded);
    }
  }
  const end = Buffer.of(0xff, endOfImage);
  const files = parts.map((part) => Buffer.concat([...part, end])) as JpegPlanes["files"];
  return { width: frame.width, height: frame.height, isRgb: isRgb(segments, frame.ids), files };
}

/** A marker and what belongs to it. */
type Segment = {
  code: number;
  /** From the marker on, and without the marker and the length. */
  whole: Buffer;
  data: Buffer;
  /** The entropy-coded data behind the head of a scan. */
  coded: Buffer;
};

function segmentsOf(file: Buffer): Segment[] | undefined {
  const segments: Segment[] = [];
  for (let at = 2; at + 2 <= file.length && segments.length < segmentsMax;) {
    const code = file[at + 1]!;
    if (file[at] !== 0xff) return undefined;
    if (code === endOfImage) return segments;
    if (at + 4 > file.length) return undefined;
    const next = at + 2 + file.readUInt16BE(at + 2);
    if (next < at + 4 || next > file.length) return undefined;
    const end = code === startOfScan ? endOfScan(file, next) : next;
    segments.push({
      code,
      whole: file.subarray(at, next),
      data: file.subarray(at + 4, next),
      coded: file.subarray(next, end),
    });
    at = end;
  }
  return undefined;
}

/** Where the next marker is that is no restart. */
function endOfScan(file: Buffer, from: number): number {
  let at = file.indexOf(0xff, from);
  while (at >= 0 && at + 1 < file.length) {
    const code = file[at + 1]!;
    if (code !== 0 && (code & 0xf8) !== firstRestart) return at;
    at = file.indexOf(0xff, at + 2);
  }
  return file.length;
}

type Frame = { width: number; height: number; ids: number[]; blocks: number };

/** B.2.2: the only frame, progressive, of 8 bits and three components of the same size. */
function readFrame(segments: readonly Segment[]): Frame | undefined {
  const frames = segments.filter(({ code }) => code >= 0xc0 && code <= 0xcf && code !== huffman);
  const [frame] = frames;
  if (frames.length !== 1 || frame?.code !== progressiveFrame) return undefined;
  const { data } = frame;
  if (data.length !== 15 || data[0] !== 8 || data[5] !== 3) return undefined;
  const [height, width] = [data.readUInt16BE(1), data.readUInt16BE(3)];
  const ids = [data[6]!, data[9]!, data[12]!];
  const isEven = [7, 10, 13].every((at) => data[at] === 0x11);
  if (width === 0 || height === 0 || !isEven || new Set(ids).size < ids.length) return undefined;
  return { width, height, ids, blocks: Math.ceil(width / 8) * Math.ceil(height / 8) };
}

/** The same frame with one of its components. */
function frameOfPlane(data: Buffer, plane: number): Buffer {
  const head = Buffer.of(0xff, progressiveFrame, 0, 11);
  const component = data.subarray(6 + 3 * plane, 9 + 3 * plane);
  return Buffer.concat([head, data.subarray(0, 5), Buffer.of(1), component]);
}

type Scan = {
  /** By the order of the scan: which plane, its head as a scan of its own, the number of its table of DC codes. */
  components: { plane: number; header: Buffer; table: number }[];
  isRefinement: boolean;
  coded: Buffer;
};

/** B.2.3. */
function readScan({ data, coded }: Segment, ids: readonly number[]): Scan | undefined {
  const count = data[0] ?? 0;
  if (count < 1 || count > ids.length || data.length !== 4 + 2 * count) return undefined;
  const progress = data.subarray(1 + 2 * count);
  const components = Array.from({ length: count }, (_, index) => {
    const component = data.subarray(1 + 2 * index, 3 + 2 * index);
    const header = Buffer.concat([Buffer.of(0xff, startOfScan, 0, 8, 1), component, progress]);
    return { plane: ids.indexOf(component[0]!), header, table: component[1]! >> 4 };
  });
  const isDc = progress[0] === 0 && progress[1] === 0;
  if (components.some(({ plane }) => plane < 0) || (count > 1 && !isDc)) return undefined;
  return { components, isRefinement: progress[2]! >> 4 > 0, coded };
}

type Coding = { blocks: number; interval: number; tables: ReadonlyMap<number, CodeTable> };

/** The coded data of each component of a scan; undefined where they do not hold together. */
function splitScan(scan: Scan, { blocks, interval, tables }: Coding): Buffer[] | undefined {
  if (scan.components.length === 1) return [scan.coded];
  const lines = scan.components.map(({ table }) => {
    const codes = scan.isRefinement ? undefined : tables.get(table);
    return { writer: createBitWriter(), table: codes === undefined ? undefined : lookupTable(codes) };
  });
  if (!scan.isRefinement && lines.some(({ table }) => table === undefined)) return undefined;
  const perInterval = interval === 0 ? blocks : interval;
  let at = 0;
  for (let block = 0, restart = 0; block < blocks; block += perInterval, restart = (restart + 1) % 8) {
    const reader = createBitReader(scan.coded, at);
    const count = Math.min(perInterval, blocks - block);
    if (!splitBlocks(reader, lines, count) || !isAtEnd(reader)) return undefined;
    const isLast = block + count >= blocks;
    if (!isLast && scan.coded[reader.at + 1] !== firstRestart + restart) return undefined;
    for (const { writer } of lines) endInterval(writer, isLast ? undefined : firstRestart + restart);
    at = reader.at + 2;
  }
  return at < scan.coded.length ? undefined : lines.map(({ writer }) => writtenBytes(writer));
}

/** One block of each component by turns: a code that says how many bits follow, and those; in a refinement, one bit. */
function splitBlocks(
  reader: BitReader,
  lines: readonly { writer: BitWriter; table: Uint16Array | undefined }[],
  count: number,
): boolean {
  for (let block = 0; block < count; block += 1) {
    for (const { writer, table } of lines) {
      if (table === undefined) {
        putBits(writer, takeBits(reader, 1), 1);
        continue;
      }
      const code = takeCode(reader, table);
      const [length, more] = [code >> 8, code & 255];
      if (length === 0 || more > 15) return false;
      putBits(writer, lastBits(reader, length), length);
      putBits(writer, takeBits(reader, more), more);
    }
    if (reader.missing > reader.count) return false;
  }
  return true;
}

/** What the components stand for, as libjpeg takes them: by JFIF, by Adobe's segment, by their names. */
function isRgb(segments: readonly Segment[], ids: readonly number[]): boolean {
  const has = (code: number, name: string) =>
    segments.find((segment) => segment.code === code && segment.data.toString("latin1", 0, 5) === name);
  if (has(0xe0, "JFIF\0") !== undefined) return false;
  const adobe = has(0xee, "Adobe");
  if (adobe !== undefined && adobe.data.length >= 12) return adobe.data[11] === 0;
  return Buffer.from(ids).toString("latin1") === "RGB";
}
