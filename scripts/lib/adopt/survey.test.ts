import { describe, expect, it } from 'vitest';
import { FakeStore } from '../../../tests/fakes/adopt-store.ts';
import { type Mapping, parseMapping } from './mapping.ts';
import { UnreadableError } from './store.ts';
import { survey } from './survey.ts';

const mapping = (value: object): Mapping => parseMapping(JSON.stringify(value));
const ALICE = mapping({ user_id: { alice: 'acme', bob: 'globex' }, agent_id: { bot: 'globex' } });
const look = (store: FakeStore, map = ALICE) => survey(store, map, new Set());

function filled(count: number, user = 'acme:x'): FakeStore {
  const store = new FakeStore();
  for (let n = 0; n < count; n++) store.put({ user_id: user }, `memory ${n}`);
  return store;
}

describe('behind the end of a list', () => {
  it('what a full list of adopted memories hides is found by its id', async () => {
    const store = filled(1500);
    store.put({ user_id: 'alice' }, 'last');
    const found = await look(store);
    expect(found).toMatchObject({ moving: [{ tenant: 'acme' }], stuck: [], more: true, hidden: false });
  });

  it('an id without a tenant is found before anything is moved', async () => {
    const store = filled(1500, 'alice');
    const id = store.put({ user_id: 'stranger' }, 'last');
    expect((await look(store)).stuck).toEqual([{ id, ids: { user_id: 'stranger' }, why: 'unmapped' }]);
  });

  it('a memory of two tenants is found behind the lists of both', async () => {
    const store = filled(1100, 'alice');
    for (let n = 0; n < 1100; n++) store.put({ agent_id: 'bot' }, `said ${n}`);
    const id = store.put({ user_id: 'alice', agent_id: 'bot' }, 'of two');
    expect((await look(store)).stuck).toMatchObject([{ id, why: 'conflict' }]);
  });

  it('an id in the namespace of a tenant that is not known is found', async () => {
    const store = filled(1500, 'alice');
    const id = store.put({ user_id: 'initech:dave' }, 'last');
    expect((await look(store)).stuck).toMatchObject([{ id, why: 'looks_namespaced' }]);
  });

  it('an id of the mapping is found where the server does not name it any more', async () => {
    const store = filled(10_500);
    store.put({ user_id: 'alice' }, 'last');
    store.put({ user_id: 'hidden' }, 'behind it');
    const found = await look(store, mapping({ user_id: { alice: 'acme', '*': 'globex' } }));
    expect(found).toMatchObject({ moving: [{ tenant: 'acme' }], hidden: true });
  });
});

it('takes what an id holds that cannot be listed for stuck', async () => {
  const store = filled(1500, 'alice');
  store.put({ user_id: 'bob' }, 'spoilt');
  store.put({ user_id: 'a b' }, 'blank');
  const list = store.list.bind(store);
  store.list = async (ids) => {
    if (ids.user_id === 'bob') throw new UnreadableError('Mem0 answers 502 to GET /memories.');
    return list(ids);
  };
  expect((await look(store)).stuck).toEqual([
    { ids: { user_id: 'bob' }, why: 'unreadable' },
    { ids: { user_id: 'a b' }, why: 'unusable_id' },
  ]);
});

it('tells what stands right, what is damaged and what the mapping names in vain', async () => {
  const store = new FakeStore();
  store.put({ user_id: 'acme:alice', run_id: 'acme:r' }, 'right');
  const poison = store.put({ user_id: 'alice' }, 'wrong', {}, { fault: 'unreadable' });
  expect(await look(store)).toMatchObject({
    settled: ['acme'],
    stuck: [{ id: poison, why: 'unreadable' }],
    unused: [
      { kind: 'user_id', id: 'bob' },
      { kind: 'agent_id', id: 'bot' },
    ],
    more: false,
  });
});
