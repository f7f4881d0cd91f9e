import { noise, pick, turn, whole, type CorpusClass } from "../corpus-class.ts";
import { segmentAt } from "../jpeg-segment.ts";
import { pngFile } from "../png-file.ts";

const each = 80;

/** Sizes at which arithmetic goes wrong. */
const sizes = [0, 1, 2, 255, 256, 32_767, 32_768, 65_535, 65_536, 10_001, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** Any size, bit depth and colour type, over few or many rows. */
const png: CorpusClass = {
  name: "lies-png",
  count: each,
  make({ random }) {
    return pngFile({
      width: pick(sizes, random),
      height: pick(sizes, random),
      bits: pick([1, 2, 4, 8, 16], random),
      colour: pick([0, 2, 3, 4, 6], random),
      rows: noise(pick([0, 1, 100, 5_000], random), random),
    });
  },
};

/** Size, precision, number and sampling of components in the frame header (T.81, B.2.2). */
const jpeg: CorpusClass = {
  name: "lies-jpeg",
  count: each,
  make({ seeds, index, random }) {
    const copy = Buffer.from(turn(seeds.jpeg, index));
    const frame = frameAt(copy);
    const lies: (() => void)[] = [
      () => copy.writeUInt16BE(pick(sizes, random) % 65_536, frame + 5),
      () => copy.writeUInt16BE(pick(sizes, random) % 65_536, frame + 7),
      () => (copy[frame + 4] = pick([0, 1, 8, 12, 16, 255], random)),
      () => (copy[frame + 9] = pick([0, 1, 2, 4, 5, 255], random)),
      () => (copy[frame + 11] = pick([0, 0x11, 0x44, 0xff, 0x14], random)),
      () => copy.writeUInt16BE(whole(65_536, random), frame + 2),
      () => (copy[frame + 1] = pick([0xc1, 0xc3, 0xc5, 0xc9, 0xcb, 0xcf], random)),
    ];
    for (let lie = 0; lie <= index % 3; lie += 1) pick(lies, random)();
    return copy;
  },
};

/** The frame header of a baseline or progressive JPEG. */
function frameAt(jpeg: Buffer): number {
  try {
    return segmentAt(jpeg, 0xc0);
  } catch {
    return segmentAt(jpeg, 0xc2);
  }
}

/** Types, counts and values of directory entries. */
const tiff: CorpusClass = {
  name: "lies-tiff",
  count: 2 * each,
  make({ seeds, index, random }) {
    const copy = Buffer.from(turn(seeds.tiff.slice(0, -1), index));
    const directory = copy.readUInt32LE(4);
    const entries = copy.readUInt16LE(directory);
    for (let lie = 0; lie <= index % 3; lie += 1) {
      const entry = directory + 2 + 12 * whole(entries, random);
      const part = pick([0, 2, 4, 8], random);
      if (part < 4) copy.writeUInt16LE(whole(part === 0 ? 65_536 : 20, random), entry + part);
      else
        copy.writeUInt32LE(
          pick([...sizes, copy.length, copy.length - 1, directory, 8], random) >>> 0,
          entry + part,
        );
    }
    return copy;
  },
};

/** Sizes, depth, packing, colours, masks and the place of the pixels. */
const bmp: CorpusClass = {
  name: "lies-bmp",
  count: each,
  make({ seeds, index, random }) {
    const copy = Buffer.from(turn(seeds.bmp, index));
    for (let lie = 0; lie <= index % 3; lie += 1) {
      const field = pick([2, 10, 14, 18, 22, 30, 34, 46, 54, 58, 66, 126, 130], random);
      if (field === 30) copy.writeUInt32LE(whole(8, random), field);
      else if (field + 4 <= copy.length)
        copy.writeUInt32LE(pick([...sizes, 54, copy.length], random) >>> 0, field);
      if (index % 4 === 0) copy.writeUInt16LE(pick([0, 1, 2, 4, 8, 16, 24, 32, 48, 64], random), 28);
    }
    return copy;
  },
};

/** The screen's size, the colour table, and the blocks behind. */
const gif: CorpusClass = {
  name: "lies-gif",
  count: each,
  make({ seeds, index, random }) {
    const copy = Buffer.from(turn(seeds.gif, index));
    copy.writeUInt16LE(pick(sizes, random) % 65_536, 6);
    if (index % 2 === 0) copy.writeUInt16LE(pick(sizes, random) % 65_536, 8);
    if (index % 3 === 0) copy[10] = whole(256, random);
    const image = copy.indexOf(0x2c, 13 + 768);
    if (image > 0 && image + 10 < copy.length) {
      copy.writeUInt16LE(pick(sizes, random) % 65_536, image + 1 + 2 * (index % 4));
      if (index % 5 === 0) copy[image + 10] = whole(256, random);
    }
    return copy;
  },
};

/** The sizes of the container, of a chunk and of the canvas. */
const webp: CorpusClass = {
  name: "lies-webp",
  count: each,
  make({ seeds, index, random }) {
    const copy = Buffer.from(turn(seeds.webp, index));
    const field = pick([4, 16, 20, 24, 26, 28], random);
    if (index % 3 === 0) copy.write(pick(["VP8 ", "VP8L", "VP8X", "ALPH", "ANMF"], random), 12, "latin1");
    copy.writeUInt32LE(pick([...sizes, copy.length], random) >>> 0, field);
    return copy;
  },
};

/** Any field of 32 bits of the boxes before the pixels: sizes, counts, offsets. */
function boxes(format: "heic" | "avif"): CorpusClass {
  return {
    name: `lies-${format}`,
    count: each,
    make({ seeds, index, random }) {
      const copy = Buffer.from(turn(seeds[format], index));
      const pixels = copy.indexOf("mdat", 0, "latin1");
      const names = [
        "ispe",
        "iloc",
        "ipma",
        "iinf",
        "infe",
        "ipco",
        "iprp",
        "meta",
        "pitm",
        "colr",
        "dimg",
        "hvcC",
      ];
      for (let lie = 0; lie <= index % 3; lie += 1) {
        const box = copy.indexOf(pick(names, random), 0, "latin1");
        const at = box > 0 && random() < 0.8 ? box - 4 + whole(28, random) : 8 + whole(pixels - 12, random);
        if (random() < 0.5) copy.writeUInt32BE(pick([...sizes, 8, 16, copy.length], random) >>> 0, at);
        else copy[at] = whole(256, random);
      }
      return copy;
    },
  };
}

/** Directories that lead to themselves, to each other, or to nowhere; `SubIFDs` too. */
const cycles: CorpusClass = {
  name: "tiff-cycles",
  count: 60,
  make({ seeds, index, random }) {
    // The multi-page seed has the longest chain to bend.
    const copy = Buffer.from(turn([seeds.tiff[4]!, seeds.tiff[0]!], index));
    const places: number[] = [];
    for (let at = copy.readUInt32LE(4); at > 0 && at + 2 < copy.length && places.length < 20;) {
      places.push(at);
      at = copy.readUInt32LE(at + 2 + 12 * copy.readUInt16LE(at));
    }
    const bent = pick(places, random);
    const next = bent + 2 + 12 * copy.readUInt16LE(bent);
    copy.writeUInt32LE(pick([...places, bent, bent + 2, 0, 4, 8, copy.length, 2 ** 32 - 1], random), next);
    // An entry that nobody needs becomes SubIFDs (330), and leads back.
    if (index % 3 === 0) {
      const entry = bent + 2 + 12 * whole(copy.readUInt16LE(bent), random);
      copy.writeUInt16LE(330, entry);
      copy.writeUInt16LE(pick([4, 13], random), entry + 2);
      copy.writeUInt32LE(pick([1, 2, 1_000_000], random), entry + 4);
      copy.writeUInt32LE(pick(places, random), entry + 8);
    }
    return copy;
  },
};

/** Strips beyond the file, on top of each other, without length, or too many of them. */
const strips: CorpusClass = {
  name: "tiff-strips",
  count: 60,
  make({ seeds, index, random }) {
    const copy = Buffer.from(turn([seeds.tiff[0]!, seeds.tiff[1]!, seeds.tiff[3]!], index));
    const directory = copy.readUInt32LE(4);
    const strips = new Set([273, 278, 279, 322, 323, 324, 325]);
    for (let at = directory + 2; at < directory + 2 + 12 * copy.readUInt16LE(directory); at += 12) {
      if (!strips.has(copy.readUInt16LE(at)) || random() < 0.4) continue;
      copy.writeUInt32LE(
        pick([0, 1, 8, 1_000, copy.length, 2 ** 31, 2 ** 32 - 1], random),
        at + pick([4, 8], random),
      );
    }
    return copy;
  },
};

export const lies: readonly CorpusClass[] = [
  png,
  jpeg,
  tiff,
  bmp,
  gif,
  webp,
  boxes("heic"),
  boxes("avif"),
  cycles,
  strips,
];
