import { describe, expect, it } from 'vitest';
import { COSIGNED, parseCheckpoint } from '../../core/checkpoint.ts';
import { formatNote, openNote, parseNote, signerKey, signNote } from '../../core/note.ts';
import { MINUTE, members, read } from './testing/entries.ts';
import type { SinkCall } from './testing/model-sink.ts';
import { World } from './testing/world.ts';

const LOG = 'acme~0~1';
const other = signerKey('gateway.test', new Uint8Array(32).fill(2));
const sizes = (world: World) => world.sink.signed(LOG).map(({ size }) => size);
const failures = (world: World) => world.eventsNamed('audit_checkpoint_failed').map(({ failure }) => failure);

async function signed(count = 3): Promise<World> {
  const world = new World();
  world.append(...Array.from({ length: count }, (_, i) => read(`r${i}`)));
  await world.settle();
  expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: count });
  return world;
}

describe('a checkpoint', () => {
  it('says in a signed note how large the log is, and what its root is', async () => {
    const world = await signed(300);
    const answer = await world.checkpointer.sign();
    if (!answer.ok) throw new Error(answer.code);
    const opened = openNote(answer.note, [world.signer.verifier]);
    if (!opened.ok) throw new Error(opened.reason);
    const { origin, size, root } = parseCheckpoint(opened.text)!;
    expect([origin, size]).toEqual(['gateway.test/acme~0~1', 300]);
    expect(root).toEqual(world.machine.root(300));
    expect(answer).toMatchObject({ log: LOG, size: 300, root: Buffer.from(root).toString('hex') });
    world.check();
  });

  it('covers what Postgres has confirmed and nothing beyond', async () => {
    const world = await signed(3);
    world.append(read('late'));
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 3 });
    expect(world.sink.count('storeCheckpoint')).toBe(1);
    await world.settle();
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 4 });
  });

  it('is not made of a log without records', async () => {
    expect(await new World().checkpointer.sign()).toEqual({ ok: false, code: 'empty' });
  });

  it('is shared by all who ask at the same time', async () => {
    const world = new World();
    world.append(read('a'));
    await world.settle();
    const answers = await Promise.all([1, 2, 3].map(() => world.checkpointer.sign()));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(world.sink.count('storeCheckpoint')).toBe(1);
  });
});

describe('the schedule', () => {
  it('wants one when records came, and no sooner than its interval after the last', async () => {
    const world = await signed();
    expect(world.checkpointer.next()).toBeUndefined();
    world.append(read('a'));
    expect(world.checkpointer.next()).toBeUndefined();
    await world.settle();
    expect(world.checkpointer.next()).toBe(world.clock + MINUTE);
    world.restart();
    expect(world.checkpointer.next()).toBe(world.clock + MINUTE);
  });

  it('wants none for the record of a witness’s signature alone', async () => {
    const world = await signed();
    const cosigned = members('w', { phase: 'event', reasons: [COSIGNED] });
    world.append({ key: 'w:event:cosignature_accepted:1', members: cosigned });
    await world.settle();
    expect(world.checkpointer.next()).toBeUndefined();
    world.append(read('a'));
    await world.settle();
    expect(world.checkpointer.next()).toBe(world.clock + MINUTE);
  });

  it('waits longer after each failure', async () => {
    const world = await signed();
    world.append(read('a'));
    await world.settle();
    world.clock += MINUTE;
    for (const pause of [1000, 2000, 4000]) {
      world.sink.faults = [{ call: 'storeCheckpoint', when: 'before' }];
      expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
      expect(world.checkpointer.next()).toBe(world.clock + pause);
    }
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true });
    expect(world.checkpointer.next()).toBeUndefined();
  });
});

