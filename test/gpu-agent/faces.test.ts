import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Model } from "#agent/stages/stage.ts";
import type { FloatPicture } from "#agent/image/resample.ts";
import { decodeBlazeface } from "#agent/stages/blazeface.ts";
import { bestFaces, overlap, placeFaces } from "#agent/stages/face-box.ts";
import { chooseDetector, detectFaces } from "#agent/stages/face-detector.ts";
import { decodeYunet } from "#agent/stages/yunet.ts";
import { entryOf } from "./stage-fixture.ts";

/** What YuNet would answer: nothing anywhere but one face of 2 × 3 cells at a cell of a stride. */
function yunetAnswer(
  size: { width: number; height: number },
  at: { stride: number; column: number; row: number; score?: number },
) {
  const outputs: Record<string, Float32Array> = {};
  for (const stride of [8, 16, 32]) {
    const cells = (size.width / stride) * (size.height / stride);
    const classes = new Float32Array(cells);
    const objects = new Float32Array(cells);
    const boxes = new Float32Array(cells * 4);
    if (stride === at.stride) {
      const cell = at.row * (size.width / stride) + at.column;
      classes[cell] = (at.score ?? 0.9) ** 2;
      objects[cell] = 1;
      boxes.set([0.5, 0.5, Math.log(2), Math.log(3)], cell * 4);
    }
    Object.assign(outputs, {
      [`cls_${stride}`]: classes,
      [`obj_${stride}`]: objects,
      [`bbox_${stride}`]: boxes,
    });
  }
  return outputs;
}

function detector(
  id: string,
  answer: (size: { width: number; height: number }) => Record<string, Float32Array>,
) {
  const fed: { data: Float32Array; dims: readonly number[] }[] = [];
  const entry = entryOf(id);
  const model: Model = {
    entry,
    imageInput: "input",
    async run({ input }) {
      if (!(input?.data instanceof Float32Array)) throw new Error("no image went in");
      fed.push({ data: input.data, dims: input.dims });
      const [, a = 0, b = 0, c = 0] = input.dims;
      return answer(entry.tensors.layout === "nchw" ? { height: b, width: c } : { height: a, width: b });
    },
  };
  return { model, fed };
}

function picture(width: number, height: number, channels: 1 | 3 = 3): FloatPicture {
  const data = new Float32Array(width * height * channels);
  for (let i = 0; i < data.length; i += 1) data[i] = ((i % channels) + 1) / 4;
  return { data, width, height, channels };
}

test("a YuNet cell becomes a box around its centre", () => {
  const size = { width: 96, height: 64 };
  const [face, ...others] = decodeYunet(yunetAnswer(size, { stride: 16, column: 2, row: 1 }), size);
  expect(others).toEqual([]);
  expect(face?.score).toBeCloseTo(0.9);
  expect(face).toMatchObject({ x: expect.closeTo(2.5 * 16 - 16, 3), y: expect.closeTo(1.5 * 16 - 24, 3) });
  expect(face).toMatchObject({ width: expect.closeTo(32, 3), height: expect.closeTo(48, 3) });
});

test("a detector of any size sees the picture in its own channel order, range and multiple", async () => {
  const { model, fed } = detector("yunet", (size) => yunetAnswer(size, { stride: 32, column: 1, row: 1 }));
  await detectFaces(model, picture(100, 70), { width: 100, height: 70 });
  expect(fed[0]?.dims).toEqual([1, 3, 96, 128]);
  const plane = 96 * 128;
  // BGR, 0..255; black beside the picture.
  expect([0, 1, 2].map((channel) => fed[0]?.data[channel * plane])).toEqual([191.25, 127.5, 63.75]);
  expect(fed[0]?.data[100]).toBe(0);
});

test("boxes come in pixels of the photograph, cut at its edges", async () => {
  const { model } = detector("yunet", (size) => yunetAnswer(size, { stride: 32, column: 0, row: 1 }));
  const faces = await detectFaces(model, picture(640, 320), { width: 6400, height: 3200 });
  expect(faces).toHaveLength(1);
  expect(faces[0]).toMatchObject({
    x: 0,
    width: expect.closeTo(480, 0),
    y: 0,
    height: expect.closeTo(960, 0),
  });
});

