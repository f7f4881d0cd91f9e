import { AGENT_ITEM_TTL_MS, INDEX_SHARDS, LEASE_MS } from "#shared/domain/limits.ts";
import { shardOf } from "#shared/domain/id.ts";
import { duePartition, timeKey } from "#shared/domain/job.ts";
import type { Agent } from "#shared/domain/lease.ts";
import type { Capabilities } from "#shared/domain/message.ts";
import type { Draft, Key, Store } from "#shared/ports.ts";

/** What is stored of an agent: its last beat. Ordered by the counter `seq`, never by arrival. */
export interface AgentRecord extends Agent {
  readonly can: Capabilities;
  readonly hot: readonly string[];
  readonly registeredAt: number;
  /** SHA-256 (hex) of the secret half of its token. */
  readonly tokenHash: string;
}

function agentKey(id: string): Key {
  return { pk: `AGENT#${id}`, sk: "AGENT" };
}

export function agentItem(record: AgentRecord, seq: number): Draft {
  const deleteAt = record.expiresAt - LEASE_MS + AGENT_ITEM_TTL_MS;
  return {
    ...agentKey(record.id),
    body: record,
    counters: { seq },
    indexes: {
      due: {
        pk: duePartition("retention", shardOf(record.id, INDEX_SHARDS)),
        sk: `${timeKey(deleteAt)}#${record.id}`,
      },
    },
  };
}

export async function readAgent(store: Store, id: string): Promise<AgentRecord | undefined> {
  return (await store.get(agentKey(id)))?.body as AgentRecord | undefined;
}
