import { Credits } from "#shared/domain/analysis.ts";

/**
 * Who made a photograph, who owns it and when it was taken, as its metadata say: EXIF (CIPA DC-008) first, then XMP
 * (ISO 16684-1), then IPTC-IIM. Nothing else is read: no place, no camera, no number. Anything may stand in these bytes.
 */

const entriesMax = 500;
const textBytesMax = 2_000;
const wordsMax = 200;
const packetBytesMax = 1 << 20;

export function creditsOf(metadata: {
  exif?: Buffer | undefined;
  xmp?: Buffer | undefined;
  iptc?: Buffer | undefined;
}): Credits | undefined {
  const sources = [fromExif(metadata.exif), fromXmp(metadata.xmp), fromIptc(metadata.iptc)];
  const first = (name: keyof Found, clean: (text: string) => string | undefined) => {
    for (const source of sources) {
      const text = source[name] === undefined ? undefined : clean(source[name]);
      if (text !== undefined) return { [name]: text };
    }
    return {};
  };
  const credits = { ...first("author", words), ...first("copyright", words), ...first("takenAt", time) };
  return Object.keys(credits).length === 0 ? undefined : Credits.parse(credits);
}

type Found = { author?: string | undefined; copyright?: string | undefined; takenAt?: string | undefined };

/** One line of what can be read: no control or format characters, no lone surrogates. */
function words(text: string): string | undefined {
  const line = text
    .toWellFormed()
    .replaceAll(/[\p{C}\p{Z}\uFFFD]+/gu, " ")
    .trim();
  return line === "" ? undefined : Array.from(line).slice(0, wordsMax).join("").trim();
}

/** As ISO 8601, in the time of the place where it was taken, with its offset where that is known. */
function time(text: string): string | undefined {
  const parts =
    /^(\d{4})[:-]?(\d\d)[:-]?(\d\d)(?:[ T]?(\d\d):?(\d\d):?(\d\d)(?:\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?/.exec(
      text.trim(),
    );
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, offset] = parts;
  const date = `${year}-${month}-${day}`;
  // What no calendar knows, such as the zeros of a camera whose clock was never set.
  if (Number.isNaN(Date.parse(date)) || year === "0000") return undefined;
  if (hour === undefined) return date;
  const clock = `${date}T${hour}:${minute}:${second}`;
  if (Number.isNaN(Date.parse(clock))) return undefined;
  return offset === undefined ? clock : `${clock}${offset.replace(/^([+-]\d\d):?(\d\d)$/, "$1:$2")}`;
}

const artist = 0x13b;
const copyright = 0x8298;
const exifDirectory = 0x8769;
const gpsDirectory = 0x8825;
const timeOriginal = 0x9003;
const offsetOriginal = 0x9011;
const kept = new Set([artist, copyright, timeOriginal, offsetOriginal]);

/** ASCII, and UTF-8 since EXIF 3.0. */
const textTypes = new Set([2, 129]);
/** Bytes of a value by its type, from 0. */
const valueBytes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];

function fromExif(exif: Buffer | undefined): Found {
  const tiff = exif?.toString("latin1", 0, 4) === "Exif" ? exif.subarray(6) : exif;
  if (tiff === undefined || tiff.length < 8) return {};
  const isLittle = tiff[0] === 0x49;
  const image = directory(tiff, u32(tiff, 4, isLittle), isLittle);
  const [photo, gps, thumbnail] = [
    valueOf(image, exifDirectory),
    valueOf(image, gpsDirectory),
    image.next,
  ].map((at) => directory(tiff, at, isLittle)) as [Directory, Directory, Directory];
  const all = [image, photo, gps, thumbnail];
  if (!all.every(isOrdered)) return {};
  const entries = all.flatMap((each) => each.entries);
  const others = entries.filter(({ tag }) => !kept.has(tag));

  const text = (from: Directory, tag: number) => {
    const entry = from.entries.find((each) => each.tag === tag && textTypes.has(each.type));
    // In a damaged block a text may reach into what must not be told: a number, a place.
    if (entry === undefined || others.some((other) => overlap(entry, other))) return undefined;
    // Text ends with a zero that is counted: without one it is no text, or not all of it.
    if (tiff[entry.at + entry.bytes - 1] !== 0) return undefined;
    const parts = utf8OrLatin(tiff.subarray(entry.at, entry.at + Math.min(entry.bytes, textBytesMax))).split(
      "\0",
    );
    // A copyright may hold two, the photographer's and the editor's: a blank stands for a first one that is missing.
    return parts.find((part) => part.trim() !== "");
  };
  const taken = text(photo, timeOriginal);
  return {
    author: text(image, artist),
    copyright: text(image, copyright),
    takenAt: taken === undefined ? undefined : `${taken}${text(photo, offsetOriginal) ?? ""}`,
  };
}

