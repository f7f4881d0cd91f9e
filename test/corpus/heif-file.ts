import { encodeHevc, type Yuv } from "./hevc-still.ts";

/** A HEIC file (ISO/IEC 23008-12) of one coded picture, of a grid of it, and whatever hangs on it. */
export interface HeifParts {
  picture: Yuv;
  /** A second, gray picture as alpha. */
  alpha?: Yuv;
  /** Shows the picture so many times across and down, as cameras store their tiles. */
  grid?: { columns: number; rows: number };
  /** Quarter turns against the clock (`irot`), then a mirror (`imir`: 0 left to right is top to bottom swapped). */
  turns?: 1 | 2 | 3;
  mirror?: 0 | 1;
  icc?: Buffer;
  /** TIFF-formatted EXIF, without "Exif\0\0". */
  exif?: Buffer;
  xmp?: string;
  /** What `ispe` says instead of the truth. */
  claimed?: { width: number; height: number };
}

/** One item: its type, its bytes, and the numbers (from 1) of its properties. */
interface Item {
  id: number;
  type: string;
  mime?: string;
  isHidden?: boolean;
  /** Items of the same bytes share their place in the file. */
  data: Buffer;
  properties: number[];
}

export function heifFile(parts: HeifParts): Buffer {
  const properties: Buffer[] = [];
  const property = (bytes: Buffer): number => properties.push(bytes);
  const coded = codedItem(1, parts.picture, property);
  const references: Buffer[] = [];
  const size = parts.claimed ?? parts.picture;
  const shown = parts.grid === undefined ? coded : gridItem(2, parts.grid, size);
  const items: Item[] = [shown];
  if (parts.grid !== undefined) {
    coded.properties.push(property(fullBox("ispe", [u32(size.width), u32(size.height)])));
    const count = parts.grid.columns * parts.grid.rows;
    const tiles = Array.from({ length: count }, (_, index) => ({ ...coded, id: 10 + index, isHidden: true }));
    items.push(...tiles);
    references.push(
      reference(
        "dimg",
        2,
        tiles.map(({ id }) => id),
      ),
    );
  }
  const across = parts.grid?.columns ?? 1;
  const down = parts.grid?.rows ?? 1;
  const colour =
    parts.icc === undefined
      ? [Buffer.from("nclx"), u16(1), u16(13), u16(6), Buffer.of(0x80)]
      : [Buffer.from("prof"), parts.icc];
  shown.properties.push(
    property(fullBox("ispe", [u32(size.width * across), u32(size.height * down)])),
    property(box("colr", colour)),
  );
  if (parts.turns !== undefined) shown.properties.push(property(box("irot", [Buffer.of(parts.turns)])));
  if (parts.mirror !== undefined) shown.properties.push(property(box("imir", [Buffer.of(parts.mirror)])));
  if (parts.alpha !== undefined) {
    const alpha = codedItem(3, parts.alpha, property);
    alpha.properties.push(
      property(fullBox("ispe", [u32(parts.alpha.width), u32(parts.alpha.height)])),
      property(fullBox("auxC", [Buffer.from("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")])),
    );
    items.push(alpha);
    references.push(reference("auxl", 3, [shown.id]));
  }
  if (parts.exif !== undefined) {
    items.push({ id: 4, type: "Exif", data: Buffer.concat([u32(0), parts.exif]), properties: [] });
    references.push(reference("cdsc", 4, [shown.id]));
  }
  if (parts.xmp !== undefined) {
    const mime = "application/rdf+xml";
    items.push({ id: 5, type: "mime", mime, data: Buffer.from(parts.xmp), properties: [] });
    references.push(reference("cdsc", 5, [shown.id]));
  }
  return assemble({ items, properties, references, primary: shown.id });
}

function codedItem(id: number, picture: Yuv, property: (bytes: Buffer) => number): Item {
  const { sets, slice } = encodeHevc(picture);
  const depth = 0xf8 + picture.bits - 8;
  const configuration = Buffer.concat([
    Buffer.of(1, picture.bits === 8 ? 1 : 2),
    u32(picture.bits === 8 ? 0x6000_0000 : 0x2000_0000),
    Buffer.of(0x90, 0, 0, 0, 0, 0, 183, 0xf0, 0, 0xfc, 0xfd, depth, depth, 0, 0, 0x0f, sets.length),
    ...sets.map((set, index) => Buffer.concat([Buffer.of(0x80 | (32 + index), 0, 1), u16(set.length), set])),
  ]);
  const pixi = fullBox("pixi", [Buffer.of(3, picture.bits, picture.bits, picture.bits)]);
  return {
    id,
    type: "hvc1",
    data: Buffer.concat([u32(slice.length), slice]),
    properties: [property(box("hvcC", [configuration])), property(pixi)],
  };
}

function gridItem(
  id: number,
  grid: { columns: number; rows: number },
  tile: { width: number; height: number },
): Item {
  const { columns, rows } = grid;
  const data = Buffer.concat([
    Buffer.of(0, 1, rows - 1, columns - 1),
    u32(columns * tile.width),
    u32(rows * tile.height),
  ]);
  return { id, type: "grid", data, properties: [] };
}

function assemble(file: {
  items: readonly Item[];
  properties: readonly Buffer[];
  references: readonly Buffer[];
  primary: number;
}): Buffer {
  const { items, properties, references, primary } = file;
  const ftyp = box("ftyp", [Buffer.from("heic"), u32(0), Buffer.from("mif1heic")]);
  const infos = items.map(({ id, type, mime, isHidden = false }) => {
    const words = Buffer.from(`${type}\0${mime === undefined ? "" : `${mime}\0`}`);
    return fullBox("infe", [u16(id), u16(0), words], { version: 2, flags: isHidden ? 1 : 0 });
  });
  const associations = items
    .filter((item) => item.properties.length > 0)
    .map((item) =>
      Buffer.concat([
        u16(item.id),
        Buffer.of(item.properties.length, ...item.properties.map((n) => 0x80 | n)),
      ]),
    );
  const blocks = [...new Set(items.map(({ data }) => data))];
  const meta = (firstByte: number): Buffer => {
    let at = firstByte;
    const starts = new Map<Buffer, number>();
    for (const data of blocks) {
      starts.set(data, at);
      at += data.length;
    }
    const places = items.map(({ id, data }) =>
      Buffer.concat([u16(id), u16(0), u16(1), u32(starts.get(data) ?? 0), u32(data.length)]),
    );
    return fullBox("meta", [
      fullBox("hdlr", [u32(0), Buffer.from("pict"), Buffer.alloc(13)]),
      fullBox("pitm", [u16(primary)]),
      fullBox("iinf", [u16(infos.length), ...infos]),
      ...(references.length === 0 ? [] : [fullBox("iref", [...references])]),
      box("iprp", [
        box("ipco", [...properties]),
        fullBox("ipma", [u32(associations.length), ...associations]),
      ]),
      fullBox("iloc", [Buffer.of(0x44, 0), u16(items.length), ...places]),
    ]);
  };
  const head = ftyp.length + meta(0).length + 8;
  return Buffer.concat([ftyp, meta(head), box("mdat", blocks)]);
}

function reference(type: string, from: number, to: readonly number[]): Buffer {
  return box(type, [u16(from), u16(to.length), ...to.map(u16)]);
}

function box(type: string, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), ...parts]);
  return Buffer.concat([u32(body.length + 4), body]);
}

function fullBox(
  type: string,
  parts: readonly Buffer[],
  { version, flags } = { version: 0, flags: 0 },
): Buffer {
  return box(type, [Buffer.of(version, 0, 0, flags), ...parts]);
}

function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
