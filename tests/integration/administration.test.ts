import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditUnreadable } from '../../worker/governance/audit-database.ts';
import { OPERATIONS } from '../../worker/mem0/catalogue/index.ts';
import { Bench } from './in-process.ts';

// An administrator's changes are recorded as changes of memories are: before and after.

const LIST = '/memories?user_id=alice';

let bench: Bench;
let changed: string[];
/** What an administrator's change does when it is made. */
let change: (what: string) => Promise<void>;

beforeEach(() => {
  bench = new Bench();
  changed = [];
  change = async (what) => {
    changed.push(what);
  };
  bench.holds = {
    last: async () => ({ held: true, reason: 'a case', since: null }),
    set: async () => change('hold'),
  };
  bench.subjects = { records: async () => 1, retired: async () => false, retire: async () => change('key') };
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});

const ERASE = { path: '/governance/v1/personal/erasures', body: { value: 'alice', dry_run: false } };
const CHANGES: { readonly [operation: string]: { path: string; method?: string; body: object } } = {
  'governance.audit.hold.set': {
    ...{ path: '/governance/v1/audit/hold', method: 'PUT' },
    body: { held: true, reason: 'a case' },
  },
  'governance.personal.erase': ERASE,
  'governance.personal.retire_key': { path: '/governance/v1/personal/retired-keys', body: { key: 'k1' } },
};
const make = ({ path, method = 'POST', body }: (typeof CHANGES)[string]) =>
  bench.send(path, { method, body });
const phases = () => bench.records().map(({ operation, phase }) => [operation, phase]);

/** The tokens of a user, as the record of a list names them. */
async function tokens(): Promise<readonly string[]> {
  await bench.send(LIST);
  return bench.records().at(-1)!.resource!.ids!;
}

describe('an administrator’s change', () => {
  it('is each of these', () => {
    const own = OPERATIONS.filter(({ dialect, action }) => dialect === 'governance' && action === 'admin');
    expect(own.map(({ id }) => id).sort()).toEqual(Object.keys(CHANGES).sort());
  });

  it.each(Object.keys(CHANGES))('%s is not made when it cannot be recorded', async (operation) => {
    const before = await tokens();
    bench.beforeAppend = () => {
      throw new Error('object reset');
    };
    const answer = await make(CHANGES[operation]!);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      expect.objectContaining({ code: 'audit_unavailable' }),
    ]);
    bench.beforeAppend = () => undefined;
    expect(changed).toEqual([]);
    expect(await tokens()).toEqual(before);
  });

  it.each(Object.keys(CHANGES))('%s has an intent, which its outcome closes', async (operation) => {
    await tokens();
    const seen = bench.records().length;
    expect((await make(CHANGES[operation]!)).status).toBe(200);
    const [intent, outcome, ...more] = bench.records().slice(seen);
    expect(more).toEqual([]);
    expect(intent).toMatchObject({ operation, phase: 'intent', decision: 'allow' });
    expect(outcome).toMatchObject({ operation, phase: 'outcome', outcome: { result: 'success' } });
    expect(outcome!.intent).toEqual({ log: intent!.log, index: intent!.index });
    expect(intent!.resource).toEqual(outcome!.resource);
    expect(intent!.resource!.ids!.length).toBeGreaterThan(0);
  });

  it.each(Object.keys(CHANGES))(
    '%s may have happened when its outcome cannot be recorded',
    async (operation) => {
      await tokens();
      bench.beforeAppend = ([entry]) => {
        if (entry!.members.phase === 'outcome') throw new Error('object reset');
      };
      const answer = await make(CHANGES[operation]!);
      expect([answer.status, await answer.json()]).toEqual([
        503,
        expect.objectContaining({ code: 'audit_outcome_unrecorded' }),
      ]);
      expect(answer.headers.get('audit-record')).toMatch(/^acme~0~1\/1;/);
    },
  );

  it('of which nobody knows whether it was made is recorded as that, with what it was about', async () => {
    change = async () => {
      throw new AuditUnreadable();
    };
    expect((await make(CHANGES['governance.audit.hold.set']!)).status).toBe(503);
    expect(bench.records().at(-1)).toMatchObject({
      ...{ phase: 'outcome', outcome: { result: 'unknown' }, resource: { ids: ['hold:on'] } },
    });
  });
});

describe('an erasure', () => {
  it('that is only planned is no change', async () => {
    await tokens();
    await make({ ...ERASE, body: { ...ERASE.body, dry_run: true } });
    expect(phases().at(-2)).toEqual(['oss.memories.list', 'outcome']);
    expect(phases().at(-1)).toEqual(['governance.personal.erase', 'outcome']);
  });

  it('names what it erased, also what came in between', async () => {
    const erase = bench.vaults.object.bind(bench.vaults);
    let between: readonly string[] = [];
    bench.vaults.object = (name) => ({
      ...erase(name),
      find: (values) => erase(name).find(values),
      erase: async (values) => {
        between = await tokens();
        return erase(name).erase(values);
      },
    });
    const answer = await make({ ...ERASE, body: { ...ERASE.body, kind: 'user_id' } });
    const { subjects } = (await answer.json()) as { subjects: { token: string }[] };
    expect(subjects.map(({ token }) => token)).toEqual(between);
    expect(bench.records().at(-1)!.resource!.ids).toEqual(between);
  });
});
