/**
 * A still picture as HEVC without an encoder: every coding unit holds its samples as they are (I_PCM), so that the only
 * entropy-coded bins are a partition mode and two terminations a unit. ITU-T H.265 (V10), 7.3 and 9.3.4. Lossless.
 */

const UNIT = 16;

/** Planes of 4:2:0, sides in whole luma samples of even number; samples in 0..2^bits - 1. */
export interface Yuv {
  width: number;
  height: number;
  bits: 8 | 10;
  y: Uint16Array;
  cb: Uint16Array;
  cr: Uint16Array;
}

export interface HevcStill {
  /** The parameter sets as NAL units: video, sequence, picture. */
  sets: readonly [Buffer, Buffer, Buffer];
  /** The slice as one NAL unit. */
  slice: Buffer;
}

export function encodeHevc(picture: Yuv): HevcStill {
  return {
    sets: [nal(32, videoSet(picture)), nal(33, sequenceSet(picture)), nal(34, pictureSet())],
    slice: nal(19, slice(picture)),
  };
}

class BitWriter {
  readonly #bytes: number[] = [];
  #byte = 0;
  #count = 0;

  bit(value: number): void {
    this.#byte = (this.#byte << 1) | value;
    this.#count += 1;
    if (this.#count < 8) return;
    this.#bytes.push(this.#byte);
    this.#byte = 0;
    this.#count = 0;
  }

  bits(value: number, count: number): void {
    for (let at = count - 1; at >= 0; at -= 1) this.bit(Math.floor(value / 2 ** at) & 1);
  }

  /** Exponential-Golomb, unsigned (9.2). */
  ue(value: number): void {
    const length = Math.floor(Math.log2(value + 1));
    this.bits(0, length);
    this.bits(value + 1, length + 1);
  }

  align(): void {
    while (this.#count > 0) this.bit(0);
  }

  /** The stop bit, zeros to a whole byte, and all that was written. */
  end(): Buffer {
    this.bit(1);
    return this.take();
  }

  take(): Buffer {
    this.align();
    return Buffer.from(this.#bytes);
  }
}

function profile(bits: BitWriter, depth: 8 | 10): void {
  const profileIdc = depth === 8 ? 1 : 2;
  bits.bits(profileIdc, 8);
  bits.bits(depth === 8 ? 0x6000_0000 : 0x2000_0000, 32);
  // Progressive, frames only.
  bits.bits(0b1001, 4);
  bits.bits(0, 44);
  bits.bits(183, 8);
}

function videoSet({ bits: depth }: Yuv): Buffer {
  const bits = new BitWriter();
  bits.bits(0b0000_1100_0000_0001, 16);
  bits.bits(0xffff, 16);
  profile(bits, depth);
  bits.bit(1);
  for (let index = 0; index < 3; index += 1) bits.ue(0);
  bits.bits(0, 6);
  bits.ue(0);
  bits.bits(0, 2);
  return bits.end();
}

function sequenceSet({ width, height, bits: depth }: Yuv): Buffer {
  const bits = new BitWriter();
  bits.bits(0b0000_0001, 8);
  profile(bits, depth);
  bits.ue(0);
  bits.ue(1); // 4:2:0
  const [wide, high] = [whole(width), whole(height)];
  bits.ue(wide);
  bits.ue(high);
  bits.bit(1);
  for (const crop of [0, (wide - width) / 2, 0, (high - height) / 2]) bits.ue(crop);
  bits.ue(depth - 8);
  bits.ue(depth - 8);
  bits.ue(0);
  bits.bit(1);
  for (let index = 0; index < 3; index += 1) bits.ue(0);
  // Coding units of 16 in tree units of 16; transforms of 4 to 16.
  for (const value of [1, 0, 0, 2, 0, 0]) bits.ue(value);
  bits.bits(0, 3);
  bits.bit(1); // PCM, in units of 16, without loop filter
  bits.bits(depth - 1, 4);
  bits.bits(depth - 1, 4);
  bits.ue(1);
  bits.ue(0);
  bits.bit(1);
  bits.ue(0);
  bits.bits(0, 3);
  // Usability: full range, sRGB primaries and transfer, BT.601 matrix.
  bits.bits(0b1001, 4);
  bits.bits(0b1_0111, 5);
  for (const value of [1, 13, 6]) bits.bits(value, 8);
  bits.bits(0, 7);
  bits.bit(0);
  return bits.end();
}

function pictureSet(): Buffer {
  const bits = new BitWriter();
  bits.ue(0);
  bits.ue(0);
  bits.bits(0, 7);
  bits.ue(0);
  bits.ue(0);
  bits.ue(0);
  bits.bits(0, 3);
  bits.ue(0);
  bits.ue(0);
  bits.bits(0, 7);
  bits.bits(0b101, 3); // no deblocking
  bits.bits(0, 2);
  bits.ue(0);
  bits.bits(0, 2);
  return bits.end();
}

/** rangeTabLps for the fourth quarter (table 9-52): the only one met, as each bin follows an initialisation. */
const lpsRanges = [
  240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110, 104, 99, 94, 89, 85, 80, 76,
  72, 69, 65, 62, 59, 56, 53, 50, 48, 45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21, 20, 19,
  18, 17, 16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9,
];

function slice(picture: Yuv): Buffer {
  const bits = new BitWriter();
  bits.bits(0b10, 2);
  bits.ue(0);
  bits.ue(2); // I
  bits.ue(0);
  bits.bit(1);
  bits.align();

  // The arithmetic encoder (9.3.5): what of it is met here.
  let low = 0;
  let range = 510;
  let outstanding = 0;
  let isFirst = true;
  const put = (bit: number): void => {
    if (isFirst) isFirst = false;
    else bits.bit(bit);
    for (; outstanding > 0; outstanding -= 1) bits.bit(1 - bit);
  };
  const renormalise = (): void => {
    for (; range < 256; range <<= 1, low <<= 1) {
      if (low < 256) put(0);
      else if (low >= 512) {
        low -= 512;
        put(1);
      } else {
        low -= 256;
        outstanding += 1;
      }
    }
  };
  const terminate = (bin: number): void => {
    range -= 2;
    if (bin === 1) {
      low += range;
      range = 2;
      renormalise();
      put((low >> 9) & 1);
      bits.bits(((low >> 7) & 3) | 1, 2);
      [low, range, outstanding, isFirst] = [0, 510, 0, true];
    } else renormalise();
  };

  const [columns, rows] = [whole(picture.width) / UNIT, whole(picture.height) / UNIT];
  let state = 0;
  for (let unit = 0; unit < columns * rows; unit += 1) {
    if (unit > 0) terminate(0);
    range -= lpsRanges[state]!;
    renormalise();
    state = Math.min(state + 1, 62);
    terminate(1);
    bits.align();
    const [x, y] = [(unit % columns) * UNIT, Math.floor(unit / columns) * UNIT];
    const { width, height, bits: depth } = picture;
    writeBlock(bits, picture.y, { x, y, size: UNIT, width, height, depth });
    const half = { x: x / 2, y: y / 2, size: UNIT / 2, width: width / 2, height: height / 2, depth };
    writeBlock(bits, picture.cb, half);
    writeBlock(bits, picture.cr, half);
  }
  terminate(1);
  return bits.take();
}

/** One block of a plane; beyond the picture its last samples go on. */
function writeBlock(
  bits: BitWriter,
  plane: Uint16Array,
  at: { x: number; y: number; size: number; width: number; height: number; depth: number },
): void {
  for (let y = at.y; y < at.y + at.size; y += 1) {
    const row = Math.min(y, at.height - 1) * at.width;
    for (let x = at.x; x < at.x + at.size; x += 1)
      bits.bits(plane[row + Math.min(x, at.width - 1)]!, at.depth);
  }
}

/** A NAL unit: its header, and its bytes with emulation prevention (7.4.2). */
function nal(type: number, payload: Buffer): Buffer {
  const bytes = [type << 1, 1];
  let zeros = 0;
  for (const byte of payload) {
    if (zeros >= 2 && byte <= 3) {
      bytes.push(3);
      zeros = 0;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    bytes.push(byte);
  }
  return Buffer.from(bytes);
}

function whole(side: number): number {
  return Math.ceil(side / UNIT) * UNIT;
}
