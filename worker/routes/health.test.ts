import { expect, it } from 'vitest';
import { ready } from './health.ts';

const context = { json: (body: unknown, status: number) => Response.json(body, { status }) };

/** A part that is looked at, and how often it was. */
function part(now: () => number) {
  const looks: (() => void)[] = [];
  const look = () => new Promise<'ok'>((resolve) => looks.push(() => resolve('ok')));
  const handler = ready([{ part: 'database', needed: true, look }], now);
  const ask = () => handler(context as never) as Promise<Response>;
  return { looks, ask };
}

it('is looked at once, however many ask at the same time', async () => {
  const { looks, ask } = part(() => 0);
  const asked = Array.from({ length: 200 }, ask);
  expect(looks).toHaveLength(1);
  looks[0]!();
  for (const answer of await Promise.all(asked)) expect(answer.status).toBe(200);
  expect(looks).toHaveLength(1);
});

it('says what was seen before while it is looked at again', async () => {
  let now = 0;
  const { looks, ask } = part(() => now);
  const first = ask();
  looks[0]!();
  await first;
  now = 10_000;
  const looking = ask();
  expect(looks).toHaveLength(2);
  expect((await ask()).status).toBe(200);
  expect(looks).toHaveLength(2);
  looks[1]!();
  await looking;
});

it('is looked at again when a look has died with its request', async () => {
  let now = 0;
  const { looks, ask } = part(() => now);
  const dead = ask();
  const waiting = ask();
  now = 3250;
  await expect.poll(() => looks.length).toBe(2);
  looks[1]!();
  expect((await waiting).status).toBe(200);
  looks[0]!();
  await dead;
});
