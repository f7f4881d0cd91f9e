import { findModel } from "#shared/domain/catalogue.ts";
import { invariant } from "#shared/domain/fault.ts";
import type { FloatPicture } from "#agent/image/resample.ts";
import { openSession, type Session } from "#agent/worker/session.ts";
import { alignFace, alignedSide } from "./face-alignment.ts";
import { findFacePoints, type FacePoints } from "./face-points.ts";
import { demandAlike, type MemoryPicture } from "./memory-picture.ts";

/** Tells how much a face still looks like the same person. */
export interface FaceIdentity extends AsyncDisposable {
  /** The five points of every face, the surest first. */
  find(picture: MemoryPicture): Promise<FacePoints[]>;
  /** 128 numbers of length 1: their scalar product tells how alike two faces are. */
  embed(picture: MemoryPicture, points: FacePoints): Promise<Float32Array>;
  /**
   * For every face of the truth, the cosine of it and the same place of the picture: 1 is the very same, blur and grain
   * leave .5–.95, another person stays below about .3. Empty where the truth shows no face. Both have one size.
   */
  compare(picture: MemoryPicture, truth: MemoryPicture): Promise<number[]>;
}

/**
 * MobileFaceNet on faces aligned by YuNet's five points: the truth's points for both pictures, so that nothing but the
 * pixels is compared.
 *
 * @param modelsDir the folder with both ONNX files, named as the catalogue names them.
 */
export async function openFaceIdentity(modelsDir: string): Promise<FaceIdentity> {
  const yunet = await open("yunet", modelsDir);
  const embedder = await open("mobilefacenet", modelsDir);
  const find = (picture: MemoryPicture): Promise<FacePoints[]> => findFacePoints(yunet, picture);
  const embed = async (picture: MemoryPicture, points: FacePoints): Promise<Float32Array> => {
    const face = alignFace(picture, points);
    const dims = [1, 3, alignedSide, alignedSide];
    const outputs = await embedder.run({ [embedder.imageInput]: { data: packed(embedder, face), dims } });
    return normalised(Object.values(outputs)[0]!);
  };
  return {
    find,
    embed,
    async compare(picture, truth) {
      demandAlike(picture, truth);
      const cosines: number[] = [];
      for (const points of await find(truth)) {
        cosines.push(cosine(await embed(picture, points), await embed(truth, points)));
      }
      return cosines;
    },
    async [Symbol.asyncDispose]() {
      await yunet.release();
      await embedder.release();
    },
  };
}

async function open(id: string, modelsDir: string): Promise<Session> {
  const entry = findModel(id);
  invariant(entry?.source.kind === "file", `the catalogue names the file of ${id}`);
  return openSession(
    { entry, path: `${modelsDir}/${entry.source.fileName}`, isPrepared: false },
    { threads: 1 },
  );
}

/** Of two embeddings: −1..1. */
export function cosine(one: Float32Array, two: Float32Array): number {
  return one.reduce((sum, value, i) => sum + value * two[i]!, 0);
}

function normalised(values: Float32Array): Float32Array {
  const length = Math.sqrt(cosine(values, values));
  return values.map((value) => value / length);
}

/** Planes as the catalogue describes them: RGB in 0..1, then less the mean and over the deviation of ImageNet. */
function packed({ entry }: Session, { data }: FloatPicture): Float32Array {
  const { mean = [0, 0, 0], std = [1, 1, 1] } = entry.tensors.input;
  const count = data.length / 3;
  return Float32Array.from({ length: data.length }, (_, i) => {
    const channel = Math.floor(i / count) as 0 | 1 | 2;
    return (data[(i % count) * 3 + channel]! / 255 - mean[channel]) / std[channel];
  });
}
