import { readFile } from "node:fs/promises";
import type { Workload } from "./workload.ts";

/**
 * 26,823 real image-generation requests over 87 base models (Alibaba cluster-trace-v2026-GenAI), in the order of their
 * creation. Sizes and costs are not in the trace: every model takes one slot and one second to load.
 * @throws the file system's error where the trace is absent.
 */
export async function readGentd26(path: string | URL): Promise<Workload> {
  const [header = "", ...lines] = (await readFile(path, "utf8")).trim().split("\n");
  const columns = header.trim().split(",");
  const time = columns.indexOf("gmt_create");
  const model = columns.indexOf("checkpoint_model_version_id");
  const requests = lines.map((line) => {
    const fields = line.trim().split(",");
    return { time: fields[time] ?? "", model: fields[model] ?? "" };
  });
  requests.sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
  const ids = [...new Set(requests.map((request) => request.model))];
  const placeOf = new Map(ids.map((id, place) => [id, place]));
  return {
    models: ids.map((id) => ({ id, gigabytes: 1, warmSeconds: 1, coldSeconds: 1 })),
    jobs: requests.map((request) => ({
      arrivesAt: 0,
      stages: [{ model: placeOf.get(request.model)!, runSeconds: 1 }],
    })),
    activationGigabytes: 0,
  };
}
