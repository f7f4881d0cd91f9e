/**
 * The program of the quarantine: decodes one photograph, says what it found, and ends. decoder-process.ts starts it with
 * limits on memory, file size and time, and with an environment that holds no secret.
 */
import sharp from "sharp";
import { decodePhotograph } from "./decode-photograph.ts";
import type { DecoderMessage, DecodeRequest } from "./decoder-protocol.ts";
import type { ImageFormat } from "./sniff.ts";

/** The loaders of libvips that each format needs; TIFF where the picture is unpacked here first. */
const loaders: Record<ImageFormat, readonly string[]> = {
  jpeg: ["Jpeg", "Tiff"],
  png: ["Png"],
  webp: ["Webp"],
  tiff: ["Tiff"],
  gif: ["Nsgif"],
  // A file may say AVIF and hold HEVC.
  avif: ["Heif", "Tiff"],
  heic: ["Heif", "Tiff"],
  bmp: ["Tiff"],
};

sharp.cache(false);
sharp.concurrency(1);

// Without its parent a decoder has no reason to live.
process.once("disconnect", () => process.exit(0));
process.once("message", (request: DecodeRequest) => {
  allowOnly(loaders[request.format]);
  void decodePhotograph(request, say)
    .then(say)
    .then(() => process.exit(0));
});
allowOnly(loaders.png);
await warmUp();
await say({ kind: "ready" });

/** No other loader reads a byte: no SVG, no PDF, no raw pixels, nothing that is chosen by a file's name or its middle. */
function allowOnly(names: readonly string[]): void {
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: names.map((name) => `VipsForeignLoad${name}`) });
}

/** libvips sets itself up with its first picture: that is done while nobody waits. */
async function warmUp(): Promise<void> {
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: "gray" } })
    .png()
    .toBuffer();
  await sharp(png).metadata();
  await sharp(png).toColourspace("srgb").tiff({ compression: "none" }).toBuffer();
}

function say(message: DecoderMessage): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });
}
