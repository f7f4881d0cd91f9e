import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { run, RESTORE } from "./command.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { exifBlock, gpsFields } from "../corpus/exif-block.ts";
import { withExif, withSegment, withXmp } from "../corpus/jpeg-segment.ts";
import { painted } from "../functions/intake/bad-input.ts";
import { creditsOf } from "#functions/intake/credits.ts";

/** Each stage that a test can do without. */
const BARE = ["--scale", "1", "--skip", "repair,denoise,faces,tone,colorize", "--models", "none"];

/** A photograph that tells of its author, and, in words that no result may hold, of its camera, its place and itself. */
async function telling(): Promise<Buffer> {
  const thumbnail = Buffer.concat([Buffer.from("canary-thumbnail"), await painted(16, 16).jpeg().toBuffer()]);
  const exif = exifBlock({
    image: [
      [271, "canary-make"],
      [315, "Ruth Gruber"],
      [33_432, "© 1946 Ruth Gruber"],
    ],
    photo: [
      [36_867, "1946:05:14 12:30:00"],
      [37_500, thumbnail],
      [42_033, "canary-serial"],
    ],
    gps: [...gpsFields, [27, Buffer.from("ASCII\0\0\0canary-place")]],
  });
  const packet =
    '<x:xmpmeta><rdf:Description exif:GPSLatitude="51,30.5383N" aux:SerialNumber="canary"/></x:xmpmeta>';
  const resource = Buffer.concat([Buffer.from("Photoshop 3.0\x008BIM\x04\x0c\0\0\0\0\x01\0"), thumbnail]);
  const jpeg = await painted(40, 24).jpeg().toBuffer();
  return withExif(withXmp(withSegment(jpeg, 0xed, resource), packet), exif);
}

test("a result holds author, copyright and date when they are asked for; place, camera and thumbnail never", async () => {
  await using folder = await temporaryFolder();
  const photo = join(folder.path, "ruth.jpg");
  await writeFile(photo, await telling());
  const restored = async (...args: string[]) => {
    await using command = run(RESTORE, [photo, ...args, ...BARE, "--data", join(folder.path, "data")]);
    expect((await command.ended).code).toBe(0);
    const bytes = await readFile(join(folder.path, "ruth.restored.png"));
    const report = await readFile(join(folder.path, "ruth.report.json"), "utf8");
    const { exif, iptc, xmp } = await sharp(bytes).metadata();
    expect([exif, iptc]).toEqual([undefined, undefined]);
    expect(xmp?.toString()).toContain("/compositeWithTrainedAlgorithmicMedia<");
    for (const told of [bytes.toString("latin1"), report]) expect(told).not.toMatch(/canary|GPS|51,30/);
    return xmp;
  };
  expect(creditsOf({ xmp: await restored("--keep-credits") })).toEqual({
    author: "Ruth Gruber",
    copyright: "© 1946 Ruth Gruber",
    takenAt: "1946-05-14T12:30:00",
  });
  const unasked = await restored();
  expect(creditsOf({ xmp: unasked })).toBeUndefined();
  expect(unasked?.toString()).not.toContain("Gruber");
});
