import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { storeContract } from "./store.contract.ts";

storeContract("memory store", async () => ({
  store: createMemoryStore({ clock: createManualClock() }),
  close: async () => undefined,
}));
