import type { SCENARIOS } from './scenarios.ts';

/** How far a request goes in the Worker that the floor is measured with. */
export interface Step {
  readonly name: string;
  readonly text: string;
  readonly scenario: (typeof SCENARIOS)[number]['name'];
  /** The step that forwards the same and does nothing else. */
  readonly beside: string;
}

const read = (name: string, text: string): Step => ({ name, text, scenario: 'read', beside: 'null' });
const add = (name: string, text: string): Step => ({ name, text, scenario: 'add', beside: 'sends' });

/** Of a read each step with those before it, but for the last two, which take the place of storing in one object. */
export const STEPS: readonly Step[] = [
  read('null', 'forwards a read'),
  read('whole', 'reads the whole answer before it gives it'),
  read('object', 'asks an object of the actor first, which writes nothing'),
  read('append', 'and stores 700 bytes in one object, one call for all that come together'),
  read(
    'calls',
    'and makes the other calls of a governed read: time limits, headers, a transaction of six statements',
  ),
  read('apart', 'or stores 700 bytes in an object of the actor, one call and one commit for each'),
  read('afresh', 'or in one of an actor that never came before: both objects are made for it'),
  add('sends', 'forwards an addition'),
  add('change', 'makes all calls of a governed addition: reads its body, stores before and after'),
];

export const OBJECTS = [
  { binding: 'GATE', className: 'Gate', sqlite: true },
  { binding: 'LOG', className: 'Log', sqlite: true },
];

