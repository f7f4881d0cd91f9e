import type { TileModel } from "#agent/image/tiled.ts";

/** A model that answers what it is given. */
export const identityModel: TileModel = async (input) => input.slice();

/**
 * A stand-in for an upscaler: repeats every pixel `scale` times and blurs the result over `2 * blur + 1` pixels each
 * way, the edge pixel repeated. What it sees of the input reaches `ceil(blur / scale)` pixels.
 */
export function enlargingModel({ scale, blur }: { scale: number; blur: number }): TileModel {
  return async (input, { width, height }) => {
    const [wide, high] = [width * scale, height * scale];
    const output = new Float32Array(3 * wide * high);
    for (let plane = 0; plane < 3; plane += 1) {
      const pixel = (x: number, y: number): number => {
        const column = Math.floor(Math.min(wide - 1, Math.max(0, x)) / scale);
        const row = Math.floor(Math.min(high - 1, Math.max(0, y)) / scale);
        return input[(plane * height + row) * width + column]!;
      };
      for (let y = 0; y < high; y += 1) {
        for (let x = 0; x < wide; x += 1) {
          let sum = 0;
          for (let dy = -blur; dy <= blur; dy += 1)
            for (let dx = -blur; dx <= blur; dx += 1) sum += pixel(x + dx, y + dy);
          output[(plane * high + y) * wide + x] = sum / (2 * blur + 1) ** 2;
        }
      }
    }
    return output;
  };
}
