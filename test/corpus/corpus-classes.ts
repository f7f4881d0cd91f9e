import { bombs } from "./classes/bombs.ts";
import { flipped, splicedFiles, truncated } from "./classes/damaged.ts";
import { lies } from "./classes/lies.ts";
import { sound } from "./classes/sound.ts";
import { strangers } from "./classes/strangers.ts";
import { words } from "./classes/words.ts";
import type { CorpusClass } from "./corpus-class.ts";

/** Everything that intake is tried with. */
export const corpusClasses: readonly CorpusClass[] = [
  ...truncated,
  ...flipped,
  splicedFiles,
  ...lies,
  ...bombs,
  ...sound,
  ...words,
  ...strangers,
];