test("a detector of a fixed size gets the picture reduced into its corner, and its boxes are scaled back", async () => {
  const side = 256;
  const { model, fed } = detector("blazeface", () => {
    const scores = new Float32Array(512).fill(-9);
    const boxes = new Float32Array(512 * 16);
    const anchor = (3 * 16 + 5) * 2 + 1;
    scores[anchor] = 4;
    boxes.set([2, -3, 40, 50], anchor * 16);
    return { a: scores, b: new Float32Array(384).fill(-9), c: boxes, d: new Float32Array(384 * 16) };
  });
  const faces = await detectFaces(model, picture(512, 384), { width: 1024, height: 768 });
  expect(fed[0]?.dims).toEqual([1, side, side, 3]);
  expect(fed[0]?.data[0]).toBeCloseTo(-0.5);
  expect(fed[0]?.data.at(-1)).toBe(-1);
  // 1024 pixels lie on 256.
  expect(faces).toEqual([
    {
      x: expect.closeTo(4 * (5.5 * 16 + 2 - 20), 1),
      y: expect.closeTo(4 * (3.5 * 16 - 3 - 25), 1),
      width: expect.closeTo(160, 1),
      height: expect.closeTo(200, 1),
      score: expect.closeTo(1 / (1 + Math.exp(-4)), 5),
    },
  ]);
});

test("a gray picture is shown to a colour detector as three equal channels", async () => {
  const { model, fed } = detector("yunet", (size) => yunetAnswer(size, { stride: 8, column: 0, row: 0 }));
  await detectFaces(model, picture(64, 64, 1), { width: 64, height: 64 });
  expect(new Set(fed[0]?.data)).toEqual(new Set([63.75]));
});

test("answers that are no numbers, too weak, or of another shape are no faces", () => {
  const size = { width: 96, height: 64 };
  expect(decodeYunet(yunetAnswer(size, { stride: 8, column: 1, row: 1, score: 0.3 }), size)).toEqual([]);
  const broken = yunetAnswer(size, { stride: 8, column: 1, row: 1 });
  broken["bbox_8"]?.fill(Number.NaN);
  expect(decodeYunet(broken, size)).toEqual([]);
  expect(decodeYunet({}, size)).toEqual([]);
  expect(decodeBlazeface({ a: new Float32Array(512).fill(9) })).toEqual([]);
});

test("of boxes that overlap the surest stays", () => {
  const face = (x: number, score: number) => ({ x, y: 0, width: 10, height: 10, score });
  expect(overlap(face(0, 1), face(5, 1))).toBeCloseTo(1 / 3);
  expect(overlap(face(0, 1), face(10, 1))).toBe(0);
  expect(bestFaces([face(0, 0.7), face(1, 0.9), face(30, 0.8)], 0.3).map(({ score }) => score)).toEqual([
    0.9, 0.8,
  ]);
  const crowd = Array.from({ length: 300 }, (_, i) => face(i * 20, 0.9));
  expect(bestFaces(crowd, 0.3)).toHaveLength(200);
  expect(placeFaces([face(-50, 0.9)], { scale: 1, picture: { width: 100, height: 100 } })).toEqual([]);
});

test("the best detector that is here and understood is chosen", () => {
  expect(chooseDetector(["blazeface", "yunet"], "balanced")).toBe("yunet");
  expect(chooseDetector(["blazeface", "esrgan-thick"], "balanced")).toBe("blazeface");
  expect(chooseDetector(["ultraface-rfb-320"], "balanced")).toBeUndefined();
});

const shared = fileURLToPath(new URL("../../../shared/", import.meta.url));

test.skipIf(!existsSync(`${shared}models`))(
  "real detectors find the astronaut's face (needs ../shared)",
  async () => {
    const { default: sharp } = await import("sharp");
    const { data, info } = await sharp(`${shared}photos/free/astronaut.png`)
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const astronaut: FloatPicture = {
      data: Float32Array.from(data, (value) => value / 255),
      width: info.width,
      height: info.height,
      channels: 3,
    };
    const { openSession } = await import("#agent/worker/session.ts");
    for (const [id, file] of [
      ["yunet", "face_detection_yunet_s_dynamic.onnx"],
      ["yunet-640", "face_detection_yunet_2023mar.onnx"],
    ] as const) {
      const session = await openSession(
        { entry: entryOf(id), path: `${shared}models/${file}`, isPrepared: false },
        { threads: 1 },
      );
      const faces = await detectFaces(session, astronaut, info);
      await session.release();
      expect(faces).toHaveLength(1);
      const [face] = faces;
      expect(face!.score).toBeGreaterThan(0.8);
      // Her eyes and mouth, read off the photograph.
      for (const [x, y] of [
        [205, 110],
        [240, 110],
        [220, 150],
      ] as const) {
        expect(x > face!.x && x < face!.x + face!.width && y > face!.y && y < face!.y + face!.height).toBe(
          true,
        );
      }
    }
  },
);
