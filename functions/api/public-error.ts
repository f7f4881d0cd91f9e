import type { Restoration } from "./restoration-schema.ts";

interface PublicFace {
  readonly code: string;
  readonly retryable: boolean;
  /** Instead of the stored sentence, which an agent may have written for its operators. */
  readonly message: string;
}

/** Why a job failed through us. Everything else is told as stored: it speaks of the photograph, and again it would fail alike. */
const OURS: Readonly<Record<string, PublicFace>> = {
  poison: {
    code: "worker_lost",
    retryable: false,
    message:
      "This photograph made the restoring process stop several times. Please try another export of it, or a smaller one.",
  },
  infra: {
    code: "worker_lost",
    retryable: true,
    message: "Our machines failed this photograph too often; nothing is billed. Please send it again.",
  },
  disk_full: {
    code: "disk_full",
    retryable: true,
    message:
      "There was no room for this photograph on our disks; nothing is billed. Please send it again later.",
  },
  out_of_memory: {
    code: "out_of_memory",
    retryable: true,
    message: "There was not enough memory for this photograph. Please send it again later, or smaller.",
  },
  model_unavailable: {
    code: "model_unavailable",
    retryable: true,
    message: "A model that this restoration needs could not be loaded. Please send it again later.",
  },
  internal_error: {
    code: "internal_error",
    retryable: true,
    message: "Something went wrong on our side; nothing is billed. Please send it again.",
  },
  deadline_exceeded: {
    code: "deadline_exceeded",
    retryable: true,
    message: "The restoration missed its deadline; nothing is billed. Please send it again.",
  },
};

export function publicError({
  code,
  message,
}: {
  readonly code: string;
  readonly message: string;
}): NonNullable<Restoration["error"]> {
  return OURS[code] ?? { code, message, retryable: false };
}
