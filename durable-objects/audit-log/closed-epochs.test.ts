import { describe, expect, it } from 'vitest';
import { verifyInclusion } from '../../core/merkle.ts';
import { MINUTE, read } from './testing/entries.ts';
import { World } from './testing/world.ts';

const CLOSED = 'acme~0~1';

/** A log that goes on in its second epoch: the first was closed when the object went back to 300 of its 340 records. */
async function wentOn(): Promise<World> {
  const world = new World();
  world.append(...Array.from({ length: 300 }, (_, i) => read(`r${i}`)));
  const before = world.store.snapshot();
  await world.settle();
  await world.checkpointer.sign();
  world.append(...Array.from({ length: 40 }, (_, i) => read(`gone${i}`)));
  await world.settle();
  world.store.restore(before);
  world.sent.clear();
  world.restart();
  for (let turn = 0; turn < 10 && world.machine.log === CLOSED; turn++) {
    await world.flush();
    world.clock += MINUTE;
  }
  await world.settle();
  expect(await world.checkpointer.sign()).toMatchObject({ ok: true, log: 'acme~0~2' });
  return world;
}

describe('an epoch that a fork has closed', () => {
  it('is signed as Postgres holds it, and each of its records is proven', async () => {
    const world = await wentOn();
    const closed = await world.checkpointer.signClosed(CLOSED);
    expect(closed).toMatchObject({ ok: true, log: CLOSED, size: 340 });
    expect(await world.checkpointer.signClosed(CLOSED)).toEqual(closed);
    if (!closed.ok) throw new Error(closed.code);
    for (const index of [0, 255, 299, 300, 339]) {
      const { leaf, proof } = world.machine.inclusion({ log: CLOSED, index }, 340)!;
      const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
      const head = { index, size: 340, root: hex(closed.root) };
      expect(verifyInclusion(head, hex(leaf), proof.map(hex))).toBe(true);
      expect(leaf).toBe(world.sink.rows(CLOSED)[index]!.leaf);
    }
  });

  it('is not signed when Postgres holds less of it than it had', async () => {
    const world = await wentOn();
    expect(await world.checkpointer.signClosed(CLOSED)).toMatchObject({ ok: true, size: 340 });
    for (const head of [320, 0]) {
      world.sink.logs.set(CLOSED, world.sink.rows(CLOSED).slice(0, head));
      expect(await world.checkpointer.signClosed(CLOSED)).toEqual({ ok: false, code: 'unavailable' });
    }
    expect(world.eventsNamed('audit_checkpoint_failed')).toEqual(
      Array.from({ length: 2 }, () => ({ log: CLOSED, failure: 'cut' })),
    );
  });

  it('fails under its own name when it cannot be signed, and delays no checkpoint of the log that goes on', async () => {
    const world = await wentOn();
    world.append(read('a'));
    await world.settle();
    const due = world.checkpointer.next();
    expect(due).toBeGreaterThanOrEqual(world.clock);
    for (let asked = 0; asked < 12; asked++) {
      world.sink.faults = [{ call: 'lastCheckpoint', when: 'before' }];
      expect(await world.checkpointer.signClosed(CLOSED)).toEqual({ ok: false, code: 'unavailable' });
    }
    expect(world.eventsNamed('audit_checkpoint_failed').at(-1)).toEqual({
      log: CLOSED,
      failure: 'unreachable',
    });
    expect(world.checkpointer.next()).toBe(due);
  });

  it('is signed without hurrying a log that waits after a failure', async () => {
    const world = await wentOn();
    world.append(read('a'));
    await world.settle();
    world.clock += MINUTE;
    world.sink.faults = [{ call: 'storeCheckpoint', when: 'before' }];
    expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(await world.checkpointer.signClosed(CLOSED)).toMatchObject({ ok: true });
    expect(world.checkpointer.next()).toBe(world.clock + 1000);
  });
});
