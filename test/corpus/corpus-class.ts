import type { Seeds } from "./seeds.ts";
import { seededRandom } from "../chaos/seeded-random.ts";

/** What one file of a class is made from. */
interface Making {
  readonly seeds: Seeds;
  /** From 0 to below the class' count. */
  readonly index: number;
  /** In [0, 1); depends on the run's seed, the class and the index alone. */
  readonly random: () => number;
}

/** Files that are wrong, or odd, in one way. */
export interface CorpusClass {
  readonly name: string;
  /** Of the whole corpus. */
  readonly count: number;
  /** Nothing is wrong with them: they must be decoded. */
  readonly isSound?: true;
  readonly make: (making: Making) => Buffer | Promise<Buffer>;
}

export interface CorpusFile {
  readonly index: number;
  readonly make: () => Buffer | Promise<Buffer>;
}

/** `count` files of a class (all of them by default), evenly over its indices: the same for the same seed. */
export function filesOf(
  corpusClass: CorpusClass,
  { seeds, seed, count = corpusClass.count }: { seeds: Seeds; seed: number; count?: number },
): CorpusFile[] {
  const files = Math.min(count, corpusClass.count);
  return Array.from({ length: files }, (_, at) => {
    const index = Math.floor(((at + 0.5) * corpusClass.count) / files);
    const random = seededRandom(hash(`${seed} ${corpusClass.name} ${index}`));
    return { index, make: () => corpusClass.make({ seeds, index, random }) };
  });
}

/** One of several, by turns. */
export function turn<T>(items: readonly T[], index: number): T {
  return items[index % items.length]!;
}

/** One of several, by chance. */
export function pick<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() * items.length)]!;
}

/** A whole number from 0 to below the limit. */
export function whole(limit: number, random: () => number): number {
  return Math.floor(random() * limit);
}

export function noise(bytes: number, random: () => number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, () => whole(256, random)));
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
