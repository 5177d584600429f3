import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeMem0, MEMORY_ID, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { type RawAnswer, rawRequest, rawText } from '../fakes/raw.ts';
import { type Rig, startRig } from './rig.ts';

// Raw sockets against bare workerd: what a client library would never send, and in which order it is refused.

let mem0: FakeMem0;
let rig: Rig;
let writer: string;

beforeAll(async () => {
  mem0 = await startFakeMem0({ responder: presets.json({ results: [] }) });
  rig = await startRig({ mem0: { url: mem0.url, apiKey: 'upstream-key' } });
  writer = await rig.token('acme', 'agent-writer');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

type Headers = readonly (readonly [string, string])[];
const JSON_TYPE = ['Content-Type', 'application/json'] as const;

function send(method: string, target: string, headers: Headers = [], body = ''): Promise<RawAnswer> {
  const auth: Headers = [
    ['Host', `127.0.0.1:${rig.port}`],
    ['Authorization', `Bearer ${writer}`],
  ];
  return rawRequest(rig.port, rawText(method, target, [...auth, ...headers], body));
}

const codeOf = (answer: RawAnswer): string => JSON.parse(answer.body).code;

const ADD = JSON.stringify({ messages: [{ role: 'user', content: 'x' }], user_id: 'bob' });

describe('the order of refusals', () => {
  it.each([
    [
      'a bad token comes before a bad target',
      'GET',
      '/a/../memories',
      [['Authorization', 'Bearer x.y.z']],
      '',
      401,
    ],
    [
      'a tenant that is not granted, before a bad target',
      'GET',
      '/a/../b',
      [['X-Tenant-Id', 'globex']],
      '',
      403,
    ],
    [
      'a bad target, before the content type',
      'POST',
      '/memories/../memories',
      [],
      'x',
      400,
      'invalid_target',
    ],
    ['the content type, before an unknown path', 'POST', '/nowhere', [], 'x', 415, 'unsupported_media_type'],
    ['JSON, before an unknown path', 'POST', '/nowhere', [JSON_TYPE], '{', 400, 'invalid_body'],
    ['an unknown path, before the query', 'GET', '/nowhere?a=1&a=2', [], '', 404, 'not_found'],
    [
      'another method, before the query',
      'PATCH',
      '/memories?a=1&a=2',
      [JSON_TYPE],
      '{}',
      405,
      'method_not_allowed',
    ],
    ['the query, before the schema', 'POST', '/memories?x=1&x=2', [JSON_TYPE], '{}', 400, 'invalid_query'],
    ['the schema', 'POST', '/memories', [JSON_TYPE], '{}', 400, 'invalid_body'],
  ] as const)('%s', async (_what, method, target, headers, body, status, code?: string) => {
    const withoutOwn = headers.some(([name]) => name === 'Authorization');
    const answer = withoutOwn
      ? await rawRequest(
          rig.port,
          rawText(method, target, [['Host', `127.0.0.1:${rig.port}`], ...headers], body),
        )
      : await send(method, target, headers, body);
    expect(answer.status, answer.body).toBe(status);
    if (code) expect(codeOf(answer)).toBe(code);
  });

  it('405 names the methods that stand there', async () => {
    const answer = await send('PATCH', '/memories', [JSON_TYPE], '{}');
    expect(answer.status).toBe(405);
    expect(answer.header('allow')).toBe('DELETE, GET, POST');
  });

  it.each(['HEAD', 'OPTIONS'])('%s is not inherited from GET', async (method) => {
    expect((await send(method, '/memories?user_id=bob')).status).toBe(405);
  });
});

describe('targets', () => {
  it.each([
    '/../memories',
    '/./memories',
    '/memories/..',
    '/memories/%2e%2e/reset',
    '/memories/%2E%2e/reset',
    '/memories/.%2e/reset',
    '/memories/%252e%252e/reset',
    '/memories/%c0%ae%c0%ae/reset',
    '/memories\\..\\reset',
    '/memories/%5c..%5creset',
    `/memories/${MEMORY_ID}%2Fhistory`,
    '//memories',
    '/memories//x',
    '/memories/%00',
    '/memories;x=1',
    '/memories/%zz',
    '/memories/%',
  ])('refuses %s', async (target) => {
    const before = mem0.requests.length;
    const answer = await send('GET', `${target}?user_id=bob`);
    expect(answer.status, answer.body).toBe(400);
    expect(mem0.requests.length).toBe(before);
  });

  it.each(['/%6demories?user_id=bob', '/Memories?user_id=bob', '/memories/?user_id=bob'])(
    'knows no other spelling: %s',
    async (target) => {
      expect((await send('GET', target)).status).toBe(404);
    },
  );

  it.each([
    '127.0.0.1/memories?user_id=bob&x=',
    'evil@127.0.0.1',
    'a b',
    '127.0.0.1:0x1',
    'example.com',
    '[::2]',
  ])('refuses the Host %s', async (host) => {
    const text = rawText('GET', '/memories?user_id=bob', [
      ['Host', host],
      ['Authorization', `Bearer ${writer}`],
    ]);
    const answer = await rawRequest(rig.port, text);
    expect([400, 403]).toContain(answer.status);
  });
});

describe('queries', () => {
  it.each([
    'user_id=bob&user_id=eve',
    'user_id=bob&user%5fid=eve',
    'User_Id=bob',
    'userId=bob',
    'user_id[]=bob',
    'app_id=bob',
    'user_id=',
    'user_id=*',
    'user_id=%2A',
    'user_id=%C2%A0*%E3%80%80',
    'user_id=b%20b',
    'user_id=b%00b',
    'user_id=%ff',
    'top_k=5',
    'user_id=bob&top_k=1001',
    'user_id=bob&top_k=1e3',
    '',
  ])('refuses ?%s', async (query) => {
    const before = mem0.requests.length;
    const answer = await send('GET', `/memories?${query}`);
    expect(answer.status, answer.body).toBe(400);
    expect(mem0.requests.length).toBe(before);
  });
});

describe('bodies', () => {
  it.each([
    ['no content type', [], ADD, 415],
    ['text/plain', [['Content-Type', 'text/plain']], ADD, 415],
    ['application/x+json', [['Content-Type', 'application/x+json']], ADD, 415],
    ['UTF-16 by name', [['Content-Type', 'application/json; charset=utf-16']], ADD, 415],
    ['two content types', [JSON_TYPE, JSON_TYPE], ADD, 415],
    ['a gzip that is none', [JSON_TYPE, ['Content-Encoding', 'gzip']], ADD, 415],
    ['an empty body', [JSON_TYPE], '', 400],
    ['a byte order mark', [JSON_TYPE], `\xef\xbb\xbf${ADD}`, 400],
    ['UTF-16', [JSON_TYPE], [...ADD].map((c) => `${c}\0`).join(''), 400],
    ['NaN', [JSON_TYPE], '{"user_id":NaN}', 400],
    ['a duplicate key', [JSON_TYPE], '{"user_id":"bob","user_id":"eve","messages":[]}', 400],
    ['a duplicate key in escapes', [JSON_TYPE], '{"user_id":"bob","user\\u005fid":"eve","messages":[]}', 400],
    ['__proto__', [JSON_TYPE], '{"__proto__":{},"user_id":"bob","messages":[]}', 400],
    ['deep nesting', [JSON_TYPE], `${'['.repeat(5000)}${']'.repeat(5000)}`, 400],
    ['an unknown key', [JSON_TYPE], ADD.replace('"user_id"', '"org_id":"x","user_id"'), 400],
    ['a number for an id', [JSON_TYPE], ADD.replace('"bob"', '42'), 400],
    ['a wildcard id', [JSON_TYPE], ADD.replace('"bob"', '"*"'), 400],
    [
      'metadata that shadows',
      [JSON_TYPE],
      ADD.replace('"user_id"', '"metadata":{"created_at":1},"user_id"'),
      400,
    ],
    ['a prompt', [JSON_TYPE], ADD.replace('"user_id"', '"prompt":"say it","user_id"'), 400],
    ['more than the limit', [JSON_TYPE], `{"x":"${'y'.repeat(1_100_000)}"}`, 413],
  ] as const)('refuses %s', async (_what, headers, body, status) => {
    const before = mem0.requests.length;
    const answer = await send('POST', '/memories', headers, body);
    expect(answer.status, answer.body).toBe(status);
    expect(mem0.requests.length).toBe(before);
  });

  it('enforces the size while reading, whatever Content-Length says', async () => {
    const piece = 'y'.repeat(60_000);
    const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`;
    const head = [
      'POST /memories HTTP/1.1',
      `Host: 127.0.0.1:${rig.port}`,
      `Authorization: Bearer ${writer}`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
      '',
      '',
    ].join('\r\n');
    const answer = await rawRequest(rig.port, `${head}${chunk.repeat(30)}0\r\n\r\n`, { pieces: 20 });
    expect(answer.status).toBe(413);
  });

  it.each([
    ['AND', { AND: [{ user_id: 'eve' }], user_id: 'bob' }],
    ['OR', { OR: [{ user_id: 'eve' }], user_id: 'bob' }],
    ['NOT', { NOT: [{ user_id: 'bob' }], user_id: 'bob' }],
    ['an operator on an id', { user_id: { ne: 'zz' } }],
    ['a list for an id', { user_id: ['bob'] }],
    ['a wildcard', { user_id: 'bob', agent_id: '*' }],
    ['no id', { colour: 'red' }],
    ['null', { user_id: null }],
  ])('refuses a filter with %s and names the place', async (_what, filters) => {
    const answer = await send('POST', '/search', [JSON_TYPE], JSON.stringify({ query: 'x', filters }));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'invalid_body', detail: expect.any(String) });
  });

  it.each([
    ['a body', '/memories', '{', 'The body is not JSON.'],
    [
      'a member',
      '/memories',
      '{"__proto__":1}',
      'No member may be called __proto__, constructor or prototype.',
    ],
    ['a text', '/memories', '["a\\u0000"]', 'A text holds U+0000, which cannot be stored.'],
    ['a query', '/memories?a=1&a=2', '{}', 'A parameter is there twice.'],
  ])('says what is wrong with %s', async (_what, target, body, detail) => {
    const answer = await send('POST', target, [JSON_TYPE], body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ detail });
  });
});

describe('what a refusal leaves behind', () => {
  it('is recorded as invalid_request and costs no rate budget', async () => {
    const token = await rig.token('acme', 'agent-reader', 'budget');
    await rig.call('GET', '/memories?bogus=1', token);
    const fine = await rig.call('GET', '/memories?user_id=bob', token);
    expect(fine.headers.get('x-ratelimit-remaining')).toBe('99999');
    const records = await rig.recorded((all) => all.some(({ actor }) => actor?.sub === 'budget'));
    const refused = records.find(
      ({ actor, decision }) => actor?.sub === 'budget' && decision === 'invalid_request',
    );
    expect(refused).toMatchObject({
      reasons: ['unknown_query_key'],
      outcome: { result: 'failure', status: 400 },
    });
  });

  it('forwards nothing of the client but traceparent', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await send('GET', '/memories?user_id=bob', [
      ['Cookie', 'session=secret'],
      ['X-Forwarded-For', '10.0.0.1'],
      ['traceparent', traceparent],
      ['Mem0-User-ID', 'eve'],
    ]);
    const last = mem0.requests.at(-1)!;
    expect(last.target).toBe('/memories?user_id=acme%3Abob');
    const headers = new Map(last.headers.map(([name, value]) => [name.toLowerCase(), value]));
    expect(headers.get('x-api-key')).toBe('upstream-key');
    expect(headers.get('traceparent')).toBe(traceparent);
    for (const name of ['authorization', 'cookie', 'x-forwarded-for', 'mem0-user-id', 'cf-connecting-ip']) {
      expect(headers.has(name), name).toBe(false);
    }
  });
});