describe('nothing is signed', () => {
  it('that contradicts the last checkpoint read back', async () => {
    const world = await signed();
    const [last] = world.sink.signed(LOG);
    world.sink.checkpoints.set(LOG, [{ ...last!, root: '00'.repeat(32) }]);
    world.append(read('a'));
    await world.settle();
    expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(failures(world)).toEqual(['not_an_extension']);
  });

  it('in place of a checkpoint that another key signed, and the next size is', async () => {
    const world = await signed();
    const [last] = world.sink.signed(LOG);
    const { text } = parseNote(last!.note)!;
    const forged = formatNote({ text, signatures: [signNote(text, other)] });
    world.sink.checkpoints.set(LOG, [{ ...last!, note: forged }]);
    world.restart();
    expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(failures(world)).toEqual(['not_signed_here']);
    world.append(read('a'));
    await world.settle();
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 4 });
  });

  it('while the last checkpoint is of more than Postgres confirms', async () => {
    const world = await signed();
    const [last] = world.sink.signed(LOG);
    world.sink.checkpoints.set(LOG, [{ ...last!, size: 9 }]);
    expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(failures(world)).toEqual(['behind_checkpoint']);
  });

  it('of less than was signed before, when the database went back', async () => {
    const world = new World();
    world.append(read('a'));
    await world.settle();
    const rows = world.sink.snapshot();
    world.append(read('b'));
    await world.settle();
    const answer = await world.checkpointer.sign();
    world.sink.restore(rows);
    world.sink.checkpoints.clear();
    expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(failures(world)).toEqual(['behind_checkpoint']);
    await world.settle();
    expect(await world.checkpointer.sign()).toEqual(answer);
    world.check();
  });

  it('before a database that went back has the last one again', async () => {
    const world = await signed();
    world.append(read('more'));
    const [last] = world.sink.signed(LOG);
    world.sink.checkpoints.clear();
    await world.settle();
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 4 });
    expect(sizes(world)).toEqual([3, 4]);
    expect(world.sink.signed(LOG)[0]).toMatchObject({ note: last!.note });
    world.check();
  });

  it('by a log that is forked', async () => {
    const world = await signed();
    world.sink.logs.set('acme~0~2', []);
    expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(world.checkpointer.next()).toBeUndefined();
    expect(sizes(world)).toEqual([3]);
  });
});

it('an answer of Postgres that a flush has overtaken is asked for again', async () => {
  const world = await signed();
  const real = world.sink.lastCheckpoint.bind(world.sink);
  world.sink.lastCheckpoint = async (log) => {
    const overtaken = await real(log);
    world.sink.lastCheckpoint = real;
    world.append(read('late'));
    await world.settle();
    return overtaken;
  };
  expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 4 });
  expect(world.machine.state).toMatchObject({ flushed: 4, fork: null });
});

describe('another key', () => {
  it('is recorded once, in a record that the first checkpoint by it covers', async () => {
    const world = await signed();
    const before = world.signer.verifier.hash;
    world.signer = other;
    for (let start = 0; start < 2; start++) {
      world.restart();
      expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 4 });
      world.check();
    }
    const { text } = world.machine.record({ log: LOG, index: 3 })!;
    expect(JSON.parse(text)).toMatchObject({
      phase: 'event',
      reasons: ['signing_key_changed'],
      detail: { from: before, to: other.verifier.hash },
    });
    const [first, second] = world.sink.signed(LOG);
    expect(openNote(first!.note, [other.verifier])).toEqual({ ok: false, reason: 'no_known_key' });
    expect(openNote(second!.note, [other.verifier])).toMatchObject({ ok: true });
  });

  it('signs nothing before its record is where Postgres vouches for it', async () => {
    const world = await signed();
    world.append(read('a'));
    await world.settle();
    world.signer = other;
    world.restart();
    world.sink.faults = [{ call: 'append', when: 'before' }];
    expect(await world.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(failures(world)).toEqual(['key_not_covered']);
    await world.settle();
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 5 });
    world.check();
  });

  it('is recorded once also by an object that lost what it knew of the old one', async () => {
    const world = await signed();
    world.store.transaction(() => {
      world.store.exec('DELETE FROM checkpoint');
      world.store.exec('DELETE FROM signer');
    });
    world.signer = other;
    for (let start = 0; start < 2; start++) {
      world.restart();
      expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 4 });
      world.check();
    }
  });

  it('is no change for a log that never signed', async () => {
    const world = new World();
    world.append(read('a'));
    world.signer = other;
    world.restart();
    await world.settle();
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 1 });
  });
});

/** Calls of the database, broken before and behind their commits; the key is another, so that a record comes, too. */
describe.each<SinkCall>(['lastCheckpoint', 'storeCheckpoint', 'append'])('the database’s %s', (call) => {
  it.each([
    { when: 'before', restart: false },
    { when: 'before', restart: true },
    { when: 'after', restart: false },
    { when: 'after', restart: true },
  ] as const)('fails $when its commit, restart: $restart', async ({ when, restart }) => {
    const world = await signed();
    world.signer = other;
    world.restart();
    for (let times = 1; times <= 3; times++) {
      world.sink.faults = [{ call, when }];
      const answer = await world.checkpointer.sign();
      world.check();
      if (answer.ok) break;
      if (restart) world.restart();
      await world.flush();
    }
    world.sink.faults = [];
    await world.settle();
    expect(await world.checkpointer.sign()).toMatchObject({ ok: true, size: 4 });
    expect(sizes(world)).toEqual([3, 4]);
    world.check();
  });
});