/** Where a value lies in the block, and the number that stands in the directory itself. */
type Entry = { tag: number; type: number; at: number; bytes: number; value: number };
type Directory = { entries: Entry[]; next: number };

function directory(tiff: Buffer, at: number, isLittle: boolean): Directory {
  if (at === 0) return { entries: [], next: 0 };
  const count = Math.min(u16(tiff, at, isLittle), entriesMax);
  const entries = Array.from({ length: count }, (_, index): Entry => {
    const start = at + 2 + 12 * index;
    const type = u16(tiff, start + 2, isLittle);
    const bytes = u32(tiff, start + 4, isLittle) * (valueBytes[type] ?? 1);
    const value = u32(tiff, start + 8, isLittle);
    return { tag: u16(tiff, start, isLittle), type, at: bytes <= 4 ? start + 8 : value, bytes, value };
  });
  return { entries, next: u32(tiff, at + 2 + 12 * count, isLittle) };
}

/**
 * Tags ascend (TIFF 6.0, section 2): where they do not, one may stand under another's name, a camera under the author's.
 * Then nothing of the block is believed.
 */
function isOrdered({ entries }: Directory): boolean {
  return entries.every(({ tag }, index) => index === 0 || tag > entries[index - 1]!.tag);
}

function valueOf({ entries }: Directory, tag: number): number {
  return entries.find((each) => each.tag === tag)?.value ?? 0;
}

function overlap(one: Entry, other: Entry): boolean {
  return one.at < other.at + other.bytes && other.at < one.at + one.bytes;
}

function u16(bytes: Buffer, at: number, isLittle: boolean): number {
  if (at + 2 > bytes.length) return 0;
  return isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
}

function u32(bytes: Buffer, at: number, isLittle: boolean): number {
  if (at + 4 > bytes.length) return 0;
  return isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
}

function fromXmp(xmp: Buffer | undefined): Found {
  if (xmp === undefined || xmp.length > packetBytesMax) return {};
  const packet = xmp.toString("utf8");
  const item = (name: string) => {
    const start = packet.indexOf(`<${name}>`);
    const end = packet.indexOf(`</${name}>`, start);
    if (start < 0 || end < 0 || end - start > textBytesMax) return undefined;
    const text = /<rdf:li[^>]{0,100}>([^<]{1,1000})</.exec(packet.slice(start, end))?.[1];
    return text === undefined ? undefined : unescaped(text);
  };
  return {
    author: item("dc:creator"),
    copyright: item("dc:rights"),
    takenAt: /(?:photoshop:DateCreated|exif:DateTimeOriginal)(?:="|>)([^"<]{1,40})/.exec(packet)?.[1],
  };
}

function unescaped(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}

/** Datasets of record 2 (IIM 4.2): 0x1c, 2, the number, a length of 16 bits, the text. */
function fromIptc(iptc: Buffer | undefined): Found {
  if (iptc === undefined) return {};
  const dataset = (number: number) => {
    const at = iptc.indexOf(Buffer.of(0x1c, 2, number));
    if (at < 0 || at + 5 > iptc.length) return undefined;
    const length = Math.min(iptc.readUInt16BE(at + 3), textBytesMax);
    const text = iptc.subarray(at + 5, at + 5 + length);
    // No text reaches into the next dataset, whatever its length says.
    const next = text.indexOf(0x1c);
    return utf8OrLatin(next < 0 ? text : text.subarray(0, next));
  };
  const [date, clock] = [dataset(55), dataset(60)];
  return {
    author: dataset(80),
    copyright: dataset(116),
    takenAt: date === undefined ? undefined : `${date}${clock === undefined ? "" : `T${clock}`}`,
  };
}

/** ASCII by the specifications; UTF-8 or Latin by what is written. */
function utf8OrLatin(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return text.includes("\uFFFD") ? bytes.toString("latin1") : text;
}
