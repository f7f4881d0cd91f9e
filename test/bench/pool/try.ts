import { mkdtemp } from "node:fs/promises";
import { choosePlaces } from "#local/places.ts";
import { POLICIES } from "#agent/vram/policy-table.ts";
import { fineClock, openRealPool } from "./real-pool.ts";
const IDS = process.argv.slice(3);
const threads = Number(process.argv[2]);
const folder = await mkdtemp("/tmp/poolbench-");
const places = choosePlaces({data: folder, models: undefined, cwd: process.cwd()});
const since = new Map<string, number>();
const stats = new Map<string, number[]>();
await using real = await openRealPool({ folder, places, models: IDS.map(id => ({id, bytes: 1e8, tilePixels: 64*64})), policy: POLICIES.lru, budgetBytes: 3e8, threads, clock: fineClock,
 onEvent(e) { if (e.kind!=="phase") return; const k = `${e.model} ${e.from}`; const t=fineClock.now(); const s = since.get(e.model); if (s!==undefined) { const l = stats.get(k) ?? []; l.push(t-s); stats.set(k,l);} since.set(e.model,t); } });
for (let r = 0; r < 8; r++) for (const id of IDS) { await real.play({ job: `job_${r}${id}`, stage: "s", model: id, activationBytes: 0}); await real.pool.evictIdle(); if (r===0) for (const k of [...stats.keys()]) stats.delete(k); }
for (const id of IDS) console.log(id.padEnd(28), ...["promoting","leased","draining"].map(p => { const l=(stats.get(`${id} ${p}`) ?? []).sort((a,b)=>a-b); return `${p} ${l[0]?.toFixed(1)} ${l[l.length>>1]?.toFixed(1)} ${l.at(-1)?.toFixed(1)}`}));
console.log((await real.residentBytes())/1e6);
