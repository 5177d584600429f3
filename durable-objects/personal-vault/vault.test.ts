import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lookupOf, newToken, vaultKey } from '../../core/personal.ts';
import { MemoryStore } from '../audit-log/testing/store.ts';
import { Vault } from './vault.ts';

// Whatever is asked in whatever order, with storage that fails: the vault against a simple model of it.

const KEYS = [vaultKey('v2', new Uint8Array(32).fill(2)), vaultKey('v1', new Uint8Array(32).fill(1))];
const lookups = (name: string, keys = KEYS) =>
  keys.map((key) => lookupOf(key, 'acme', { kind: 'user_id', value: name }));
let made = 0;
const sealed = (name: string, key = KEYS[0]!, token = newToken(0)) => ({
  ...{ token, lookup: lookupOf(key, 'acme', { kind: 'user_id', value: name }), keyId: key.id },
  jwe: `${name} under ${key.id}, ${made++}`,
});

const NAMES = ['alice', 'bob', 'carol', 'dave'] as const;
const name = fc.constantFrom(...NAMES);
const step = fc.oneof(
  fc.record({ kind: fc.constant('keep' as const), name, old: fc.boolean() }),
  fc.record({ kind: fc.constant('erase' as const), name }),
  fc.record({ kind: fc.constant('copy' as const), lost: fc.boolean() }),
  fc.record({ kind: fc.constant('rekey' as const) }),
  fc.record({
    kind: fc.constant('fail' as const),
    at: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constant('commit' as const)),
  }),
  fc.record({ kind: fc.constant('restart' as const) }),
);

it('keeps one token for each value until it is erased, and tells Postgres of all of it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new MemoryStore();
      let vault = new Vault(store);
      const model = new Map<string, string>();
      const postgres = new Map<string, string>();
      const attempt = (run: () => void) => {
        try {
          run();
        } catch (error) {
          if ((error as Error).constructor.name !== 'StorageFailure') throw error;
        }
      };
      const copy = (lost: boolean) => {
        const waiting = vault.waiting(2);
        for (const { token, jwe } of waiting.rows) postgres.set(token, jwe);
        for (const token of waiting.erased) postgres.delete(token);
        if (!lost) attempt(() => vault.copied(waiting));
      };
      for (const each of steps) {
        if (each.kind === 'fail') store.fail(each.at);
        else if (each.kind === 'restart')
          attempt(() => {
            vault = new Vault(store);
          });
        else if (each.kind === 'copy') copy(each.lost);
        else if (each.kind === 'erase') {
          attempt(() => {
            const gone = vault.erase([lookups(each.name)]);
            expect(gone).toEqual(model.has(each.name) ? [model.get(each.name)] : []);
            model.delete(each.name);
          });
        } else if (each.kind === 'keep') {
          attempt(() => {
            const value = sealed(each.name, KEYS[each.old ? 1 : 0]);
            const [token] = vault.keep('acme', [{ sealed: value, lookups: lookups(each.name) }]);
            expect(token).toBe(model.get(each.name) ?? value.token);
            model.set(each.name, token!);
          });
        } else {
          for (const row of vault.under(['v1'], 1)) {
            const owner = [...model].find(([, token]) => token === row.token)![0];
            attempt(() => vault.rekey(row, sealed(owner, KEYS[0], row.token)));
          }
        }
        const found = vault.find(NAMES.map((each) => lookups(each)));
        expect(found).toEqual(NAMES.map((each) => model.get(each) ?? null));
      }
      for (let left = 100; left > 0; left--) copy(false);
      expect([...postgres.keys()].sort()).toEqual([...model.values()].sort());
      for (const [token, jwe] of postgres) expect(vault.read([token])).toEqual([jwe]);
    }),
    { numRuns: 300 },
  );
});

it('puts a row under another key only when it is still the row that was read', () => {
  const vault = new Vault(new MemoryStore());
  const old = sealed('alice', KEYS[1]);
  vault.keep('acme', [{ sealed: old, lookups: lookups('alice') }]);
  const [row] = vault.under(['v1'], 10);
  vault.erase([lookups('alice')]);
  vault.rekey(row!, sealed('alice', KEYS[0], old.token));
  expect(vault.read([old.token])).toEqual([null]);
  expect(vault.under(['v1', 'v2'], 10)).toEqual([]);
});

it('tries a row that no key opens once', () => {
  const vault = new Vault(new MemoryStore());
  const old = sealed('alice', KEYS[1]);
  vault.keep('acme', [{ sealed: old, lookups: lookups('alice') }]);
  vault.giveUp(vault.under(['v1'], 10)[0]!);
  expect(vault.under(['v1'], 10)).toEqual([]);
  expect(vault.read([old.token])).toEqual([old.jwe]);
});

it('finds many at once', () => {
  const vault = new Vault(new MemoryStore());
  const names = Array.from({ length: 250 }, (_, i) => `user ${i}`);
  const tokens = vault.keep(
    'acme',
    names.map((each) => ({ sealed: sealed(each), lookups: lookups(each) })),
  );
  expect(vault.find(names.map((each) => lookups(each)))).toEqual(tokens);
  expect(vault.tenant).toBe('acme');
});
