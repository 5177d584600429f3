import { describe, expect, it } from 'vitest';
import { smoke } from './smoke.ts';

const COMMON = {
  'cache-control': 'no-store',
  'strict-transport-security': 'max-age=63072000; includeSubDomains',
};
const json = (status: number, body: object, headers: { [name: string]: string } = {}) =>
  new Response(JSON.stringify(body), { status, headers: { ...COMMON, ...headers } });

type Pages = { readonly [address: string]: () => Response };

const GOOD: Pages = {
  'https://g.example/health': () => json(200, { status: 'ok' }),
  'https://g.example/ready': () => json(200, { status: 'degraded', parts: { audit_database: 'down' } }),
  'https://g.example/memories': () => json(401, {}, { 'www-authenticate': 'Bearer realm="mem0-governance"' }),
  'http://g.example/health': () =>
    new Response(null, { status: 301, headers: { location: 'https://g.example' } }),
};

/** What is wrong with a gateway that answers so. An address without a page is not reached. */
async function wrong(over: { readonly [address: string]: (() => Response) | undefined } = {}, tries = 1) {
  const pages = { ...GOOD, ...over };
  const send = (async (url: string) => {
    const page = pages[url.replace(/\?.*/, '')];
    if (page === undefined) throw new TypeError('fetch failed');
    return page();
  }) as typeof fetch;
  const said: string[] = [];
  let looks = 0;
  for await (const one of smoke('https://g.example', { send, tries, pauseMs: 1 })) {
    looks++;
    if (one.wrong !== undefined) said.push(one.wrong);
  }
  expect(looks).toBe(5);
  return said;
}

describe('smoke', () => {
  it('passes a gateway that is as it should be, also where plain http is not answered at all', async () => {
    expect(await wrong()).toEqual([]);
    expect(await wrong({ 'http://g.example/health': undefined })).toEqual([]);
  });

  it.each<[string, { [address: string]: (() => Response) | undefined }, string[]]>([
    [
      'is not reached',
      Object.fromEntries(Object.keys(GOOD).map((address) => [address, undefined])),
      [
        '/health cannot be reached',
        '/ready cannot be reached',
        '/memories cannot be reached',
        '/health cannot be reached',
      ],
    ],
    ['is misconfigured', { 'https://g.example/health': () => json(503, {}) }, ['/health answers 503']],
    [
      'is another site',
      { 'https://g.example/health': () => json(200, { hello: 'world' }) },
      ['/health does not say ok'],
    ],
    [
      'has a part down',
      {
        'https://g.example/ready': () =>
          json(503, { status: 'down', parts: { mem0: 'down', identity: 'ok' } }),
      },
      ['/ready answers 503; down: mem0'],
    ],
    [
      'serves anybody',
      { 'https://g.example/memories': () => json(200, { results: [] }) },
      ['a call without a token is answered 200, not 401'],
    ],
    [
      'does not say how to authenticate',
      { 'https://g.example/memories': () => json(401, {}) },
      ['the 401 has no WWW-Authenticate'],
    ],
    [
      'lets answers be kept',
      { 'https://g.example/health': () => json(200, { status: 'ok' }, { 'cache-control': 'public' }) },
      ['Cache-Control: no-store is missing'],
    ],
    [
      'does not ask for https',
      {
        'https://g.example/health': () =>
          json(200, { status: 'ok' }, { 'strict-transport-security': 'max-age=0' }),
      },
      ['Strict-Transport-Security is missing, or under a year'],
    ],
    [
      'serves plain http',
      { 'http://g.example/health': () => json(200, { status: 'ok' }) },
      ['plain http is served'],
    ],
  ])('fails one that %s', async (_what, over, said) => {
    expect(await wrong(over)).toEqual(said);
  });

  it('waits for a deploy to arrive', async () => {
    let calls = 0;
    const late = () => (++calls < 3 ? json(404, {}) : json(200, { status: 'ok' }));
    expect(await wrong({ 'https://g.example/health': late }, 3)).toEqual([]);
    expect(calls).toBe(4);
  });
});
