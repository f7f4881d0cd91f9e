import sharp from "sharp";
import { noise, pick, turn, whole, type CorpusClass } from "../corpus-class.ts";
import { exifBlock, gpsFields, type ExifField } from "../exif-block.ts";
import { heifFile } from "../heif-file.ts";
import { adobeRgb, grayProfile, rgbProfile } from "../icc-profile.ts";
import { withExif, withIcc, withSegment, withXmp } from "../jpeg-segment.ts";
import { iccChunk, pngChunk } from "../png-file.ts";

/** What hangs on photographs beside their pixels, damaged or telling. Whatever tells holds the word `canary`. */

const damaged = 100;

const iccDamage: CorpusClass = {
  name: "icc-damage",
  count: damaged,
  make({ seeds, index, random }) {
    const icc = Buffer.from(turn([rgbProfile(adobeRgb), grayProfile(1.8)], Math.floor(index / 2)));
    const ways = [
      () => icc.subarray(0, whole(icc.length, random)),
      () => icc.fill(0xff, 128, 132),
      () => icc.fill(whole(256, random), 132 + 12 * whole(6, random) + 4, 132 + 12 * whole(6, random) + 12),
      () => Buffer.concat([icc.subarray(0, 16), Buffer.from("CMYKLab "), icc.subarray(24)]),
      () => Buffer.alloc(whole(200, random)),
      () => noise(500, random),
      () => icc.fill(whole(256, random), whole(icc.length, random)),
    ];
    const bad = turn(ways, index)();
    const gray = seeds.jpeg[2]!;
    const files = [
      () => withIcc(turn(seeds.jpeg, index), bad),
      () => withIcc(gray, bad),
      () => withChunk(turn(seeds.png, index), iccChunk(bad)),
      () => withChunk(seeds.png[1]!, iccChunk(bad)),
    ];
    return pick(files, random)();
  },
};

const exifDamage: CorpusClass = {
  name: "exif-damage",
  count: damaged,
  make({ seeds, index, random }) {
    const block = Buffer.from(telling());
    const flips = 1 + whole(12, random);
    for (let flip = 0; flip < flips; flip += 1) block[whole(block.length, random)] = whole(256, random);
    const bad = index % 3 === 0 ? block.subarray(0, whole(block.length, random)) : block;
    return index % 2 === 0
      ? withExif(turn(seeds.jpeg, index), bad)
      : withChunk(turn(seeds.png, index), pngChunk("eXIf", bad));
  },
};

const exifGps: CorpusClass = {
  name: "exif-gps",
  count: 60,
  isSound: true,
  make({ seeds, index }) {
    const words = {
      IFD0: { Make: "canary-make", Artist: "An artist" },
      IFD2: { BodySerialNumber: "canary-serial" },
      IFD3: { GPSLatitude: "51/1 30/1 3230/100", GPSLatitudeRef: "N", GPSProcessingMethod: "canary-place" },
    };
    const picture = sharp(turn(seeds.png, Math.floor(index / 6))).withExif(words);
    const ways = [
      () => withExif(turn(seeds.jpeg, Math.floor(index / 6)), telling()),
      () => withChunk(turn(seeds.png, Math.floor(index / 6)), pngChunk("eXIf", telling())),
      () => picture.webp().toBuffer(),
      () => picture.tiff({ compression: "lzw" }).toBuffer(),
      () => picture.avif({ effort: 0 }).toBuffer(),
      () => heifFile({ picture: tiny(), exif: telling() }),
    ];
    return turn(ways, index)();
  },
};

const xmpGps: CorpusClass = {
  name: "xmp-gps",
  count: 40,
  isSound: true,
  make({ seeds, index }) {
    const packet =
      '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
      '<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="51,30.5383N"' +
      ' exif:GPSAreaInformation="canary-place" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" aux:SerialNumber="canary"/>' +
      "</rdf:RDF></x:xmpmeta>";
    const ways = [
      () => withXmp(turn(seeds.jpeg, index), packet),
      () =>
        withChunk(
          seeds.png[0]!,
          pngChunk("iTXt", Buffer.from(`XML:com.adobe.xmp\0\0\0\0\0${packet}`, "latin1")),
        ),
      () => sharp(seeds.png[0]).withXmp(packet).webp().toBuffer(),
      () => sharp(seeds.png[0]).withXmp(packet).tiff().toBuffer(),
      () => heifFile({ picture: tiny(), xmp: packet }),
    ];
    return turn(ways, index)();
  },
};

/** A small picture of the scene inside: in Photoshop's resources (1036), and as a note of the maker. */
const thumbnails: CorpusClass = {
  name: "thumbnails",
  count: 30,
  isSound: true,
  make({ seeds, index, random }) {
    const thumbnail = Buffer.concat([Buffer.from("canary"), seeds.jpeg[0]!]);
    if (index % 2 === 0) {
      const photo: ExifField[] = [[37_500, thumbnail]];
      return withExif(turn(seeds.jpeg, index), exifBlock({ image: [[271, "canary-make"]], photo }));
    }
    const resource = Buffer.concat([Buffer.from("8BIM\x04\x0c\0\0", "latin1"), Buffer.alloc(4), thumbnail]);
    resource.writeUInt32BE(thumbnail.length + whole(2, random), 8);
    return withSegment(
      turn(seeds.jpeg, index),
      0xed,
      Buffer.concat([Buffer.from("Photoshop 3.0\0", "latin1"), resource]),
    );
  },
};

export const words: readonly CorpusClass[] = [iccDamage, exifDamage, exifGps, xmpGps, thumbnails];

function telling(): Buffer {
  return exifBlock({
    image: [
      [271, "canary-make"],
      [315, "An artist"],
      [33_432, "Someone, 1972"],
    ],
    photo: [
      [36_867, "1972:05:14 12:30:00"],
      [42_033, "canary-serial"],
    ],
    gps: [...gpsFields, [27, Buffer.from("ASCII\0\0\0canary-place")]],
  });
}

/** The file with a chunk behind its header. */
function withChunk(png: Buffer, chunk: Buffer): Buffer {
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}

function tiny() {
  const chroma = new Uint16Array(64).fill(128);
  return {
    width: 16,
    height: 16,
    bits: 8,
    y: new Uint16Array(256).fill(90),
    cb: chroma,
    cr: chroma,
  } as const;
}
