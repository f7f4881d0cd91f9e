/**
 * CIE 1976 L*a*b* (ISO/CIE 11664-4) of linear sRGB, under the white of sRGB itself: D65, nothing adapted. L in 0..100, a
 * and b of colours within sRGB in about −108..98. White is taken from the matrix of IEC 61966-2-1 as printed, so that
 * every gray has a = b = 0.
 */
const toXyz = [0.4124, 0.3576, 0.1805, 0.2126, 0.7152, 0.0722, 0.0193, 0.1192, 0.9505] as const;
/** The inverse of the above, to the last digit that counts; the standard prints four. */
const fromXyz = [
  3.240625477320054, -1.537207972210319, -0.4986285986982478, -0.9689307147293196, 1.8757560608852415,
  0.04151752384295395, 0.05571012044551064, -0.20402105059848671, 1.0569959422543882,
] as const;
const white = { x: 0.9505, z: 1.089 } as const;
/** Below it the cube root gives way to a straight line that meets it smoothly. */
const bend = 6 / 29;

/**
 * @param linear interleaved linear RGB, 0..1; what lies outside is converted all the same.
 * @param into L, a, b in its place; may be `linear` itself.
 */
export function linearToLab(linear: Float32Array, into: Float32Array): void {
  const [xr, xg, xb, yr, yg, yb, zr, zg, zb] = toXyz;
  for (let at = 0; at < linear.length; at += 3) {
    const red = linear[at]!;
    const green = linear[at + 1]!;
    const blue = linear[at + 2]!;
    const x = compress((xr * red + xg * green + xb * blue) / white.x);
    const y = compress(yr * red + yg * green + yb * blue);
    const z = compress((zr * red + zg * green + zb * blue) / white.z);
    into[at] = 116 * y - 16;
    into[at + 1] = 500 * (x - y);
    into[at + 2] = 200 * (y - z);
  }
}

/** The inverse of {@link linearToLab}: a round trip returns within 10⁻⁶. Colours beyond sRGB leave 0..1. */
export function labToLinear(lab: Float32Array, into: Float32Array): void {
  const [rx, ry, rz, gx, gy, gz, bx, by, bz] = fromXyz;
  for (let at = 0; at < lab.length; at += 3) {
    const root = (lab[at]! + 16) / 116;
    const x = white.x * expand(root + lab[at + 1]! / 500);
    const y = expand(root);
    const z = white.z * expand(root - lab[at + 2]! / 200);
    into[at] = rx * x + ry * y + rz * z;
    into[at + 1] = gx * x + gy * y + gz * z;
    into[at + 2] = bx * x + by * y + bz * z;
  }
}

function compress(ratio: number): number {
  return ratio > bend ** 3 ? Math.cbrt(ratio) : ratio / (3 * bend * bend) + 4 / 29;
}

function expand(root: number): number {
  return root > bend ? root ** 3 : 3 * bend * bend * (root - 4 / 29);
}
