import { gdsf } from "./policies/gdsf.ts";
import { lookahead } from "./policies/lookahead.ts";
import { lru } from "./policies/lru.ts";

/** The policies, by the names an operator chooses them by; `lookahead` is the default. */
export const POLICIES = { lru, gdsf, lookahead };

export type PolicyName = keyof typeof POLICIES;
