import { randomBytes } from "node:crypto";
import type { Entropy } from "../ports.ts";

/** The operating system's random bytes. */
export const systemEntropy: Entropy = (bytes) => randomBytes(bytes);
