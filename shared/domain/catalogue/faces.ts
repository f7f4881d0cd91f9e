import type { Licence, ModelEntry, ModelOutput } from "../model.ts";
import { apache, ccBy, mit, nonCommercial } from "./licences.ts";
import { faceFusion, IMAGENET, openCvZoo, square, whole } from "./contracts.ts";

const MIB = 1024 * 1024;

/** YuNet: per stride S = 8, 16, 32 class and object scores, boxes and five points. */
const YUNET_OUTPUT: ModelOutput = {
  kind: "values",
  names: ["cls", "obj", "bbox", "kps"].flatMap((head) => [8, 16, 32].map((stride) => `${head}_${stride}`)),
};

/** A restorer of one face aligned to the FFHQ template at 512 × 512. */
function restorer(entry: {
  id: string;
  title: string;
  licence: Licence;
  fileName: string;
  bytes: number;
  hasFidelity?: boolean;
}): ModelEntry {
  const { id, title, licence, fileName, bytes, hasFidelity = false } = entry;
  return {
    id,
    task: "face",
    title,
    licence,
    source: faceFusion("3.0.0", fileName),
    bytes,
    tensors: {
      layout: "nchw",
      input: { name: "input", order: "rgb", low: -1, high: 1, ...square(512) },
      ...(hasFidelity
        ? { extra: [{ name: "weight", type: "float64", shape: [1], meaning: "fidelity" }] }
        : {}),
      output: { kind: "image", order: "rgb", low: -1, high: 1 },
    },
    scale: 1,
    tile: whole(512),
    precision: "fp32",
    generative: true,
  };
}

