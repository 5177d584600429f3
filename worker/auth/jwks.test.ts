import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeIssuer } from '../../tests/fakes/issuer.ts';
import { KeySet } from './jwks.ts';

const FRESH = 600_000;
const COOLDOWN = 30_000;
const STALE = 3_600_000;
const T0 = 1_800_000_000_000;

let server: Server;
let origin: string;
let issuer: FakeIssuer;
let answer: RequestListener;
/** What was asked for, in order. */
let asked: string[];

const json =
  (value: () => unknown): RequestListener =>
  (_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(value()));
  };

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!);
    if (request.url === '/elsewhere') json(() => issuer.jwks())(request, response);
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(async () => {
  issuer = await FakeIssuer.create({ issuer: 'https://id.example.com' });
  answer = json(() => issuer.jwks());
  asked = [];
});

const keySet = (more: { timeoutMs?: number; fetch?: typeof fetch } = {}) =>
  new KeySet({ url: `${origin}/jwks`, fetch, maxStaleMs: STALE, ...more });

const UNKNOWN = { ok: false, reason: 'key_unknown' };
const UNAVAILABLE = { ok: false, reason: 'keys_unavailable' };

describe('when a key set is fetched', () => {
  it('once for as long as it is fresh, and again after', async () => {
    const keys = keySet();
    expect(keys.generationAt(T0)).toBe(0);
    expect(await keys.find('key-1', 'RS256', T0)).toMatchObject({ ok: true, generation: 1 });
    expect(await keys.find('key-1', 'RS256', T0 + FRESH - 1)).toMatchObject({ ok: true });
    expect(asked).toHaveLength(1);
    expect(await keys.find('key-1', 'RS256', T0 + FRESH)).toMatchObject({ ok: true, generation: 1 });
    expect(asked).toHaveLength(2);
  });

  it('once for any number of requests at the same time', async () => {
    const keys = keySet();
    const found = await Promise.all(Array.from({ length: 50 }, () => keys.find('key-1', 'RS256', T0)));
    expect(found.every(({ ok }) => ok)).toBe(true);
    expect(asked).toHaveLength(1);
  });

  it('once per cooldown for a flood of unknown key ids', async () => {
    const keys = keySet();
    const flood = (now: number) =>
      Promise.all(Array.from({ length: 100 }, (_, i) => keys.find(`unknown-${now}-${i}`, 'RS256', now)));
    await keys.ready(T0);
    expect(await flood(T0 + COOLDOWN - 1)).toEqual(Array(100).fill(UNKNOWN));
    expect(asked).toHaveLength(1);
    await flood(T0 + COOLDOWN);
    await flood(T0 + COOLDOWN + 1);
    expect(asked).toHaveLength(2);
  });

  it('never for a key id that no set can hold, and never anywhere but at its URL', async () => {
    const keys = keySet();
    await keys.ready(T0);
    for (const kid of ['', 'a\0b', 'a\nb', 'é', 'x'.repeat(257)]) {
      expect(await keys.find(kid, 'RS256', T0 + COOLDOWN)).toEqual(UNKNOWN);
    }
    expect(asked).toEqual(['/jwks']);
    for (const kid of ['../../etc/passwd', `${origin}/elsewhere`, '__proto__', 'constructor']) {
      expect(await keys.find(kid, 'RS256', T0 + COOLDOWN)).toEqual(UNKNOWN);
    }
    expect(asked).toEqual(['/jwks', '/jwks']);
  });

  it('at most once a second while there is none', async () => {
    answer = (_request, response) => response.writeHead(500).end();
    const keys = keySet();
    expect(await keys.ready(T0)).toBe(false);
    expect(await keys.ready(T0 + 999)).toBe(false);
    expect(asked).toHaveLength(1);
    answer = json(() => issuer.jwks());
    expect(await keys.ready(T0 + 1000)).toBe(true);
  });
});

