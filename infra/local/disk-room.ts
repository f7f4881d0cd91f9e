import { statfs } from "node:fs/promises";
import { Fault } from "#shared/domain/fault.ts";

/** Below this nothing is started: a few rasters of a small photograph would already fill it. */
export const START_BYTES_MIN = 64 * 1024 * 1024;
/** Below this whatever runs is going nowhere. */
export const RUN_BYTES_MIN = 4 * 1024 * 1024;

/** @throws Fault busy `disk_full` when the folder's disk has less than `bytesMin` left. */
export async function demandRoom(folder: string, bytesMin: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const left = bavail * bsize;
  if (left >= bytesMin) return;
  const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MB`;
  const why = `The disk of ${folder} has ${megabytes(left)} left, and ${megabytes(bytesMin)} are needed; free some space and run the command again. Nothing is lost.`;
  throw new Fault("busy", "disk_full", why);
}