export const FACE_MODELS: readonly ModelEntry[] = [
  restorer({
    id: "restoreformer-pp",
    title: "RestoreFormer++: the face restorer with a free licence",
    licence: apache("wzhouxiff"),
    fileName: "restoreformer_plus_plus.onnx",
    bytes: 294_264_232,
  }),
  restorer({
    id: "codeformer",
    title: "CodeFormer: robust, with a fidelity dial",
    licence: nonCommercial("S-Lab-1.0", "(c) S-Lab: non-commercial use only."),
    fileName: "codeformer.onnx",
    bytes: 376_951_650,
    hasFidelity: true,
  }),
  restorer({
    id: "gfpgan-1.4",
    title: "GFPGAN 1.4: keep it in fp32, half precision gives flat gray",
    licence: nonCommercial(
      "Apache-2.0",
      "Its parts from StyleGAN2 and DFDNet are non-commercial: the stricter term counts.",
    ),
    fileName: "gfpgan_1.4.onnx",
    bytes: 340_299_087,
  }),
  restorer({
    id: "gpen-bfr-512",
    title: "GPEN BFR 512",
    licence: nonCommercial("GPEN", "By yangxy: non-commercial use only."),
    fileName: "gpen_bfr_512.onnx",
    bytes: 284_340_240,
  }),
  {
    id: "yunet",
    task: "face-detect",
    title: "YuNet s, any size: boxes and five points",
    licence: apache("2018-2022 OpenMMLab, (c) 2022 Shiqi Yu"),
    source: { kind: "file", fileName: "face_detection_yunet_s_dynamic.onnx", origin: "libfacedetection" },
    sha256: "daede24002cc8590f457998cc5e6c9e8b82f45f6bd969506a8913cd4ed10a2d3",
    bytes: 237_823,
    tensors: {
      layout: "nchw",
      input: { name: "input", order: "bgr", low: 0, high: 255 },
      output: YUNET_OUTPUT,
    },
    scale: 1,
    tile: { context: 0, multiple: 32, pixelsMax: 1_048_576 },
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 8 * MIB, bytesPerPixel: 90 },
  },
  {
    id: "yunet-640",
    task: "face-detect",
    title: "YuNet 2023mar, fixed 640 × 640: boxes and five points",
    licence: mit("(c) 2020 Shiqi Yu"),
    source: openCvZoo("face_detection_yunet/face_detection_yunet_2023mar.onnx"),
    sha256: "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    bytes: 232_589,
    tensors: {
      layout: "nchw",
      input: { name: "input", order: "bgr", low: 0, high: 255, ...square(640) },
      output: YUNET_OUTPUT,
    },
    scale: 1,
    tile: whole(640),
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 46 * MIB, bytesPerPixel: 0 },
  },
  {
    id: "blazeface",
    task: "face-detect",
    title: "BlazeFace (back camera): boxes and six points, without mouth corners",
    licence: mit("(c) Vladimir Mandic; weights by MediaPipe, Apache-2.0"),
    source: {
      kind: "npm",
      package: "@vladmandic/human",
      version: "3.3.6",
      path: "models/blazeface.json",
      converter: "tfjs-graph",
    },
    sha256: "31de6112216f6ec776b4d85e9a7bf972f4cdcf7cf4cd557a367b37ec5fbc0d73",
    bytes: 559_344,
    tensors: {
      layout: "nhwc",
      input: { name: "input", order: "rgb", low: -1, high: 1, ...square(256) },
      // Scores of 512 and 384 anchors, then their boxes and points.
      output: { kind: "values", names: ["Identity", "Identity_1", "Identity_2", "Identity_3"] },
    },
    scale: 1,
    tile: whole(256),
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 21 * MIB, bytesPerPixel: 0 },
  },
  {
    id: "ultraface-rfb-320",
    task: "face-detect",
    title: "UltraFace RFB 320 × 240: boxes only",
    licence: mit("(c) 2019 linzai"),
    source: {
      kind: "file",
      fileName: "ultraface-rfb-320.onnx",
      origin: "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB",
    },
    sha256: "faf6740b495e8b9508e6fda11e8c0368bbdde01143e8f0a3e511d0892c4d794e",
    bytes: 1_114_081,
    tensors: {
      layout: "nchw",
      input: { name: "input", order: "rgb", low: -127 / 128, high: 1, size: { width: 320, height: 240 } },
      output: { kind: "values", names: ["scores", "boxes"] },
    },
    scale: 1,
    tile: { context: 0, multiple: 1, pixelsMax: 320 * 240 },
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 20 * MIB, bytesPerPixel: 0 },
  },
  {
    id: "facemesh",
    task: "face-landmarks",
    title: "MediaPipe face mesh: 468 points of a cropped face",
    licence: mit("(c) Vladimir Mandic; weights by MediaPipe, Apache-2.0"),
    source: {
      kind: "npm",
      package: "@vladmandic/human",
      version: "3.3.6",
      path: "models/facemesh.json",
      converter: "tfjs-graph",
    },
    sha256: "8298cfdd3d68f9bdfef79ca6ca2b7b73cc6e1e569e256333e717b8009d8038d7",
    bytes: 2_973_868,
    tensors: {
      layout: "nhwc",
      input: { name: "input_1", order: "rgb", low: 0, high: 1, ...square(192) },
      // x, y, z of 468 points in input pixels; the logistic face score; the contours' x, y.
      output: { kind: "values", names: ["output_mesh", "output_faceflag", "output_contours"] },
    },
    scale: 1,
    tile: whole(192),
    precision: "fp16",
    generative: false,
    footprint: { loadBytes: 13 * MIB, bytesPerPixel: 0 },
  },
  {
    id: "landmark-2dfan4",
    task: "face-landmarks",
    title: "2DFAN4: 68 points of a cropped face",
    licence: mit("by breadbread1984; the architecture BSD-3-Clause by Adrian Bulat"),
    source: faceFusion("3.0.0", "2dfan4.onnx"),
    bytes: 97_904_803,
    tensors: {
      layout: "nchw",
      input: { order: "rgb", low: 0, high: 1, ...square(256) },
      output: { kind: "values", names: [] },
    },
    scale: 1,
    tile: whole(256),
    precision: "fp32",
    generative: false,
  },
  {
    id: "mobilefacenet",
    task: "face-identity",
    title: "MobileFaceNet: 128 numbers of an ArcFace-aligned face",
    licence: apache("foamliu; trained on MS-Celeb-1M, a data set its publisher has withdrawn"),
    source: {
      kind: "file",
      fileName: "face_identity_mobilefacenet_foamliu.onnx",
      origin: "foamliu/MobileFaceNet",
    },
    sha256: "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
    bytes: 3_998_070,
    tensors: {
      layout: "nchw",
      input: { name: "input0", order: "rgb", low: 0, high: 1, ...IMAGENET, ...square(112) },
      output: { kind: "values", names: ["output0"] },
    },
    scale: 1,
    tile: whole(112),
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 17 * MIB, bytesPerPixel: 0 },
  },
  {
    id: "sface",
    task: "face-identity",
    title: "SFace: 128 numbers of an aligned face; the same person from cosine 0.363",
    licence: apache("OpenCV China"),
    source: openCvZoo("face_recognition_sface/face_recognition_sface_2021dec.onnx"),
    sha256: "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
    bytes: 38_696_353,
    tensors: {
      layout: "nchw",
      input: { order: "rgb", low: 0, high: 255, ...square(112) },
      output: { kind: "values", names: [] },
    },
    scale: 1,
    tile: whole(112),
    precision: "fp32",
    generative: false,
  },
  {
    id: "bisenet-18",
    task: "face-parsing",
    title: "BiSeNet-18: 19 classes of a 512 face crop",
    licence: mit("(c) 2024 yakhyo"),
    source: faceFusion("3.1.0", "bisenet_resnet_18.onnx"),
    bytes: 53_205_356,
    tensors: {
      layout: "nchw",
      input: { order: "rgb", low: 0, high: 1, ...IMAGENET, ...square(512) },
      output: { kind: "values", names: [] },
    },
    scale: 1,
    tile: whole(512),
    precision: "fp32",
    generative: false,
  },
  {
    id: "skin-clothes-hair",
    task: "face-parsing",
    title: "Skin, clothes, hair masks: a stand-in for face parsing",
    licence: mit("(c) 2021 KazuhitoTakahashi"),
    source: {
      kind: "file",
      fileName: "skin_clothes_hair_pan_mnv3s_512.onnx",
      origin: "Kazuhito00/Skin-Clothes-Hair-Segmentation-using-SMP",
    },
    sha256: "324a22a1c2e3a433d6225d4c5c50f50912797a4d14b69f7d632eeb5c85346f36",
    bytes: 4_093_734,
    tensors: {
      layout: "nchw",
      input: { name: "x.1", order: "rgb", low: 0, high: 1, ...IMAGENET, ...square(512) },
      output: { kind: "values", names: ["1273"] },
    },
    scale: 1,
    tile: whole(512),
    precision: "fp32",
    generative: false,
    footprint: { loadBytes: 80 * MIB, bytesPerPixel: 0 },
  },
  {
    id: "ediffiqa-t",
    task: "face-quality",
    title: "eDifFIQA tiny: quality score of an aligned face",
    licence: ccBy("Žiga Babnik"),
    source: openCvZoo("face_image_quality_assessment_ediffiqa/ediffiqa_tiny_jun2024.onnx"),
    sha256: "9426c899cc0f01665240cb7d9e7f98e18e24e456c178326c771a43da289bfc6a",
    bytes: 7_272_678,
    tensors: {
      layout: "nchw",
      input: { order: "rgb", low: -1, high: 1, ...square(112) },
      output: { kind: "values", names: [] },
    },
    scale: 1,
    tile: whole(112),
    precision: "fp32",
    generative: false,
  },
];
