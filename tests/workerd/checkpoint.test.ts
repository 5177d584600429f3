import { env, runInDurableObject } from 'cloudflare:test';
import { expect, it } from 'vitest';
import { verifyConsistency, verifyInclusion } from '../../core/merkle.ts';
import {
  formatNote,
  openNote,
  parseNote,
  parseSignerKey,
  parseVerifierKey,
  signNote,
} from '../../core/note.ts';
import { hashesOf } from '../../core/tiles.ts';
import { AuditLogObject } from '../../durable-objects/audit-log/audit-log.ts';
import { DAY, MINUTE, read, SETTINGS } from '../../durable-objects/audit-log/testing/entries.ts';
import { ModelSink } from '../../durable-objects/audit-log/testing/model-sink.ts';
import log from '../vectors/log.json' with { type: 'json' };

it('signs and opens in workerd what Go signs and opens', () => {
  const signer = parseSignerKey(log.signer)!;
  for (const encoded of log.checkpoints) {
    const { text } = parseNote(encoded)!;
    expect(formatNote({ text, signatures: [signNote(text, signer)] })).toBe(encoded);
    expect(openNote(encoded, [signer.verifier]).ok).toBe(true);
    expect(openNote(encoded.replace('acme', 'acne'), [signer.verifier])).toMatchObject({
      reason: 'bad_signature',
    });
  }
  const witness = parseVerifierKey(log.cosignature.verifier)!;
  expect(openNote(log.checkpoints.at(-1)! + log.cosignature.line, [witness])).toMatchObject({ ok: true });
});

function bench(
  name: string,
  test: (state: DurableObjectState, start: Start) => Promise<void>,
): Promise<void> {
  return runInDurableObject(
    env.AUDIT_LOG.getByName(name),
    (_instance: unknown, state: DurableObjectState) => {
      // Far ahead, so that no alarm of the test rings by itself.
      const clock = { now: Date.now() + DAY };
      const sink = new ModelSink();
      return test(state, () => {
        const deps = { log: () => undefined, sink, now: () => clock.now, random: () => 0.5 };
        return { object: new AuditLogObject(state, {}, SETTINGS, deps), sink, clock };
      });
    },
  );
}

type Start = () => { object: AuditLogObject<unknown>; sink: ModelSink; clock: { now: number } };
const reads = (count: number, name: string) => Array.from({ length: count }, (_, i) => read(`${name}${i}`));
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

it('signs from its alarm, and proves every record, over its real storage', () =>
  bench('acme~20', async (state, start) => {
    const { object, clock, sink } = start();
    await object.append(reads(700, 'a'));
    clock.now += 1000;
    await object.alarm();
    const [first] = sink.signed('acme~20~1');
    expect(first).toMatchObject({ size: 700 });
    await object.append(reads(30, 'b'));
    clock.now += 1000;
    await object.alarm();
    // The interval is not over: the alarm is set for its end.
    expect(sink.signed('acme~20~1')).toHaveLength(1);
    expect((await state.storage.getAlarm())! - clock.now).toBe(MINUTE - 1000);
    clock.now += MINUTE - 1000;
    await object.alarm();
    const [, second] = sink.signed('acme~20~1');
    expect(second).toMatchObject({ size: 730 });
    const again = start().object;
    for (const index of [0, 255, 256, 511, 512, 729]) {
      const found = await again.inclusion({ log: 'acme~20~1', index }, 730);
      const head = { index, size: 730, root: bytes(second!.root) };
      expect(verifyInclusion(head, bytes(found!.leaf), found!.proof.map(bytes))).toBe(true);
    }
    const path = (await again.consistency('acme~20~1', 700, 730))!.map(bytes);
    const [from, to] = [first!, second!].map(({ size, root }) => ({ size, root: bytes(root) }));
    expect(verifyConsistency(from!, to!, path)).toBe(true);
    expect(await again.inclusion({ log: 'acme~20~2', index: 0 }, 1)).toBeNull();
    expect(await again.consistency('globex~20~1', 0, 1)).toBeNull();
  }));

it('takes in from its alarm a log that was begun before there were tiles', () =>
  bench('acme~21', async (state, start) => {
    const { object, clock, sink } = start();
    await object.append(reads(6000, 'a'));
    const { sql } = state.storage;
    const tiles = sql
      .exec<{ idx: number; hashes: ArrayBuffer }>('SELECT idx, hashes FROM tile WHERE level = 0')
      .toArray();
    for (const { idx, hashes } of tiles) {
      hashesOf(new Uint8Array(hashes)).forEach((hash, i) => {
        const leaf = Buffer.from(hash).toString('hex');
        sql.exec('INSERT INTO leaf (epoch, idx, hash) VALUES (1, ?, ?)', idx * 256 + i, leaf);
      });
    }
    sql.exec('DELETE FROM tile');
    sql.exec('UPDATE state SET version = 1');
    const older = start().object;
    for (let turn = 0; turn < 12; turn++) {
      clock.now += 1000;
      await older.alarm();
    }
    expect(sql.exec<{ n: number }>('SELECT count(*) AS n FROM leaf').one().n).toBe(6000 % 256);
    expect(sink.signed('acme~21~1').at(-1)).toMatchObject({ size: 6000 });
  }));
