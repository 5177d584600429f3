import { createServer } from 'node:net';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { type Algorithm, FakeIssuer } from '../fakes/issuer.ts';
import { type FakeMem0, memoryRow, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { rawRequest, rawText } from '../fakes/raw.ts';

const ISSUER = 'https://idp.example';

describe('the fake issuer', () => {
  const verify = (token: string, issuer: FakeIssuer) =>
    jwtVerify(token, createLocalJWKSet({ keys: [...issuer.jwks().keys] }), {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    });

  it.each<Algorithm>(['RS256', 'PS256', 'ES256', 'EdDSA'])('signs %s tokens that verify', async (alg) => {
    const issuer = await FakeIssuer.create({ issuer: ISSUER, alg });
    const { payload, protectedHeader } = await verify(await issuer.sign({ tenant_id: 'acme' }), issuer);
    expect(payload).toMatchObject({ iss: ISSUER, sub: 'user-1', tenant_id: 'acme' });
    expect(protectedHeader).toEqual({ alg, kid: 'key-1', typ: 'JWT' });
  });

  it('publishes no private part', async () => {
    const issuer = await FakeIssuer.create({ issuer: ISSUER });
    for (const key of issuer.jwks().keys) {
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(secret);
    }
  });

  it('leaves out and overrides what it is told to', async () => {
    const issuer = await FakeIssuer.create({ issuer: ISSUER });
    const token = await issuer.sign({ sub: undefined, exp: 1 }, { kid: undefined, typ: 'at+jwt' });
    const [header, payload] = token
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8')));
    expect(header).toEqual({ alg: 'RS256', typ: 'at+jwt' });
    expect(payload).not.toHaveProperty('sub');
    expect(payload.exp).toBe(1);
  });

  it('rotates: old tokens verify until the old key is forgotten', async () => {
    const issuer = await FakeIssuer.create({ issuer: ISSUER });
    const old = await issuer.sign();
    await issuer.rotate('key-2');
    expect((await verify(await issuer.sign(), issuer)).protectedHeader.kid).toBe('key-2');
    await verify(old, issuer);
    await issuer.rotate('key-3', { forget: true });
    await expect(verify(old, issuer)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
  });

  it('makes bad tokens that a verifier refuses', async () => {
    const issuer = await FakeIssuer.create({ issuer: ISSUER });
    const stranger = await FakeIssuer.create({ issuer: ISSUER });
    await expect(verify(issuer.unsigned(), issuer)).rejects.toThrow();
    await expect(verify(await issuer.confused(), issuer)).rejects.toThrow();
    await expect(verify(await stranger.sign(), issuer)).rejects.toMatchObject({
      code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    });
    await expect(verify(await issuer.sign({ big: 'x'.repeat(300_000) }), issuer)).resolves.toBeDefined();
  });
});

describe('the fake Mem0', () => {
  let mem0: FakeMem0 | undefined;
  afterEach(() => mem0?.stop());

  it('writes down what came, as it came', async () => {
    mem0 = await startFakeMem0();
    const port = Number(new URL(mem0.url).port);
    const headers = [
      ['Host', 'x'],
      ['X-Two', 'a'],
      ['x-two', 'b'],
    ] as const;
    await rawRequest(port, rawText('POST', '/entities/user/acme%3Abob?a=%41', headers, '{"a":1}'));
    expect(mem0.requests).toEqual([
      {
        method: 'POST',
        target: '/entities/user/acme%3Abob?a=%41',
        headers: [...headers, ['Content-Length', '7'], ['Connection', 'close']],
        body: '{"a":1}',
      },
    ]);
  });

  it('answers well', async () => {
    const row = memoryRow({ user_id: 'acme:bob' });
    mem0 = await startFakeMem0({ responder: presets.row(row) });
    const get = async (path: string) => (await fetch(`${mem0!.url}${path}`)).json();
    expect(await get('/memories/1')).toEqual(row);
    expect(await get('/memories?user_id=x')).toEqual({ results: [row] });
    mem0.respond(presets.missing());
    expect(await get('/memories/1')).toBeNull();
    mem0.respond(presets.otherTenantsRow());
    expect(await get('/memories/1')).toMatchObject({ user_id: 'globex:victim' });
    mem0.respond(presets.rowWithoutOwners());
    expect(Object.keys((await get('/memories/1')) as object)).not.toContain('user_id');
  });

  it('answers badly, in each way', async () => {
    mem0 = await startFakeMem0();
    const ask = () => fetch(mem0!.url, { redirect: 'manual', signal: AbortSignal.timeout(300) });
    const text = async () => (await ask()).text();

    mem0.respond(presets.malformedJson());
    await expect((await ask()).json()).rejects.toThrow(SyntaxError);
    mem0.respond(presets.html());
    expect((await ask()).headers.get('content-type')).toContain('text/html');
    mem0.respond(presets.error(503));
    expect((await ask()).status).toBe(503);
    mem0.respond(presets.redirect('http://127.0.0.1:1/x'));
    expect((await ask()).headers.get('location')).toBe('http://127.0.0.1:1/x');
    mem0.respond(presets.empty());
    expect(await text()).toBe('');
    mem0.respond(presets.oversize(1_000_000));
    expect((await text()).length).toBeGreaterThan(1_000_000);

    mem0.respond(presets.reset());
    await expect(ask()).rejects.toThrow('fetch failed');
    mem0.respond(presets.halfThenReset());
    const half = await ask();
    expect(half.status).toBe(200);
    await expect(half.text()).rejects.toThrow();
    mem0.respond(presets.slowDrip(20));
    const slow = await ask();
    expect(slow.status).toBe(200);
    await expect(slow.text()).rejects.toThrow(/timeout/i);
    mem0.respond(presets.never());
    await expect(ask()).rejects.toThrow(/timeout/i);
  });

  it('stops with requests still open', async () => {
    mem0 = await startFakeMem0({ responder: presets.never() });
    const hanging = fetch(mem0.url);
    hanging.catch(() => {});
    while (mem0.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await mem0.stop();
    await expect(hanging).rejects.toThrow();
  });
});

describe('the raw client', () => {
  /** A server that sends these bytes to whoever connects, then closes. */
  async function sending(bytes: string, close = true) {
    const seen: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => seen.push(chunk));
      socket.write(bytes, 'latin1', () => close && setTimeout(() => socket.end(), 30));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return { port, text: () => Buffer.concat(seen).toString('latin1'), stop: () => server.close() };
  }

  it('sends every octet as written, whole or in pieces', async () => {
    const server = await sending('HTTP/1.1 200 OK\r\n\r\n');
    const bytes = 'GET /\x00\xff\\..// HTTP/1.1\r\nHost: a b\r\n\r\n';
    await rawRequest(server.port, bytes);
    expect(server.text()).toBe(bytes);
    await rawRequest(server.port, bytes, { pieces: 3, gapMs: 1 });
    expect(server.text()).toBe(bytes + bytes);
    server.stop();
  });

  it.each([
    ['a length', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nhi', 400, 'hi', 1],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n',
      200,
      'hi!',
      1,
    ],
    ['neither', 'HTTP/1.1 200 OK\r\n\r\nhi', 200, 'hi', 1],
    ['an interim answer', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n', 204, '', 1],
    ['two answers', `${'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na'.repeat(2)}`, 200, 'a', 2],
  ])('reads an answer with %s', async (_, bytes, status, body, answers) => {
    const server = await sending(bytes);
    expect(await rawRequest(server.port, 'x')).toMatchObject({ status, body, answers });
    server.stop();
  });

  it('throws for a cut answer, for none, and for nobody there', async () => {
    const cut = await sending('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi');
    await expect(rawRequest(cut.port, 'x')).rejects.toThrow('no whole answer');
    cut.stop();
    const silent = await sending('', false);
    await expect(rawRequest(silent.port, 'x', { timeoutMs: 100 })).rejects.toThrow('within 100 ms');
    silent.stop();
    await expect(rawRequest(silent.port, 'x')).rejects.toThrow('ECONNREFUSED');
  });

  it('reads the head of an answer to HEAD', async () => {
    const server = await sending('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
    const answer = await rawRequest(server.port, rawText('HEAD', '/', [['Host', 'x']]));
    expect([answer.status, answer.body, answer.header('Content-Length')]).toEqual([200, '', '5']);
    server.stop();
  });
});
