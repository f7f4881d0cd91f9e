/** Segments of JPEG files (ITU-T T.81, annex B). */

/** The file with a segment of its own behind the start marker. `marker`: 0xe0–0xef for APP0–APP15, 0xfe for a comment. */
export function withSegment(jpeg: Buffer, marker: number, data: Uint8Array): Buffer {
  const head = Buffer.of(0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255);
  return Buffer.concat([jpeg.subarray(0, 2), head, data, jpeg.subarray(2)]);
}

/** EXIF as APP1. */
export function withExif(jpeg: Buffer, tiff: Uint8Array): Buffer {
  return withSegment(jpeg, 0xe1, Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff]));
}

export function withXmp(jpeg: Buffer, packet: string): Buffer {
  return withSegment(jpeg, 0xe1, Buffer.from(`http://ns.adobe.com/xap/1.0/\0${packet}`, "utf8"));
}

/** A profile as the only chunk of its kind in APP2. */
export function withIcc(jpeg: Buffer, icc: Uint8Array): Buffer {
  return withSegment(jpeg, 0xe2, Buffer.concat([Buffer.from("ICC_PROFILE\0\x01\x01", "latin1"), icc]));
}

/** Where a segment with this marker begins, at its 0xff. @throws Error where there is none. */
export function segmentAt(jpeg: Buffer, marker: number): number {
  for (let at = 2; at + 4 <= jpeg.length && jpeg[at] === 0xff; at += 2 + jpeg.readUInt16BE(at + 2))
    if (jpeg[at + 1] === marker) return at;
  throw new Error(`no segment ${marker.toString(16)}`);
}
