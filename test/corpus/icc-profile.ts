/** ICC profiles of version 2 (ICC.1:2001-04), as small as they can be: three colorants and a gamma, or a gamma alone. */

type Xyz = readonly [number, number, number];

const d50: Xyz = [0.9642, 1, 0.8249];

/** The colorants of Adobe RGB (1998) under D50, and its gamma (annex A of its specification). */
export const adobeRgb = {
  red: [0.60974, 0.31111, 0.01947],
  green: [0.20528, 0.62567, 0.06087],
  blue: [0.14919, 0.06322, 0.74457],
  gamma: 563 / 256,
} as const;

export function rgbProfile(primaries: { red: Xyz; green: Xyz; blue: Xyz; gamma: number }): Buffer {
  const curve = gammaTag(primaries.gamma);
  return profile("RGB ", [
    ["rXYZ", xyzTag(primaries.red)],
    ["gXYZ", xyzTag(primaries.green)],
    ["bXYZ", xyzTag(primaries.blue)],
    ["rTRC", curve],
    ["gTRC", curve],
    ["bTRC", curve],
  ]);
}

export function grayProfile(gamma: number): Buffer {
  return profile("GRAY", [["kTRC", gammaTag(gamma)]]);
}

/** What each combination of full inks looks like, L*a*b*: of 16, the key ink changing first; between them one interpolates. */
export function inkProfile(looks: readonly (readonly [number, number, number])[]): Buffer {
  const ramps = (count: number) => Buffer.from(Array.from({ length: count * 256 }, (_, at) => at & 255));
  const head = Buffer.alloc(48);
  head.write("mft1", "latin1");
  head.set([4, 3, 2], 8);
  for (const at of [12, 28, 44]) head.writeInt32BE(fixed(1), at);
  const points = looks.flatMap(([l, a, b]) => [Math.round(l * 2.55), a + 128, b + 128]);
  return profile("CMYK", [["A2B0", Buffer.concat([head, ramps(4), Buffer.from(points), ramps(3)])]], "Lab ");
}

function profile(space: string, tags: readonly (readonly [string, Buffer])[], connection = "XYZ "): Buffer {
  const all = [
    ["desc", descriptionTag("test")],
    ["cprt", textTag("none")],
    ["wtpt", xyzTag(d50)],
    ...tags,
  ] as const;
  const table = Buffer.alloc(4 + 12 * all.length);
  table.writeUInt32BE(all.length, 0);
  let at = 128 + table.length;
  for (const [index, [name, data]] of all.entries()) {
    table.write(name, 4 + 12 * index, "latin1");
    table.writeUInt32BE(at, 8 + 12 * index);
    table.writeUInt32BE(data.length, 12 + 12 * index);
    at += data.length;
  }
  const header = Buffer.alloc(128);
  header.writeUInt32BE(at, 0);
  header.writeUInt32BE(0x0240_0000, 8);
  header.write(`${space === "CMYK" ? "prtr" : "mntr"}${space}${connection}`, 12, "latin1");
  header.write("acsp", 36, "latin1");
  for (const [index, value] of d50.entries()) header.writeInt32BE(fixed(value), 68 + 4 * index);
  return Buffer.concat([header, table, ...all.map(([, data]) => data)]);
}

function gammaTag(gamma: number): Buffer {
  const tag = Buffer.alloc(16);
  tag.write("curv", "latin1");
  tag.writeUInt32BE(1, 8);
  tag.writeUInt16BE(Math.round(gamma * 256), 12);
  return tag;
}

function xyzTag(xyz: Xyz): Buffer {
  const tag = Buffer.alloc(20);
  tag.write("XYZ ", "latin1");
  for (const [index, value] of xyz.entries()) tag.writeInt32BE(fixed(value), 8 + 4 * index);
  return tag;
}

function textTag(text: string): Buffer {
  const tag = Buffer.from(`text\0\0\0\0${text}\0`, "latin1");
  return Buffer.concat([tag], Math.ceil(tag.length / 4) * 4);
}

/** An ASCII description; its Unicode and Macintosh twins are empty. */
function descriptionTag(text: string): Buffer {
  const tag = Buffer.alloc(Math.ceil((12 + text.length + 1 + 78) / 4) * 4);
  tag.write("desc", "latin1");
  tag.writeUInt32BE(text.length + 1, 8);
  tag.write(text, 12, "latin1");
  return tag;
}

function fixed(value: number): number {
  return Math.round(value * 65_536);
}