/** No checks, no policy, no hashes, no tree: calls of the platform and nothing else. */
export const SOURCE = `import { DurableObject } from 'cloudflare:workers';
export class Gate extends DurableObject {
  admit({ limit }) { return { admitted: true, limit, remaining: 1, resetMs: 1, retryAfterMs: 0 }; }
}
const LEAF = 'f'.repeat(64);
export class Log extends DurableObject {
  #sql = this.ctx.storage.sql;
  #size = 0;
  constructor(ctx, env) {
    super(ctx, env);
    for (const table of ['record (idx INTEGER PRIMARY KEY, text TEXT)', 'leaf (idx INTEGER PRIMARY KEY, hash TEXT)',
      'key (name TEXT PRIMARY KEY, leaf TEXT) WITHOUT ROWID', 'intent (name TEXT PRIMARY KEY) WITHOUT ROWID',
      'head (size INTEGER)'])
      this.#sql.exec('CREATE TABLE IF NOT EXISTS ' + table);
  }
  append(entries) {
    return entries.map(({ text }) => {
      this.#sql.exec('INSERT INTO record (text) VALUES (?)', text);
      return { ok: true };
    });
  }
  /** As the audit log stores what comes together. */
  store(entries) {
    const list = (each) => JSON.stringify(entries.map(each));
    const all = (query, ...bindings) => this.#sql.exec(query, ...bindings).toArray();
    return this.ctx.storage.transactionSync(() => {
      const names = list(({ key }) => key);
      for (const table of ['key', 'intent'])
        all('SELECT t.* FROM json_each(?) AS asked CROSS JOIN ' + table + ' AS t ON t.name = asked.value', names);
      all('INSERT INTO leaf (hash) SELECT value FROM json_each(?)', list(() => LEAF));
      all('INSERT INTO record (text) SELECT value FROM json_each(?)', list(({ text }) => text));
      all('INSERT INTO key (name, leaf) SELECT value ->> 0, value ->> 1 FROM json_each(?)', list(({ key }) => [key, LEAF]));
      all(this.#size === 0 ? 'INSERT INTO head VALUES (?)' : 'UPDATE head SET size = ?', this.#size += entries.length);
      return entries.map(() => ({ ok: true, leaf: LEAF, log: 'log', index: this.#size }));
    });
  }
}
const TEXT = 'x'.repeat(700);
const STEPS = ${JSON.stringify(STEPS.map(({ name }) => name))};
/** What the stages ask of a request's headers, and give to those of its answer. */
const ASKED = ['host', 'authorization', 'user-agent', 'traceparent', 'x-tenant-id', 'x-user-role', 'content-type', 'accept'];
const GIVEN = { 'cache-control': 'no-store', 'x-request-id': 'id', 'x-content-type-options': 'nosniff', 'ratelimit-policy': 'p',
  ratelimit: 'r', 'x-ratelimit-limit': '9', 'x-ratelimit-remaining': '9', 'x-ratelimit-reset': '9', 'audit-record': LEAF };
let open, count = 0, keys = 0, underWay = 0;
function append(env, ctx, method) {
  const { promise, resolve } = Promise.withResolvers();
  const mine = { settle: resolve, entry: { key: Date.now() + '-' + keys++, text: TEXT } };
  if (open) { open.push(mine); return promise; }
  const batch = (open = [mine]);
  ctx.waitUntil((async () => {
    // Who is alone has nobody to wait for.
    if (underWay > 1) await new Promise((done) => setTimeout(done));
    open = undefined;
    const answers = await env.LOG.getByName('log')[method](batch.map(({ entry }) => entry));
    batch.forEach(({ settle }, i) => settle(answers[i]));
  })());
  return promise;
}
const makesCalls = (step) => step === 'calls' || step === 'change';
/** As a body is read within a time limit. */
async function bodyOf(request, signal) {
  const late = new Promise((_, reject) => signal.addEventListener('abort', reject, { once: true }));
  return new TextDecoder().decode(await Promise.race([request.arrayBuffer(), late]));
}
async function answer(request, env, ctx, url, far, actors) {
  const step = STEPS[far];
  const changes = step === 'change';
  const calls = makesCalls(step);
  const shared = calls || step === 'append';
  const limits = [];
  const limit = () => { const controller = new AbortController(); limits.push(controller); return controller.signal; };
  // One for all limits of a request. Where it has none, too: one that waits for nothing of its own is taken for one that hangs.
  const timer = shared ? setTimeout(() => limits.forEach((controller) => controller.abort()), 30000) : undefined;
  if (shared) underWay++;
  if (calls) for (const name of ASKED) request.headers.get(name);
  const body = changes ? await bodyOf(request, limit()) : undefined;
  const id = step === 'afresh' ? 'new' + count++ : String(count++ % actors);
  if (far >= 2) await env.GATE.getByName(id).admit({ id, kind: 'request', limit: 9, windowMs: 9, weight: 1 });
  if (changes) await append(env, ctx, 'store');
  const upstream = await (calls
    ? fetch(url, { method: request.method, redirect: 'manual', cache: 'no-store', signal: limit(),
        headers: { accept: 'application/json', 'x-api-key': 'key', ...(changes ? { 'content-type': 'application/json' } : {}) },
        ...(changes ? { body } : {}) })
    : fetch(url, request));
  const text = calls ? new TextDecoder().decode(await upstream.arrayBuffer()) : await upstream.text();
  if (shared) {
    await append(env, ctx, calls ? 'store' : 'append');
    underWay--;
    clearTimeout(timer);
  }
  if (step === 'apart' || step === 'afresh') await env.LOG.getByName(id).append([{ text: TEXT }]);
  const response = new Response(text, { status: upstream.status, headers: { 'content-type': 'application/json' } });
  if (calls) for (const [name, value] of Object.entries(GIVEN)) response.headers.set(name, value);
  return response;
}
export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    const [, first] = pathname.split('/', 2);
    const [step, actors] = first.split(':');
    const url = env.UPSTREAM + pathname.slice(1 + first.length);
    if (step === 'null' || step === 'sends') return fetch(url, request);
    const answered = answer(request, env, ctx, url, STEPS.indexOf(step), actors);
    // Goes on when the client does not.
    if (makesCalls(step)) ctx.waitUntil(answered.catch(() => undefined));
    return answered;
  },
};
`;
