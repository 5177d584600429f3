import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench } from './in-process.ts';

// What a caller is told of a change whose answer does not come, and of a refusal that becomes another.

const LIST = '/memories?user_id=bob';
const ADD = { method: 'POST', body: { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob' } };
const env = { UPSTREAM_TIMEOUT_MS: '100' };

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});

const FAILURES: { readonly [how: string]: (request: Request) => Promise<Response> } = {
  'never answers': ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
  'breaks off': async () => {
    throw new TypeError('reset');
  },
  'answers with no JSON': async () => new Response('<ok>'),
};

describe('when Mem0', () => {
  it.each(Object.keys(FAILURES))(
    '%s, a change may have been made, and a read may be repeated',
    async (how) => {
      bench.mem0 = FAILURES[how]!;
      const changed = (await (await bench.send('/memories', { ...ADD, env })).json()) as { detail: string };
      expect(changed.detail).toBe('The change may have been made. Read what is there before you repeat it.');
      const read = (await (await bench.send(LIST, { env })).json()) as { detail: string };
      expect(read.detail).not.toContain('may have been made');
    },
  );
});

it('a refusal that becomes a 429 keeps nothing of the answer that it was', async () => {
  bench.gate = async () => ({ admitted: false, limit: 1, remaining: 0, resetMs: 1000, retryAfterMs: 1000 });
  const answer = await bench.send('/memories', { method: 'PATCH', body: {} });
  expect([answer.status, answer.headers.get('allow')]).toEqual([429, null]);
});
