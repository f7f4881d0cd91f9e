import type { Licence } from "../model.ts";

/** The permissive licences differ for us only in what must be kept beside the model. */
export const mit = (holder: string): Licence => ({
  class: "commercial",
  name: "MIT",
  notice: `Copyright ${holder}. Keep this line and the MIT permission notice.`,
});

export const apache = (holder: string): Licence => ({
  class: "commercial",
  name: "Apache-2.0",
  notice: `Copyright ${holder}. Keep the licence, its NOTICE and a statement of changes.`,
});

export const ccBy = (author: string): Licence => ({
  class: "attribution",
  name: "CC-BY-4.0",
  notice: `By ${author}, CC-BY-4.0: credit the author where the product credits anything.`,
});

export const nonCommercial = (name: string, notice: string): Licence => ({
  class: "noncommercial",
  name,
  notice,
});

export const REAL_ESRGAN: Licence = {
  class: "commercial",
  name: "BSD-3-Clause",
  notice:
    "Copyright (c) 2021, Xintao Wang. All rights reserved. Keep this line, the conditions and the disclaimer of the BSD 3-Clause licence.",
};

/** From Kai Zhang's KAIR toolbox, which is under MIT. */
export const KAIR: Licence = mit("(c) 2019 Kai Zhang");

/** Kai Zhang's FFDNet and DnCNN repositories carry no licence file of their own; his KAIR toolbox lists their models. */
export const KAIR_INFERRED: Licence = {
  class: "commercial",
  name: "MIT (inferred)",
  notice: `No licence lies beside the weights; inferred from KAIR, which lists them and is MIT. ${KAIR.notice}`,
};
