import { expect, it } from 'vitest';
import { Hold, InflightBytes, MAX_CALLS } from './inflight.ts';
import { Upstream } from './upstream.ts';

const CALL = { method: 'GET', path: '/memories', query: [['user_id', 'acme:a&b']] } as const;

function upstream(kind: 'oss' | 'platform', answer = () => Response.json(null)) {
  const asked: { url: string; headers: Headers }[] = [];
  const inflight = new InflightBytes(1024);
  const answers = async (url: string, init: RequestInit) => {
    asked.push({ url, headers: new Headers(init.headers) });
    return answer();
  };
  const options = { kind, origin: 'https://mem0.example', apiKey: 'k', timeoutMs: 1000, maxAnswerBytes: 100 };
  return { asked, inflight, mem0: new Upstream({ ...options, inflight, fetch: answers as typeof fetch }) };
}

it('gives the key where that kind of Mem0 looks for it, and nowhere else', async () => {
  for (const [kind, header, other, value] of [
    ['oss', 'x-api-key', 'authorization', 'k'],
    ['platform', 'authorization', 'x-api-key', 'Token k'],
  ] as const) {
    const { asked, inflight, mem0 } = upstream(kind);
    await mem0.call(CALL, undefined, new Hold(inflight));
    expect(asked[0]?.url).toBe('https://mem0.example/memories?user_id=acme%3Aa%26b');
    expect(asked[0]?.headers.get(header)).toBe(value);
    expect(asked[0]?.headers.has(other)).toBe(false);
  }
});

it('makes no more calls in one request than the platform allows', async () => {
  const { asked, inflight, mem0 } = upstream('oss');
  const hold = new Hold(inflight);
  for (let made = 0; made < MAX_CALLS; made++) hold.call();
  expect(await mem0.call(CALL, undefined, hold)).toMatchObject({ ok: false, failure: 'too_many_calls' });
  expect(asked).toEqual([]);
  expect(await mem0.call(CALL, undefined, new Hold(inflight))).toMatchObject({ ok: true });
});

it.each([
  ['that is what the body has', { 'content-length': '102' }, 102],
  ['beside chunks, which overrule it', { 'content-length': '1', 'transfer-encoding': 'chunked' }, 102],
  ['of what is encoded', { 'content-length': '1', 'content-encoding': 'gzip' }, 102],
])('takes no answer above the bound by a length %s', async (_what, headers, bytes) => {
  const body = JSON.stringify('x'.repeat(bytes - 2));
  const { inflight, mem0 } = upstream('oss', () => new Response(body, { headers: headers as HeadersInit }));
  expect(await mem0.call(CALL, undefined, new Hold(inflight))).toMatchObject({
    ok: false,
    failure: 'too_large',
  });
});
