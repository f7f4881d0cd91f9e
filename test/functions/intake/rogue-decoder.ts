/**
 * A decoder that has been taken over or has gone mad: what it does is the name of the file it is asked to decode. Started
 * by tests in the place of the real one.
 */
import { symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { DecodeRequest } from "#functions/intake/decoder-protocol.ts";

const decoded = {
  kind: "decoded",
  width: 4,
  height: 4,
  bits: 8,
  isGray: false,
  hasAlpha: false,
  remarks: [],
};

const acts: Record<string, (request: DecodeRequest) => void> = {
  "exits.png": () => process.exit(3),
  "segfaults.png": () => process.kill(process.pid, "SIGSEGV"),
  "is-killed.png": () => process.kill(process.pid, "SIGKILL"),
  "hangs.png": () => setInterval(() => {}, 1_000),
  "spins.png": () => {
    for (;;);
  },
  "hangs-after-the-header.png": () => {
    process.send?.({ kind: "opened", width: 1_000, height: 1_000 });
    setInterval(() => {}, 1_000);
  },
  "eats-memory.png": () => {
    const held: Buffer[] = [];
    for (;;) held.push(Buffer.alloc(64 << 20, 1));
  },
  "talks-nonsense.png": () => process.send?.({ kind: "decoded", width: -1, note: "let me in" }),
  "writes-nothing.png": () => process.send?.(decoded),
  "writes-too-little.png": ({ outDir }) => {
    writeFileSync(join(outDir, "image.tiff"), "II*");
    process.send?.(decoded);
  },
  "links-elsewhere.png": ({ outDir }) => {
    symlinkSync("/etc/passwd", join(outDir, "image.tiff"));
    process.send?.(decoded);
  },
  "tells-its-environment.png": () => {
    const details = Object.keys(process.env).join(" ");
    process.send?.({ kind: "refused", because: "broken", details });
  },
};

process.once("disconnect", () => process.exit(0));
process.once("message", (request: DecodeRequest) => acts[basename(request.path)]?.(request));
process.send?.({ kind: "ready" });
