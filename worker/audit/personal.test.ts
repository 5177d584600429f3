import { beforeEach, describe, expect, it } from 'vitest';
import { vaultKey } from '../../core/personal.ts';
import { MemoryVaults } from '../../durable-objects/personal-vault/testing/memory.ts';
import { CACHE_MS, type Personal, personalVaults, pseudonymOf, VaultUnavailable } from './personal.ts';

const KEYS = [vaultKey('v2', new Uint8Array(32).fill(2)), vaultKey('v1', new Uint8Array(32).fill(1))];
const PSEUDONYMS = { id: 'k1', key: new Uint8Array(32).fill(7) };
const user = (value: string) => ({ kind: 'user_id', value });

let vaults: MemoryVaults;
let time: number;

const isolate = (keys = KEYS): Personal =>
  personalVaults({ object: (name) => vaults.object(name), keys, now: () => time });

beforeEach(() => {
  vaults = new MemoryVaults();
  time = 1_000_000;
});

describe('tokens', () => {
  it('are the same for the same value in every isolate, and differ by tenant, kind and value', async () => {
    const values = [user('alice'), user('bob'), { kind: 'agent_id', value: 'alice' }, user('alice')];
    const tokens = await isolate().tokens('acme', values);
    expect(tokens[0]).toBe(tokens[3]);
    expect(new Set(tokens).size).toBe(3);
    for (const token of tokens) expect(token).toMatch(/^p1\.[A-Za-z0-9_-]{22}$/);
    expect(await isolate().tokens('acme', values)).toEqual(tokens);
    const [elsewhere] = await isolate().tokens('globex', [user('alice')]);
    expect(tokens).not.toContain(elsewhere);
  });

  it('are random: another vault gives others', async () => {
    const before = await isolate().tokens('acme', [user('alice')]);
    vaults = new MemoryVaults();
    expect(await isolate().tokens('acme', [user('alice')])).not.toEqual(before);
  });

  it('are one when two isolates meet a value at the same time', async () => {
    const both = await Promise.all([1, 2].map(() => isolate().tokens('acme', [user('alice')])));
    expect(both[0]).toEqual(both[1]);
  });

  it('are asked for once a minute', async () => {
    const personal = isolate();
    const [first] = await personal.tokens('acme', [user('alice')]);
    vaults.calls.length = 0;
    time += CACHE_MS - 1;
    expect(await personal.tokens('acme', [user('alice')])).toEqual([first]);
    expect(vaults.calls).toEqual([]);
    time += 1;
    expect(await personal.tokens('acme', [user('alice')])).toEqual([first]);
    expect(vaults.calls).toEqual(['find']);
  });

  it('of nothing ask nobody', async () => {
    expect(await isolate().tokens('acme', [])).toEqual([]);
    expect(vaults.calls).toEqual([]);
  });

  it('are found under an older key, too', async () => {
    const old = await isolate([KEYS[1]!]).tokens('acme', [user('alice')]);
    expect(await isolate().tokens('acme', [user('alice')])).toEqual(old);
  });

  it.each([
    ['storage', 'before'],
    ['answer', 'behind'],
  ] as const)('whose %s was lost are asked for again, and are one', async (_what, when) => {
    vaults.lose = when;
    await expect(isolate().tokens('acme', [user('alice')])).rejects.toThrow(VaultUnavailable);
    const [token] = await isolate().tokens('acme', [user('alice')]);
    expect(await isolate().tokens('acme', [user('alice')])).toEqual([token]);
    expect(await isolate().resolve('acme', [token!])).toEqual(new Map([[token, user('alice')]]));
  });

  it('are not made up when the vault is out of reach', async () => {
    vaults.down = true;
    await expect(isolate().tokens('acme', [user('alice')])).rejects.toThrow(VaultUnavailable);
  });
});

describe('what was erased', () => {
  it('resolves no more, is called something else from then on, and is forgotten by isolates within a minute', async () => {
    const [here, there] = [isolate(), isolate()];
    const [token] = await here.tokens('acme', [user('alice')]);
    await there.tokens('acme', [user('alice')]);
    expect(await there.resolve('acme', [token!])).toEqual(new Map([[token, user('alice')]]));
    expect(await here.erase('acme', [user('alice')])).toEqual({ tokens: [token], copies: 'removed' });
    expect(await there.resolve('acme', [token!])).toEqual(new Map());
    expect(await here.tokens('acme', [user('alice')])).not.toEqual([token]);
    time += CACHE_MS;
    expect(await there.tokens('acme', [user('alice')])).toEqual(await here.tokens('acme', [user('alice')]));
    expect(await here.erase('acme', [user('nobody')])).toEqual({ tokens: [], copies: 'removed' });
  });
});

describe('names', () => {
  it('that there are can be asked for without making any', async () => {
    const personal = isolate();
    expect(await personal.known('acme', [user('alice')])).toEqual([[]]);
    const [token] = await personal.tokens('acme', [user('alice')]);
    expect(await personal.known('acme', [user('bob'), user('alice')])).toEqual([[], [token]]);
  });

  it('are all that a value has, where an isolate without the newest key gave it a second one', async () => {
    const [token] = await isolate().tokens('acme', [user('alice')]);
    const [second] = await isolate([KEYS[1]!]).tokens('acme', [user('alice')]);
    const personal = isolate();
    expect(await personal.known('acme', [user('alice')])).toEqual([[token, second]]);
    expect(await personal.tokens('acme', [user('alice')])).toEqual([token]);
    expect(await personal.erase('acme', [user('alice')])).toEqual({
      tokens: [token, second],
      copies: 'removed',
    });
  });

  it('of old records are as they were', () => {
    expect(pseudonymOf(PSEUDONYMS, 'acme', user('alice'))).toMatch(/^k1\.[A-Za-z0-9_-]{22}$/);
    const others = [
      pseudonymOf(PSEUDONYMS, 'acme', user('bob')),
      pseudonymOf(PSEUDONYMS, 'globex', user('alice')),
      pseudonymOf(PSEUDONYMS, 'acme', { kind: 'agent_id', value: 'alice' }),
      pseudonymOf({ ...PSEUDONYMS, key: new Uint8Array(32) }, 'acme', user('alice')),
    ];
    expect(new Set(others).size).toBe(4);
  });
});

it('resolves nothing for what is no token, or another tenant’s', async () => {
  const personal = isolate();
  const [token] = await personal.tokens('acme', [user('alice')]);
  expect(await personal.resolve('acme', ['k1.x', 'memory-1', ''])).toEqual(new Map());
  expect(await personal.resolve('globex', [token!])).toEqual(new Map());
});
