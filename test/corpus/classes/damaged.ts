import { noise, turn, whole, type CorpusClass } from "../corpus-class.ts";
import { seedFormats, type Seeds } from "../seeds.ts";

const shares = 64;
const flipsEach = 120;
const spliced = 160;

/** How many seeds of each format are cut at every 1/64. */
const cutSeeds = { jpeg: 3, png: 3, webp: 2, tiff: 4, gif: 2, avif: 1, heic: 2, bmp: 3 } as const;

/** Cut at every 1/64 of their length. */
export const truncated: readonly CorpusClass[] = seedFormats.map((format) => ({
  name: `truncated-${format}`,
  count: shares * cutSeeds[format],
  make({ seeds, index }) {
    const file = turn(seeds[format], Math.floor(index / shares));
    return file.subarray(0, Math.floor((file.length * (index % shares)) / shares));
  },
}));

/** From one bit to one in a hundred turned over; half of them in the first 200 bytes, where the headers are. */
export const flipped: readonly CorpusClass[] = seedFormats.map((format) => ({
  name: `flipped-${format}`,
  count: flipsEach,
  make({ seeds, index, random }) {
    const copy = Buffer.from(turn(seeds[format], index));
    const reach = index % 2 === 0 ? copy.length : Math.min(copy.length, 200);
    const flips = 1 + whole(Math.max(1, reach / 100), random);
    for (let flip = 0; flip < flips; flip += 1) {
      const at = whole(reach, random);
      copy[at] = copy[at]! ^ (1 << whole(8, random));
    }
    return copy;
  },
}));

/** A stretch of the file is lost, doubled, zeroed, filled with noise, or taken from another file. */
export const splicedFiles: CorpusClass = {
  name: "spliced",
  count: spliced,
  make({ seeds, index, random }) {
    const file = anyOf(seeds, index);
    const from = whole(file.length, random);
    const to = Math.min(file.length, from + 1 + whole(file.length / 4, random));
    const [head, middle, tail] = [file.subarray(0, from), file.subarray(from, to), file.subarray(to)];
    const other = anyOf(seeds, index + 3);
    const ways = [
      [head, tail],
      [head, middle, middle, tail],
      [head, Buffer.alloc(middle.length), tail],
      [head, noise(middle.length, random), tail],
      [head, other.subarray(from % other.length), tail],
    ];
    return Buffer.concat(turn(ways, Math.floor(index / seedFormats.length)));
  },
};

function anyOf(seeds: Seeds, index: number): Buffer {
  return turn(seeds[turn(seedFormats, index)], Math.floor(index / seedFormats.length));
}