describe('rotation', () => {
  it('brings a new key after the cooldown, under a new generation', async () => {
    const keys = keySet();
    await keys.ready(T0);
    await issuer.rotate('key-2', { forget: true });
    expect(await keys.find('key-2', 'RS256', T0 + 1)).toEqual(UNKNOWN);
    expect(await keys.find('key-2', 'RS256', T0 + COOLDOWN)).toMatchObject({ ok: true, generation: 2 });
    expect(await keys.find('key-1', 'RS256', T0 + COOLDOWN)).toEqual(UNKNOWN);
  });

  it('replaces a key that keeps its id', async () => {
    const keys = keySet();
    const before = await keys.find('key-1', 'RS256', T0);
    await issuer.rotate('key-1', { forget: true });
    const after = await keys.find('key-1', 'RS256', T0 + FRESH);
    expect(before).toMatchObject({ ok: true, generation: 1 });
    expect(after).toMatchObject({ ok: true, generation: 2 });
    expect(before.ok && after.ok && before.key !== after.key).toBe(true);
  });
});

describe('an endpoint that fails', () => {
  const big = (bytes: number) => (): unknown => {
    const set = { keys: issuer.jwks().keys, pad: '' };
    return { ...set, pad: 'x'.repeat(bytes - JSON.stringify(set).length) };
  };
  const FAILURES: readonly (readonly [string, RequestListener])[] = [
    ['HTML', (_, res) => res.setHeader('content-type', 'text/html').end('<html>login</html>')],
    ['a redirect to a good set', (_, res) => res.writeHead(302, { location: '/elsewhere' }).end()],
    ['404', (_, res) => res.writeHead(404).end(JSON.stringify({ keys: [] }))],
    ['one byte too many', json(big(256 * 1024 + 1))],
    ['no end', (_, res) => res.write('{"keys":[')],
    ['no answer', () => {}],
    ['a cut connection', (_, res) => res.destroy()],
    ['bytes that are no UTF-8', (_, res) => res.end(Buffer.from([0x7b, 0xff, 0x7d]))],
    ['deep nesting', (_, res) => res.end('['.repeat(200_000))],
    ['null', json(() => null)],
    ['no list', json(() => ({ keys: {} }))],
    ['101 keys', json(() => ({ keys: Array(101).fill(issuer.key.jwk) }))],
  ];

  it.each(FAILURES)('%s: no keys, and no other address is asked', async (_what, failure) => {
    answer = failure;
    const keys = keySet({ timeoutMs: 150 });
    expect(await keys.find('key-1', 'RS256', T0)).toEqual(UNAVAILABLE);
    expect(await keys.ready(T0 + 1)).toBe(false);
    expect(asked).toEqual(['/jwks']);
  });

  it('control: a set of exactly 256 KiB is read', async () => {
    answer = json(big(256 * 1024));
    expect(await keySet().find('key-1', 'RS256', T0)).toMatchObject({ ok: true });
  });

  it('leaves the set that is held in use, and no longer than it may be', async () => {
    const keys = keySet();
    await keys.ready(T0);
    answer = (_request, response) => response.writeHead(503).end();
    const last = T0 + FRESH + STALE - 1;
    expect(await keys.find('key-1', 'RS256', last)).toMatchObject({ ok: true, generation: 1 });
    expect(keys.generationAt(last)).toBe(1);
    expect(keys.generationAt(last + 1)).toBe(0);
    expect(await keys.find('key-1', 'RS256', last + 1000)).toEqual(UNAVAILABLE);
    answer = json(() => issuer.jwks());
    expect(await keys.find('key-1', 'RS256', last + 2000)).toMatchObject({ ok: true, generation: 1 });
  });

  it('is asked once per cooldown while the held set is served', async () => {
    const keys = keySet();
    await keys.ready(T0);
    answer = (_request, response) => response.writeHead(503).end();
    for (let ms = 0; ms < COOLDOWN; ms += 1000) await keys.find('key-1', 'RS256', T0 + FRESH + ms);
    expect(asked).toHaveLength(2);
  });

  it('and hangs does not hold up who can be served what is held', async () => {
    const keys = keySet({ timeoutMs: 400 });
    await keys.ready(T0);
    answer = () => {};
    const first = keys.find('key-1', 'RS256', T0 + FRESH);
    const started = performance.now();
    expect(await keys.find('key-1', 'RS256', T0 + FRESH)).toMatchObject({ ok: true });
    expect(performance.now() - started).toBeLessThan(300);
    expect(await first).toMatchObject({ ok: true });
  });

  it('has no keys to use when its set is empty', async () => {
    answer = json(() => ({ keys: [] }));
    const keys = keySet();
    expect(await keys.ready(T0)).toBe(false);
    expect(await keys.find('key-1', 'RS256', T0)).toEqual(UNKNOWN);
  });
});

