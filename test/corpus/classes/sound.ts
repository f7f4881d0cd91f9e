import sharp, { type Sharp } from "sharp";
import { noise, turn, whole, type CorpusClass } from "../corpus-class.ts";
import { exifBlock } from "../exif-block.ts";
import { withExif, withSegment } from "../jpeg-segment.ts";
import { frames } from "../../functions/intake/bad-input.ts";

/** Photographs with which nothing is wrong: all of them must be read. */

function grain(width: number, height: number, random: () => number): Sharp {
  // More than some lines of noise say nothing new.
  const data = Buffer.alloc(width * height * 3, noise(Math.min(width * height * 3, 30_000), random));
  return sharp(data, { raw: { width, height, channels: 3 } });
}

function encoded(picture: Sharp, index: number): Promise<Buffer> {
  const ways = [
    () => picture.jpeg(),
    () => picture.jpeg({ progressive: true }),
    () => picture.png(),
    () => picture.webp(),
    () => picture.tiff({ compression: "lzw" }),
    () => picture.gif({ effort: 1 }),
    () => picture.avif({ effort: 0 }),
    () => picture.png({ palette: true, colours: 16 }),
  ];
  return turn(ways, index)().toBuffer();
}

const seedFiles: CorpusClass = {
  name: "kinds",
  count: 36,
  isSound: true,
  make({ seeds, index }) {
    return turn(Object.values(seeds).flat(), index);
  },
};

const sizes: CorpusClass = {
  name: "sizes",
  count: 160,
  isSound: true,
  make: ({ index, random }) => encoded(grain(1 + whole(300, random), 1 + whole(300, random), random), index),
};

const extremes: CorpusClass = {
  name: "extreme-shapes",
  count: 40,
  isSound: true,
  make({ index, random }) {
    const long = turn([1, 16_000, 5_000, 15, 17], Math.floor(index / 8));
    const [width, height] = Math.floor(index / 8) % 2 === 0 ? [1, long] : [long, 1];
    // AVIF's encoder wants both sides above some pixels when they are long.
    return encoded(grain(width, height, random), index % 8 === 6 ? 2 : index);
  },
};

/** 1 to 8, and values that are no orientation at all. */
const orientations: CorpusClass = {
  name: "orientations",
  count: 88,
  isSound: true,
  make({ seeds, index }) {
    const value = turn([1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 65_535], Math.floor(index / 8));
    const picture = sharp(seeds.png[0]).keepExif();
    if (value < 1 || value > 8 || index % 8 === 0)
      return withExif(seeds.jpeg[0]!, exifBlock({ image: [[274, [value]]] }));
    return encoded(picture.withMetadata({ orientation: value }), index);
  },
};

const cmyk: CorpusClass = {
  name: "cmyk",
  count: 40,
  isSound: true,
  make({ seeds, index, random }) {
    if (index % 4 === 3) return seeds.jpeg[4]!;
    const picture = grain(8 + whole(90, random), 8 + whole(90, random), random).toColourspace("cmyk");
    const profiled = index % 4 === 2 ? picture.withIccProfile("cmyk") : picture;
    return index % 2 === 0 ? profiled.jpeg().toBuffer() : profiled.tiff({ compression: "lzw" }).toBuffer();
  },
};

const oneBit: CorpusClass = {
  name: "one-bit",
  count: 40,
  isSound: true,
  make({ seeds, index, random }) {
    if (index % 4 === 0) return seeds.png[4]!;
    const compression = turn(["none", "ccittfax4", "lzw", "deflate"] as const, index);
    return grain(8 + whole(90, random), 8 + whole(90, random), random)
      .toColourspace("b-w")
      .tiff({ bitdepth: 1, compression, predictor: "none" })
      .toBuffer();
  },
};

const sixteenBits: CorpusClass = {
  name: "sixteen-bit",
  count: 40,
  isSound: true,
  make({ index, random }) {
    const picture = grain(8 + whole(90, random), 8 + whole(90, random), random);
    const deep = picture.toColourspace(index % 3 === 0 ? "grey16" : "rgb16");
    return index % 2 === 0 ? deep.png().toBuffer() : deep.tiff({ compression: "deflate" }).toBuffer();
  },
};

const grays: CorpusClass = {
  name: "gray",
  count: 40,
  isSound: true,
  make: ({ index, random }) =>
    encoded(grain(8 + whole(90, random), 8 + whole(90, random), random).toColourspace("b-w"), index),
};

/** Two pictures in one file, as cameras with two lenses write them (CIPA DC-007). */
const mpo: CorpusClass = {
  name: "mpo",
  count: 40,
  isSound: true,
  make({ seeds, index, random }) {
    const entries = Buffer.alloc(32);
    entries.writeUInt32LE(0x2003_0000, 0);
    entries.writeUInt32LE(whole(2 ** 31, random), 20);
    entries.writeUInt32LE(whole(2 ** 31, random), 24);
    const index2 = exifBlock({
      image: [
        [0xb000, Buffer.from("0100")],
        [0xb001, [2]],
        [0xb002, entries],
      ],
    });
    const first = withSegment(
      turn(seeds.jpeg, index),
      0xe2,
      Buffer.concat([Buffer.from("MPF\0", "latin1"), index2]),
    );
    return Buffer.concat([first, turn(seeds.jpeg, index + 1)]);
  },
};

const manyFrames: CorpusClass = {
  name: "many-frames",
  count: 30,
  isSound: true,
  make: ({ index }) => frames(2 + index, turn(["gif", "webp", "tiff"] as const, index)),
};

export const sound: readonly CorpusClass[] = [
  seedFiles,
  sizes,
  extremes,
  orientations,
  cmyk,
  oneBit,
  sixteenBits,
  grays,
  mpo,
  manyFrames,
];
