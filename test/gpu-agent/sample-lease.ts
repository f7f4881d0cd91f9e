import { Options } from "#shared/domain/options.ts";
import type { Lease } from "#shared/domain/message.ts";

const blob = {
  key: "jobs/job_1/intake/image.tif",
  sha256: "0".repeat(64),
  bytes: 1,
  contentType: "image/tiff",
  width: 8,
  height: 8,
};

/** A lease that is valid in form; what it names does not exist. */
export function sampleLease(change: Partial<Lease> = {}): Lease {
  return {
    job: "job_1",
    stage: "analyze",
    epoch: 1,
    claimId: "clm_1",
    hardDeadline: 1_750_000_000_000 + 15 * 60_000,
    outputPrefix: "jobs/job_1/analyze/e1-",
    options: Options.parse({}),
    measures: {
      width: 8,
      height: 8,
      format: "png",
      bits: 8,
      hasAlpha: false,
      isGray: false,
      bytes: 1,
      sha256: "0".repeat(64),
      warnings: [],
    },
    models: [],
    ahead: [],
    scale: 2,
    image: blob,
    original: blob,
    ...change,
  };
}
