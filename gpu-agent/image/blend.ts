import { invariant } from "#shared/domain/fault.ts";
import { createColumnBlender } from "./blend-column.ts";
import { createGridBlender } from "./blend-grid.ts";
import { spans, type Blender } from "./blend-plan.ts";
import type { RasterShape } from "./raster-shape.ts";
import type { PlaneLayout } from "./tensor.ts";
import type { TilePlan } from "./tile.ts";

/**
 * Joins overlapping tiles, `scale` times as large as planned, into rows of 16-bit samples. Where two tiles meet, the
 * earlier one is faded into the later one along a cosine; everything else is copied, so that multiplications happen
 * only in the overlaps, and equal tiles stay equal to the last bit.
 *
 * A shape of one channel receives the luma (BT.601) of the planes. Values beyond 0..range are clipped.
 */
export function createBlender(
  { plan, scale }: { plan: TilePlan; scale: number },
  shape: RasterShape,
  layout: PlaneLayout,
): Blender {
  invariant(
    shape.width === plan.x.length * scale && shape.height === plan.y.length * scale,
    "the output is enlarged",
  );
  invariant(shape.bits === 16 && shape.channels !== 4, "tiles are joined at 16 bits, without alpha");
  const columns = spans(plan.x, scale);
  const rows = spans(plan.y, scale);
  const fades = { across: plan.x.blend * scale, down: plan.y.blend * scale };
  const create = columns.length === 1 ? createColumnBlender : createGridBlender;
  return create({ shape, layout, columns, rows, fades });
}
