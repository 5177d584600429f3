import { canonical, type Json } from '../../core/canonical.ts';
import { Frontier, hashLeaf } from '../../core/merkle.ts';
import { seal } from '../../core/record.ts';
import type { AppendEntry } from '../../core/rpc.ts';
import { AuditMachine } from '../../durable-objects/audit-log/machine.ts';
import { SETTINGS } from '../../durable-objects/audit-log/testing/entries.ts';
import { MemoryStore } from '../../durable-objects/storage/testing/store.ts';
import { TENANT } from '../scenarios.ts';
import type { Micro } from './measure.ts';
import { sampleMembers } from './sample.ts';

const BATCH = 32;
const NAME = { tenant: TENANT, shard: 0, epoch: 1 };
const WALL = Date.UTC(2026, 0, 15, 12);

function entries(): AppendEntry[] {
  return Array.from({ length: BATCH }, () => {
    const members = sampleMembers();
    return { key: `${members.request_id}:outcome`, members };
  });
}

function newMachine(): AuditMachine {
  return new AuditMachine(new MemoryStore(), { ...SETTINGS, maxUnflushedBytes: 8 * 1024 ** 3 }, NAME);
}

/** What becomes of a record, from its members to the text that Postgres gets. Storage is in memory. */
export function recordMicros(): Micro[] {
  const one = sampleMembers();
  const { text } = seal(one, NAME, 7, WALL);
  const bytes = Buffer.from(text, 'utf8');
  const leaf = hashLeaf(bytes);
  const frontier = new Frontier();
  const machine = newMachine();
  const inputs = Array.from({ length: 300 }, entries);
  const flushed = newMachine();
  for (let i = 0; i < 400; i++) flushed.append(entries(), WALL);
  return [
    { name: 'canonical bytes', run: () => canonical(one as unknown as Json) },
    { name: 'leaf hash', run: () => hashLeaf(bytes) },
    { name: 'canonical bytes, leaf hash and place', run: () => seal(one, NAME, 7, WALL) },
    { name: 'tree append', run: () => frontier.append(leaf) },
    {
      name: `log append, a record of ${BATCH}`,
      run: (n) => machine.append(inputs[n]!, WALL),
      ...{ per: BATCH, most: inputs.length },
    },
    {
      name: 'flush, a row of 400, without Postgres',
      run: () => {
        const batch = flushed.batch(400)!;
        JSON.stringify(batch.texts);
        flushed.confirm(batch.first + batch.texts.length, WALL);
      },
      ...{ per: 400, most: 30 },
    },
  ];
}
