import type { ModelEntry } from "#shared/domain/model.ts";
import { activationBytesOf, sessionBytesOf, type Footprint } from "./footprint.ts";

/** Memory a session takes beside its weights, and a run for each pixel, where nobody has measured it. */
const SESSION_BYTES = 64 * 2 ** 20;
const BYTES_PER_PIXEL = 8_000;
/** Half, a quarter, an eighth: smaller ones are mostly context. */
const HALVINGS_MAX = 3;

/** How a model is run here, and what that takes. */
export interface TileChoice {
  readonly tilePixels: number;
  /** The smallest that it may still be run on. */
  readonly tilePixelsMin: number;
  readonly sessionBytes: number;
  readonly activationBytes: number;
}

/**
 * The largest tile whose run fits into the budget beside the session, by what was declared and measured, and that has
 * not run out of memory; where none does, the smallest.
 */
export function chooseTile(
  { tensors, tile, footprint: declared, bytes = 0 }: ModelEntry,
  footprint: Footprint,
  budgetBytes: number,
): TileChoice {
  const { size } = tensors.input;
  const largest = size === undefined ? (tile.fixed ?? 0) ** 2 || tile.pixelsMax : size.width * size.height;
  const isOneSize = size !== undefined || tile.fixed !== undefined;
  const sessionBytes = sessionBytesOf(footprint, declared?.loadBytes ?? bytes + SESSION_BYTES);
  const declaredBytesPerPixel = declared?.bytesPerPixel ?? BYTES_PER_PIXEL;
  const choiceOf = (halvings: number): TileChoice => {
    const tilePixels = Math.max(1, Math.floor(largest / 2 ** halvings));
    const activationBytes = activationBytesOf(footprint, { tilePixels, declaredBytesPerPixel });
    const tilePixelsMin = isOneSize ? largest : Math.max(1, Math.floor(largest / 2 ** HALVINGS_MAX));
    return { tilePixels, tilePixelsMin, sessionBytes, activationBytes };
  };
  const limit = footprint.tilePixelsMax ?? Infinity;
  for (let halvings = 0; halvings < (isOneSize ? 0 : HALVINGS_MAX); halvings += 1) {
    const choice = choiceOf(halvings);
    const isIn = choice.sessionBytes + choice.activationBytes <= budgetBytes;
    if (isIn && choice.tilePixels <= limit) return choice;
  }
  return choiceOf(isOneSize ? 0 : HALVINGS_MAX);
}
