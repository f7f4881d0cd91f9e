import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { storeContract } from "./store.contract.ts";
import { storeScanContract } from "./store-scan.contract.ts";

const open = async () => ({
  store: createMemoryStore({ clock: createManualClock() }),
  close: async () => undefined,
});

storeContract("memory store", open);
storeScanContract("memory store", open);
