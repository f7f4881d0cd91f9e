import { JOB_MUTANTS } from "./job-mutants.ts";
import { LEASE_MUTANTS } from "./lease-mutants.ts";
import { MONEY_MUTANTS } from "./money-mutants.ts";
import type { Mutant } from "./mutant.ts";

export const MUTANTS: readonly Mutant[] = [...LEASE_MUTANTS, ...JOB_MUTANTS, ...MONEY_MUTANTS];
