import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { storeContract } from "../contract/store.contract.ts";
import { createStoreEngine, storeOf } from "./store-engine.ts";

storeContract("simulated store", async () => ({
  store: storeOf(createStoreEngine({ now: createManualClock().now })),
  close: async () => undefined,
}));
