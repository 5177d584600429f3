import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AdoptRig, type Between, startAdoptRig, startBetween } from './adopt-rig.ts';

let rig: AdoptRig;
let between: Between;

beforeAll(async () => {
  rig = await startAdoptRig({ user_id: { alice: 'acme' } });
  between = await startBetween(rig);
});
beforeEach(async () => {
  await rig.fresh();
  between.judge = () => undefined;
});
afterAll(async () => {
  between?.stop();
  await rig?.stop();
});

const told = async () => (await rig.rows()).map(({ user_id, memory }) => `${user_id} ${memory}`).sort();

/** Three of each text, one of which stands where the others are to go. */
async function seed(): Promise<string[]> {
  const texts = ['tea', 'coffee', 'milk'].flatMap((text) => [text, text, text]);
  for (const [n, text] of texts.entries()) {
    await rig.put({ user_id: n % 3 === 0 ? 'acme:alice' : 'alice' }, text);
  }
  return texts.map((text) => `acme:alice ${text}`).sort();
}

type Point = readonly [method: 'POST' | 'DELETE', phase: 'before' | 'answered' | 'next'];

/** Kills the command at its second call of a method: before it is passed on, without its answer, or one call later. */
async function killedAt([method, phase]: Point): Promise<void> {
  const child = rig.start(between.origin);
  const exited = once(child, 'exit');
  let calls = 0;
  between.judge = (call) => {
    const isAnswer = call.answer !== undefined;
    if (!isAnswer && call.method === method) calls++;
    const now =
      phase === 'next'
        ? calls >= 2 && call.method !== method && !isAnswer
        : calls >= 2 && call.method === method && isAnswer === (phase === 'answered');
    if (!now) return undefined;
    child.kill('SIGKILL');
    return false;
  };
  expect((await exited)[1]).toBe('SIGKILL');
  between.judge = () => undefined;
}

describe('a move that is killed', () => {
  it.each<Point>([
    ['POST', 'before'],
    ['POST', 'answered'],
    ['POST', 'next'],
    ['DELETE', 'before'],
    ['DELETE', 'answered'],
    ['DELETE', 'next'],
  ])('at a %s, %s it, goes on with each memory once', async (...point) => {
    const expected = await seed();
    await killedAt(point);
    const { code, stdout } = await rig.run(['--apply', '--yes', '--json'], between.origin);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ tenants: [{ tenant: 'acme', memories: 6 }], late: 0 });
    expect(await told()).toEqual(expected);
  });

  it('again and again ends with each memory once', async () => {
    const expected = await seed();
    for (const point of [
      ['POST', 'answered'],
      ['DELETE', 'answered'],
      ['POST', 'before'],
      ['DELETE', 'before'],
    ] as const) {
      await killedAt(point);
    }
    expect((await rig.run(['--apply', '--yes'], between.origin)).code).toBe(0);
    expect(await told()).toEqual(expected);
  });
});

describe('a move', () => {
  it('that is asked to stop does so behind the memory in hand, and goes on', async () => {
    const expected = await seed();
    const child = rig.start(between.origin);
    const exited = once(child, 'exit');
    between.judge = ({ method, answer }) => {
      if (method === 'POST' && answer === undefined) child.kill('SIGINT');
      return undefined;
    };
    expect(await exited).toEqual([130, null]);
    const [head, ...lines] = (await readFile(rig.journal, 'utf8')).trim().split('\n');
    expect(head).toContain(between.origin);
    expect(lines.map((line) => Object.keys(JSON.parse(line))[0])).toEqual([
      'adopts',
      'added',
      'removing',
      'done',
    ]);
    between.judge = () => undefined;
    expect((await rig.run(['--apply', '--yes'], between.origin)).code).toBe(0);
    expect(await told()).toEqual(expected);
  });

  it('takes a copy back that is not the same, and removes nothing else', async () => {
    await rig.put({ user_id: 'alice' }, 'tea');
    between.judge = ({ path, answer }) =>
      /^\/memories\/./.test(path) && answer?.includes('acme:alice')
        ? answer.replace('tea', 'TEA')
        : undefined;
    const { code, stderr } = await rig.run(['--apply', '--yes'], between.origin);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /Memory \S+: It was added again as \S+, which is not the same. The copy was taken/,
    );
    expect(await told()).toEqual(['alice tea']);
  });

  it('stops at a server that fails, and goes on when it does not', async () => {
    const expected = await seed();
    let calls = 0;
    between.judge = ({ method, answer }) =>
      method === 'DELETE' && !answer && ++calls > 2 ? false : undefined;
    const { code, stderr } = await rig.run(['--apply', '--yes'], between.origin);
    expect(code).toBe(1);
    expect(stderr).toMatch(/Memory \S+: Mem0 did not answer DELETE \/memories\/\{id\} as it should\.\n$/);
    between.judge = () => undefined;
    expect((await rig.run(['--apply', '--yes'], between.origin)).code).toBe(0);
    expect(await told()).toEqual(expected);
  });
});
