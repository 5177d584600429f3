import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lookupOf, newToken, vaultKey } from '../../core/personal.ts';
import { MemoryStore, StorageFailure } from '../storage/testing/store.ts';
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
  fc.record({ kind: fc.constant('keep' as const), name, old: fc.boolean(), alone: fc.boolean() }),
  fc.record({ kind: fc.constant('erase' as const), name, alone: fc.boolean() }),
  fc.record({ kind: fc.constant('copy' as const), lost: fc.boolean() }),
  fc.record({ kind: fc.constant('rekey' as const) }),
  fc.record({
    kind: fc.constant('fail' as const),
    at: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constant('commit' as const)),
  }),
  fc.record({ kind: fc.constant('restart' as const) }),
);

/** A row as the model knows it; whoever asks with the old key alone finds it only under that one. */
type Kept = { readonly name: string; readonly token: string; kid: string };
const OLD_KEY = [KEYS[1]!];
const keysOf = (alone: boolean) => (alone ? OLD_KEY : KEYS);

it('keeps what each value is found by until it is erased, and tells Postgres of all of it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new MemoryStore();
      let vault = new Vault(store);
      let model: Kept[] = [];
      const rowsOf = (name: string, keys: typeof KEYS) =>
        model.filter((row) => row.name === name && keys.some(({ id }) => id === row.kid));
      const postgres = new Map<string, string>();
      const attempt = (run: () => void) => {
        try {
          run();
        } catch (error) {
          if (!(error instanceof StorageFailure)) throw error;
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
            const keys = keysOf(each.alone);
            const rows = rowsOf(each.name, keys);
            expect(vault.erase([lookups(each.name, keys)])).toEqual(rows.map(({ token }) => token));
            model = model.filter((row) => !rows.includes(row));
          });
        } else if (each.kind === 'keep') {
          attempt(() => {
            const keys = keysOf(each.alone);
            const value = sealed(each.name, KEYS[each.old || each.alone ? 1 : 0]);
            const [token] = vault.keep('acme', [{ sealed: value, lookups: lookups(each.name, keys) }]);
            const [known] = rowsOf(each.name, keys);
            expect(token).toBe(known?.token ?? value.token);
            if (!known) model.push({ name: each.name, token: value.token, kid: value.keyId });
          });
        } else {
          for (const row of vault.under(['v1'], 1)) {
            const kept = model.find(({ token }) => token === row.token)!;
            attempt(() => {
              vault.rekey(row, sealed(kept.name, KEYS[0], row.token));
              kept.kid = 'v2';
            });
          }
        }
        for (const keys of [KEYS, OLD_KEY]) {
          const found = vault.find(NAMES.map((each) => lookups(each, keys)));
          expect(found).toEqual(NAMES.map((each) => rowsOf(each, keys)[0]?.token ?? null));
        }
      }
      for (let left = 100; left > 0; left--) copy(false);
      expect([...postgres.keys()].sort()).toEqual(model.map(({ token }) => token).sort());
      for (const [token, jwe] of postgres) expect(vault.read([token])).toEqual([jwe]);
    }),
    { numRuns: 300 },
  );
});

/** A value that one version kept under the new key, and another, which had the old key alone, once more. */
function keptTwice(vault: Vault) {
  const [first, second] = [sealed('alice'), sealed('alice', KEYS[1])];
  vault.keep('acme', [{ sealed: first, lookups: lookups('alice') }]);
  vault.keep('acme', [{ sealed: second, lookups: lookups('alice', OLD_KEY) }]);
  return [first.token, second.token];
}

it('puts a second row of a value under the new key beside the first, and gives the first one', () => {
  const vault = new Vault(new MemoryStore());
  const tokens = keptTwice(vault);
  expect(vault.find([lookups('alice')])).toEqual([tokens[0]]);
  const [row] = vault.under(['v1'], 10);
  vault.rekey(row!, sealed('alice', KEYS[0], row!.token));
  expect(vault.under(['v2'], 10).map(({ token }) => token)).toEqual(tokens);
  expect(vault.find([lookups('alice')])).toEqual([tokens[0]]);
  expect(vault.keep('acme', [{ sealed: sealed('alice'), lookups: lookups('alice') }])).toEqual([tokens[0]]);
  expect(vault.read(tokens)).not.toContain(null);
  expect(vault.erase([lookups('alice'), lookups('alice')])).toEqual(tokens);
  expect(vault.read(tokens)).toEqual([null, null]);
  expect([...vault.waiting(10).erased].sort()).toEqual(tokens.toSorted());
});

it('erases every row of a value before they are under one key', () => {
  const vault = new Vault(new MemoryStore());
  const tokens = keptTwice(vault);
  expect(vault.erase([lookups('alice')])).toEqual(tokens);
  expect(vault.read(tokens)).toEqual([null, null]);
});

it.each([undefined, 1, 'commit', 'committed'] as const)(
  'moves the rows of an earlier version over, also when storage fails at %s',
  (fault) => {
    const store = new MemoryStore();
    for (const statement of [
      `CREATE TABLE personal (
        token TEXT NOT NULL PRIMARY KEY, lookup TEXT NOT NULL UNIQUE, kid TEXT NOT NULL, jwe TEXT NOT NULL,
        copied INTEGER NOT NULL DEFAULT 0
      ) STRICT, WITHOUT ROWID`,
      'CREATE INDEX personal_waiting ON personal (copied) WHERE copied = 0',
      'CREATE INDEX personal_kid ON personal (kid)',
      'CREATE TABLE erased (token TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID',
      'CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), tenant TEXT NOT NULL) STRICT',
    ]) {
      store.exec(statement);
    }
    const rows = [sealed('alice'), sealed('alice', KEYS[1]), sealed('bob')];
    store.transaction(() => {
      store.exec("INSERT INTO owner VALUES (1, 'acme')");
      for (const [copied, { token, lookup, keyId, jwe }] of rows.entries()) {
        store.exec(
          'INSERT INTO personal VALUES (?, ?, ?, ?, ?)',
          ...[token, lookup, keyId, jwe, Math.min(copied, 1)],
        );
      }
    });
    if (fault !== undefined) {
      store.fail(fault);
      expect(() => new Vault(store)).toThrow(StorageFailure);
    }
    const made = new Vault(store);
    const after = store.snapshot();
    const vault = new Vault(store);
    expect(store.snapshot()).toEqual(after);
    expect(after.map(({ name }) => name)).not.toContain('personal_before');
    expect(vault.read(rows.map(({ token }) => token))).toEqual(rows.map(({ jwe }) => jwe));
    expect(vault.waiting(10).rows.map(({ token }) => token)).toEqual([rows[0]!.token]);
    const [row] = vault.under(['v1'], 10);
    vault.rekey(row!, sealed('alice', KEYS[0], row!.token));
    expect(made.tenant).toBe('acme');
    expect(vault.erase([lookups('alice')]).sort()).toEqual([rows[0]!.token, rows[1]!.token].sort());
  },
);

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
