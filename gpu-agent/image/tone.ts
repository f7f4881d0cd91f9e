import { invariant } from "#shared/domain/fault.ts";
import type { Analysis } from "#shared/domain/analysis.ts";

/** One table of 65,536 levels for each channel, red, green, blue. */
export type ToneCurves = readonly [Uint16Array, Uint16Array, Uint16Array];

const levelMax = 65_535;
/** Below both of these a photograph is left exactly as it is: the measurement is no finer. */
const fadingMin = 0.02;
const castMin = 0.02;

/**
 * The curves that undo the measured fading and cast: a straight line in each channel that takes the black found to 0
 * and the white found to full, what lies beyond them clipped.
 *
 * @param tone as measured, levels in 0..1.
 * @param options.strength 0 does nothing, 1 goes as far as was measured.
 * @returns undefined when there is nothing to correct, so that a sound photograph stays bit for bit what it was.
 */
export function toneCorrection(
  tone: Analysis["tone"],
  options: { strength: number },
): ToneCurves | undefined {
  const { strength } = options;
  invariant(strength >= 0 && strength <= 1, `a strength of ${strength}`);
  if (strength === 0 || (tone.fading < fadingMin && tone.cast < castMin)) return undefined;
  const curve = (channel: 0 | 1 | 2) =>
    line({ black: strength * tone.black[channel], white: 1 - strength * (1 - tone.white[channel]) });
  return [curve(0), curve(1), curve(2)];
}

function line(ends: { black: number; white: number }): Uint16Array {
  invariant(ends.white > ends.black, `white at ${ends.white} is not above black at ${ends.black}`);
  const gain = 1 / (ends.white - ends.black);
  const offset = ends.black * levelMax * gain;
  return Uint16Array.from({ length: levelMax + 1 }, (_, level) =>
    Math.min(levelMax, Math.max(0, Math.round(level * gain - offset))),
  );
}

/** Applies the curves in place to 16-bit samples, interleaved RGB; whole pixels only. */
export function applyTone(rows: Uint16Array, curves: ToneCurves): void {
  invariant(rows.length % 3 === 0, "a band holds whole RGB pixels");
  const [red, green, blue] = curves;
  for (let at = 0; at < rows.length; at += 3) {
    rows[at] = red[rows[at]!]!;
    rows[at + 1] = green[rows[at + 1]!]!;
    rows[at + 2] = blue[rows[at + 2]!]!;
  }
}
