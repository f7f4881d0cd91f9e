import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { painted } from "./bad-input.ts";
import { createIntakeFixture, type IntakeFixture } from "./intake-fixture.ts";
import { exifBlock, gpsFields, type ExifParts } from "../../corpus/exif-block.ts";
import { withExif, withSegment, withXmp } from "../../corpus/jpeg-segment.ts";
import { xmpPacket } from "#agent/image/xmp.ts";
import { creditsOf } from "#functions/intake/credits.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

const exif: ExifParts = {
  image: [
    [271, "canary-make"],
    [315, "Ruth Gruber"],
    [33_432, "© 1946 Ruth Gruber\0Archive"],
  ],
  photo: [
    [36_867, "1946:05:14 12:30:00"],
    [36_881, "+02:00"],
    [42_033, "canary-serial"],
  ],
  gps: gpsFields,
};
const credits = {
  author: "Ruth Gruber",
  copyright: "© 1946 Ruth Gruber",
  takenAt: "1946-05-14T12:30:00+02:00",
};

test("author, copyright and date are measured when they are to be kept, and never unasked", async () => {
  const file = withExif(await painted().jpeg().toBuffer(), exifBlock(exif));
  const kept = await fixture.intake(file, "a.jpg", { keepsCredits: true });
  expect(kept.measures.credits).toEqual(credits);
  expect(JSON.stringify(kept.measures)).not.toContain("canary");
  expect((await fixture.intake(file)).measures.credits).toBeUndefined();
});

test("what EXIF does not say is taken from XMP, and then from IPTC", async () => {
  const jpeg = await painted().jpeg().toBuffer();
  const packet = xmpPacket({ software: "x", credits: { author: "Ann <A&B>", takenAt: "1951-02-03" } });
  const dataset = (number: number, text: string) =>
    Buffer.concat([Buffer.of(0x1c, 2, number, 0, text.length), Buffer.from(text, "latin1")]);
  const iim = Buffer.concat([
    dataset(80, "Nobody"),
    dataset(116, "Caf\xe9 Archive"),
    dataset(55, "19490101"),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(iim.length);
  const resource = Buffer.concat([Buffer.from("Photoshop 3.0\x008BIM\x04\x04\0\0", "latin1"), length, iim]);
  const file = withSegment(withXmp(jpeg, packet), 0xed, resource);
  const { measures } = await fixture.intake(file, "a.jpg", { keepsCredits: true });
  expect(measures.credits).toEqual({
    author: "Ann <A&B>",
    copyright: "Café Archive",
    takenAt: "1951-02-03",
  });
});

test("what is written into a result can be read from it again", async () => {
  const result = await painted()
    .withXmp(xmpPacket({ software: "PhotoKeep", credits }))
    .png()
    .toBuffer();
  const { xmp } = await sharp(result).metadata();
  expect(creditsOf({ xmp: xmp! })).toEqual(credits);
});

test("credits are one clean line each, bounded, and no date is invented", () => {
  const of = (author: string, taken: string) =>
    creditsOf({ exif: exifBlock({ image: [[315, author]], photo: [[36_867, taken]] }) });
  expect(of("A\u0007\n\u202Eb\u200B  c", "0000:00:00 00:00:00")).toEqual({ author: "A b c" });
  expect(of("x".repeat(1_500), "1946:13:45 12:30:00")).toEqual({ author: "x".repeat(200) });
  expect(of(" \0 ", "soon")).toBeUndefined();
  expect(of("\u{1F4F7}".repeat(150), "1946:05:14")?.takenAt).toBe("1946-05-14");
});

test("of a damaged block nothing is told that is not a credit: no number, no place, no maker", () => {
  const sound = exifBlock(exif);
  const entryOf = (tag: number) => {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(tag);
    return sound.indexOf(bytes);
  };
  const [author, serial] = [entryOf(315), entryOf(42_033)];
  const longer = Buffer.from(sound);
  longer.writeUInt32LE(250, author + 4);
  const elsewhere = Buffer.from(sound);
  sound.copy(elsewhere, author + 4, serial + 4, serial + 12);
  // Without its end the author's name would go on into the copyright.
  for (const damaged of [longer, elsewhere]) expect(creditsOf({ exif: damaged })?.author).toBeUndefined();
  // The maker under the author's tag.
  const renamed = Buffer.from(sound);
  renamed.writeUInt16LE(315, entryOf(271));
  expect(creditsOf({ exif: renamed })).toBeUndefined();
  const endless = Buffer.from(sound);
  endless[sound.indexOf("Ruth Gruber\0") + 11] = 0x20;
  expect(creditsOf({ exif: endless })?.author).toBeUndefined();

  const packet = "<dc:creator></dc:creator><x:place><rdf:li>canary</rdf:li></x:place>";
  expect(creditsOf({ xmp: Buffer.from(packet) })).toBeUndefined();
  const iptc = Buffer.from("\x1c\x02\x50\0\xffAnn\x1c\x02\x5a\0\x06canary", "latin1");
  expect(creditsOf({ iptc })).toEqual({ author: "Ann" });
});

test("no block of metadata is too broken to be passed over", () => {
  const sound = exifBlock(exif);
  for (let cut = 0; cut < sound.length; cut += 1) {
    const damaged = Buffer.from(sound);
    damaged[cut] = 0xff;
    expect(() => creditsOf({ exif: damaged, iptc: damaged, xmp: damaged })).not.toThrow();
    expect(() => creditsOf({ exif: sound.subarray(0, cut) })).not.toThrow();
  }
});