describe('a fetch whose request went away', () => {
  /** The first fetch does not settle until it is let; those after it are real. */
  function stranded() {
    let calls = 0;
    let settle: (response: Response) => void = () => {};
    const first = new Promise<Response>((resolve) => {
      settle = resolve;
    });
    const stub = ((input: string, init?: RequestInit) =>
      calls++ === 0 ? first : fetch(input, init)) as typeof fetch;
    return { fetch: stub, settle: (body: unknown) => settle(Response.json(body)), calls: () => calls };
  }

  it('strands nobody: one of those who waited fetches', async () => {
    const stuck = stranded();
    const keys = keySet({ timeoutMs: 50, fetch: stuck.fetch });
    void keys.find('key-1', 'RS256', T0);
    const waited = await Promise.all([1, 2, 3].map((ms) => keys.find('key-1', 'RS256', T0 + ms)));
    expect(waited.every(({ ok }) => ok)).toBe(true);
    expect(stuck.calls()).toBe(2);
  });

  it('changes nothing when it ends after all', async () => {
    const stuck = stranded();
    const keys = keySet({ timeoutMs: 50, fetch: stuck.fetch });
    const lost = keys.find('key-1', 'RS256', T0);
    await keys.find('key-1', 'RS256', T0 + 1);
    const older = await FakeIssuer.create({ issuer: issuer.issuer, kid: 'older' });
    stuck.settle(older.jwks());
    expect(await lost).toMatchObject({ ok: true, generation: 1 });
    expect(await keys.find('older', 'RS256', T0 + 2)).toEqual(UNKNOWN);
  });
});

describe('which keys are used', () => {
  const BENT: readonly (readonly [string, { readonly [name: string]: unknown }])[] = [
    ['for encryption', { use: 'enc' }],
    ['not for verifying', { key_ops: ['encrypt'] }],
    ['of another algorithm', { alg: 'RS512' }],
    ['with its private half', { d: 'AQAB' }],
    ['of another kind', { kty: 'EC' }],
    ['symmetric', { kty: 'oct', k: 'AQAB' }],
    ['without an id', { kid: undefined }],
    ['with an id that is no text', { kid: 1 }],
    ['without its number', { n: undefined }],
  ];

  it.each(BENT)('none %s', async (_what, bend) => {
    answer = json(() => ({ keys: [null, 'key-1', { ...issuer.key.jwk, ...bend }] }));
    expect(await keySet().find('key-1', 'RS256', T0)).toEqual(UNKNOWN);
  });

  it('the one that suits, where two have the same id', async () => {
    await issuer.rotate('key-1', { alg: 'ES256' });
    const keys = keySet();
    expect(await keys.find('key-1', 'ES256', T0)).toMatchObject({
      ok: true,
      key: { algorithm: { name: 'ECDSA' } },
    });
    expect(await keys.find('key-1', 'ES384', T0)).toEqual(UNKNOWN);
    expect(await keys.find('key-1', 'EdDSA', T0)).toEqual(UNKNOWN);
  });
});
