import { Fault } from "#shared/domain/fault.ts";
import type { Refused, Remark } from "./decoder-protocol.ts";

/** What the words depend on beside the decoder's answer. */
type Context = { isCutShort: boolean; pixelsMax: number };

/** The fault for what the decoder refused. */
export function refusal(refused: Refused, context: Context): Fault {
  const extra = { details: refused.details };
  const input = (code: string, message: string) => new Fault("input", code, message, extra);
  const truncated = () =>
    input(
      "image_truncated",
      "The file is cut short and nothing in it can be shown. Send the whole file again.",
    );
  switch (refused.because) {
    case "broken":
      return context.isCutShort
        ? truncated()
        : input(
            "image_broken",
            "The file is damaged and nothing in it can be shown. Send another copy of it.",
          );
    case "too_large": {
      const size = refused.width === undefined ? "" : ` (${refused.width} × ${refused.height} pixels)`;
      const most = Math.floor(context.pixelsMax / 1e6);
      return input(
        "image_too_large",
        `The photograph${size} has more than ${most} megapixels. Send a smaller copy.`,
      );
    }
    case "unsupported":
      // Of a file without its end nobody can say what kind it is.
      if (context.isCutShort) return truncated();
      return input(
        "image_unsupported",
        "This kind of image is not read here. Save it as a JPEG, or as a PNG or TIFF of 8 or 16 bits, and send that.",
      );
    case "memory":
      return input(
        "image_too_heavy",
        "Reading the photograph takes more memory than is allowed. Save it as a plain (not progressive) JPEG and retry.",
      );
    case "disk_full":
      return new Fault(
        "busy",
        "disk_full",
        "There is no room on the disk just now; the photograph is tried again.",
        extra,
      );
  }
}

/** The sentence for what the user should know about a photograph that was decoded. */
export function warning(remark: Remark, context: Pick<Context, "isCutShort">): string {
  switch (remark.kind) {
    case "damaged": {
      const percent = Math.round(100 * remark.missing);
      const extent = percent > 0 ? `about ${percent} % at the lower end are missing` : "parts may be missing";
      return `The file is ${context.isCutShort ? "cut short" : "damaged"}: ${extent}.`;
    }
    case "frames":
      return `The file holds ${remark.count} pictures; the first one is restored.`;
    case "converted":
      return remark.from === "cmyk"
        ? "The colours were converted from CMYK to sRGB; very saturated ones may differ."
        : "The colours were converted from the photograph's own colour profile to sRGB.";
  }
}

export function decoderTimeout(): Fault {
  const message =
    "Reading the photograph took too long. Save it again in a photo editor, as a JPEG, and retry.";
  return new Fault("input", "decoder_timeout", message);
}

export function decoderCrashed(details: string): Fault {
  const message =
    "The photograph makes the decoder fail. Save it again in a photo editor, as a JPEG, and retry.";
  return new Fault("input", "decoder_crashed", message, { details });
}

/** It did not start, or someone else ended it: a system short of memory, an operator. */
export function decoderUnavailable(details: string): Fault {
  const message = "The photograph could not be read just now; it is tried again.";
  return new Fault("busy", "decoder_unavailable", message, { details });
}
