import { readFileSync } from 'node:fs';
import { pooled } from '../../core/ids.ts';
import { parseJson } from '../../worker/http/json.ts';
import { parseTarget } from '../../worker/http/target.ts';
import { checkAnswer } from '../../worker/mem0/answers.ts';
import { match } from '../../worker/mem0/match.ts';
import { scopeRequest } from '../../worker/mem0/scope.ts';
import { understand } from '../../worker/mem0/understand.ts';
import { type Asker, judge } from '../../worker/policy/judge.ts';
import { createPolicy } from '../../worker/policy/policy.ts';
import { SCENARIOS, TENANT } from '../scenarios.ts';
import { ANSWERS } from '../upstream/answers.ts';
import type { Micro } from './measure.ts';

const shotOf = (name: string) => SCENARIOS.find((each) => each.name === name)!.shot;
const ASKER: Asker = {
  ...{ roles: ['agent-reader'], tenant: TENANT, mfa: false },
  ...{ now: 1_750_000_000_000, country: null, tls: null },
};

/** Everything that a filter of the self-hosted server may have: an id and eight conditions. */
const FILTERED = {
  query: 'what does he drink',
  filters: {
    user_id: 'bob',
    AND: [{ level: { gte: 3 } }, { level: { lt: 9 } }, { place: { contains: 'home' } }],
    OR: [{ kind: 'drink' }, { kind: { in: ['food', 'snack'] } }, { kind: { ne: 'none' } }],
    NOT: [{ source: 'import' }, { source: 'test' }],
  },
};

/** The steps of a request that ask nobody: each on what the step before it gave. */
export function pureMicros(): Micro[] {
  const space = pooled(TENANT);
  const understood = (path: string, method: string, body?: unknown) =>
    understand(match(method, path), '', body, 'oss');
  const { path } = shotOf('read');
  const read = understood(path, 'GET');
  const search = shotOf('search');
  const searchBytes = Buffer.from(search.body!);
  const searchBody = JSON.parse(search.body!);
  const searched = understood('/search', 'POST', searchBody);
  const filtered = understood('/search', 'POST', FILTERED);
  const answer = ANSWERS[`GET ${path}`];
  const rows = ANSWERS['POST /search'];
  return [
    ...policyMicros(read),
    { name: 'target checked', run: () => parseTarget(`http://127.0.0.1:8787${path}`, '127.0.0.1:8787') },
    { name: 'catalogue match', run: () => match('GET', path) },
    { name: 'body parsed, a search', run: () => parseJson(searchBytes) },
    { name: 'validation, a read by id', run: () => understood(path, 'GET') },
    { name: 'validation, a search', run: () => understood('/search', 'POST', searchBody) },
    { name: 'validation, a filter of 8 conditions', run: () => understood('/search', 'POST', FILTERED) },
    { name: 'filter rebuilt, one user', run: () => scopeRequest(searched, space) },
    { name: 'filter rebuilt, 8 conditions', run: () => scopeRequest(filtered, space) },
    {
      name: 'answer checked, 1 row',
      run: () => checkAnswer(read.operation, space, answer, { proven: [], asked: read.params.memory_id }),
    },
    {
      name: 'answer checked, 50 rows',
      run: () => checkAnswer(searched.operation, space, rows, { proven: [] }),
    },
  ];
}

function policyMicros(read: ReturnType<typeof understand>): Micro[] {
  const file = (name: string) => readFileSync(new URL(`../../policies/${name}`, import.meta.url));
  const module = new WebAssembly.Module(file('module/policy.wasm'));
  const data = JSON.parse(file('data.json').toString('utf8')) as {
    mem0: { roles: { [role: string]: unknown } };
  };
  const many = <T>(count: number, make: (i: number) => [string, T]) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => make(i)));
  const tenants = many(10_000, (i) => [`tenant-${i}`, { plan: 'basic', legal_hold: false }]);
  const roles = { ...many(1000, (i) => [`role-${i}`, ['read', 'write']]), ...data.mem0.roles };
  const micro = (name: string, with_: object): Micro => {
    const policy = createPolicy(module, with_, 'digest');
    if (!judge(policy, read, ASKER).decision.allow) throw new Error('the policy denies a read');
    return { name, run: () => judge(policy, read, ASKER) };
  };
  return [
    micro('policy, input and evaluation', data),
    micro('policy, 10,000 tenants in its data', { mem0: { ...data.mem0, tenants } }),
    micro('policy, 1,000 roles in its data', { mem0: { ...data.mem0, roles } }),
  ];
}
