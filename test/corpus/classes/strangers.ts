import { deflateRawSync } from "node:zlib";
import { noise, pick, turn, whole, type CorpusClass } from "../corpus-class.ts";
import { withSegment } from "../jpeg-segment.ts";
import { seedFormats } from "../seeds.ts";

/** What is two things at once, and what is no photograph at all. */

const html = "<!doctype html><html><body><script>alert(document.domain)</script></body></html>";
const polyglots = 40;
const renamed = 30;

const jpegHtml: CorpusClass = {
  name: "polyglot-jpeg-html",
  count: polyglots,
  make({ seeds, index }) {
    const jpeg = turn(seeds.jpeg, index);
    return index % 2 === 0
      ? withSegment(jpeg, 0xfe, Buffer.from(html))
      : Buffer.concat([jpeg, Buffer.from(html)]);
  },
};

/** The size of the screen spells the begin of a comment, the end of the file closes it. */
const gifScript: CorpusClass = {
  name: "polyglot-gif-script",
  count: polyglots,
  make({ seeds, index }) {
    const gif = Buffer.from(turn(seeds.gif, index));
    if (index % 2 === 0) gif.write("/*", 6, "latin1");
    return Buffer.concat([gif, Buffer.from("*/=1;alert(document.domain)//")]);
  },
};

const pngZip: CorpusClass = {
  name: "polyglot-png-zip",
  count: polyglots,
  make: ({ seeds, index }) => Buffer.concat([turn(seeds.png, index), zip("a.html", html)]),
};

/** One format begins, another goes on. */
const mixed: CorpusClass = {
  name: "polyglot-formats",
  count: 2 * polyglots,
  make({ seeds, index, random }) {
    const head = turn(seeds[turn(seedFormats, index)], index);
    const tail = turn(seeds[turn(seedFormats, index + 1 + Math.floor(index / 8))], index);
    const kept = pick([4, 12, 16, 32, 64, 128], random);
    return index % 2 === 0 ? Buffer.concat([head.subarray(0, kept), tail]) : Buffer.concat([head, tail]);
  },
};

const svg: CorpusClass = {
  name: "renamed-svg",
  count: renamed,
  make({ index }) {
    const open = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">';
    const entity = '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>';
    const laughs = `<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>`;
    const bodies = [
      `${open}<image xlink:href="http://192.0.2.1/"/></svg>`,
      `<?xml version="1.0"?>${entity}${open}<text>&a;</text></svg>`,
      `<?xml version="1.0"?>${laughs}${open}<text>&c;</text></svg>`,
      `\uFEFF${open}<rect width="99999999" height="99999999"/></svg>`,
    ];
    return Buffer.from(`${" ".repeat(index)}${turn(bodies, index)}`);
  },
};

const pdf: CorpusClass = {
  name: "renamed-pdf",
  count: renamed,
  make({ seeds, index, random }) {
    const start = Buffer.from("%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n");
    return Buffer.concat([
      index % 2 === 0 ? start : noise(whole(4, random), random),
      start,
      turn(seeds.jpeg, index),
    ]);
  },
};

const archive: CorpusClass = {
  name: "renamed-zip",
  count: renamed,
  make({ index, random }) {
    const heads = [
      zip("word/document.xml", "<w/>"),
      Buffer.from([0x1f, 0x8b, 8, 0]),
      Buffer.from("Rar!\x1a\x07\0", "latin1"),
      Buffer.from([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]),
    ];
    return Buffer.concat([turn(heads, index), noise(whole(2_000, random), random)]);
  },
};

const page: CorpusClass = {
  name: "renamed-html",
  count: renamed,
  make: ({ index }) => Buffer.from(`${"\n".repeat(index % 7)}${index % 2 === 0 ? html : html.slice(15)}`),
};

const program: CorpusClass = {
  name: "renamed-program",
  count: renamed,
  make({ index, random }) {
    const heads = [
      "\x7fELF\x02\x01",
      "MZ\x90\0",
      "#!/bin/sh\nrm -rf /\n",
      "%!PS-Adobe-3.0\n",
      "\x1aE\xdf\xa3",
    ];
    return Buffer.concat([Buffer.from(turn(heads, index), "latin1"), noise(whole(4_000, random), random)]);
  },
};

/** Photographs and films of kinds that are not read, and what only calls itself one. */
const unread: CorpusClass = {
  name: "renamed-photograph",
  count: renamed,
  make({ index, random }) {
    const heads = [
      "8BPS\0\x01",
      "\xff\x0a",
      "\0\0\0\x0cJXL \r\n\x87\n",
      "\0\0\0\x0cjP  \r\n\x87\n",
      "II*\0\x10\0\0\0CR\x02\0",
      "\0\0\0\x18ftypcrx \0\0\0\0crx isom",
      "\0\0\0\x18ftypisom\0\0\0\0mp42isom",
      "FUJIFILMCCD-RAW ",
      "\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
      "\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    ];
    return Buffer.concat([Buffer.from(turn(heads, index), "latin1"), noise(whole(4_000, random), random)]);
  },
};

const tiny: CorpusClass = {
  name: "empty-and-tiny",
  count: 64,
  make: ({ seeds, index }) => turn(seeds[turn(seedFormats, index)], 0).subarray(0, Math.floor(index / 8) * 3),
};

const noises: CorpusClass = {
  name: "noise",
  count: 100,
  make: ({ index, random }) => noise(1 + ((index * 331) % 20_000), random),
};

/** The first bytes of a format, and noise behind them. */
const noiseWithMagic: CorpusClass = {
  name: "noise-with-magic",
  count: 200,
  make({ seeds, index, random }) {
    const head = turn(seeds[turn(seedFormats, index)], Math.floor(index / 8));
    return Buffer.concat([head.subarray(0, pick([3, 8, 16, 40, 100, 300], random)), noise(3_000, random)]);
  },
};

const texts: CorpusClass = {
  name: "text",
  count: 50,
  make({ index }) {
    const words = [
      "Dear Ruth,\n",
      "BM",
      "GIF",
      "name,year\n",
      '{"a":1}\n',
      "\uFEFFbonjour ",
      "MM\0*",
      "RIFF",
    ];
    return Buffer.from(turn(words, index).repeat(1 + index));
  },
};

export const strangers: readonly CorpusClass[] = [
  jpegHtml,
  gifScript,
  pngZip,
  mixed,
  svg,
  pdf,
  archive,
  page,
  program,
  unread,
  tiny,
  noises,
  noiseWithMagic,
  texts,
];

/** An archive of one file, without the directory at its end: enough for any reader that looks for its head. */
function zip(name: string, content: string): Buffer {
  const data = deflateRawSync(content);
  const head = Buffer.alloc(30);
  head.write("PK\x03\x04", "latin1");
  head.writeUInt16LE(20, 4);
  head.writeUInt16LE(8, 8);
  head.writeUInt32LE(data.length, 18);
  head.writeUInt32LE(content.length, 22);
  head.writeUInt16LE(name.length, 26);
  return Buffer.concat([head, Buffer.from(name, "latin1"), data]);
}
