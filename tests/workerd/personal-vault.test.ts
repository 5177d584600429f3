import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { lookupOf, type PersonalValue, sealPersonal, vaultKey } from '../../core/personal.ts';
import type { PersonalVaultRpc } from '../../core/rpc.ts';
import { PersonalVaultObject } from '../../durable-objects/personal-vault/personal-vault.ts';

// The object in the real runtime: storage, restarts, what it refuses, and its alarm while Postgres is away.

const KEY = vaultKey('test', new Uint8Array(32).fill(1));
const user = (value: string): PersonalValue => ({ kind: 'user_id', value });
const lookups = (value: PersonalValue) => [lookupOf(KEY, 'acme', value)];
const entry = async (value: PersonalValue) => ({
  sealed: await sealPersonal(KEY, 'acme', value),
  lookups: lookups(value),
});

let made = 0;
function vault() {
  const stub = env.PERSONAL_VAULT.getByName(`acme~vault~test${made++}`);
  return { stub, rpc: stub as unknown as PersonalVaultRpc };
}

it('keeps a token for each value, and forgets it', async () => {
  const { rpc } = vault();
  const [alice, bob] = await Promise.all([entry(user('alice')), entry(user('bob'))]);
  expect(await rpc.find([alice.lookups])).toEqual([null]);
  expect(await rpc.keep('acme', [alice, bob])).toEqual([alice.sealed.token, bob.sealed.token]);
  expect(await rpc.keep('acme', [await entry(user('alice'))])).toEqual([alice.sealed.token]);
  expect(await rpc.read([bob.sealed.token, 'p1.none'])).toEqual([bob.sealed.jwe, null]);
  // Nothing listens where Postgres should be.
  expect(await rpc.erase([bob.lookups])).toEqual({ tokens: [bob.sealed.token], copies: 'pending' });
  expect(await rpc.find([alice.lookups, bob.lookups])).toEqual([alice.sealed.token, null]);
  expect(await rpc.read([bob.sealed.token])).toEqual([null]);
});

it('has an alarm for what Postgres lacks, and sets it again when Postgres is away', async () => {
  const { stub, rpc } = vault();
  await rpc.keep('acme', [await entry(user('alice'))]);
  await runInDurableObject(stub, async (instance, state) => {
    expect(await state.storage.getAlarm()).toBeGreaterThan(0);
    await state.storage.deleteAlarm();
    await instance.alarm();
    expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now());
  });
});

describe('an alarm that puts rows under another key', () => {
  const OLD = vaultKey('old', new Uint8Array(32).fill(2));
  const alice = user('alice');

  /** The object with both keys, and a value that was kept under each of them. */
  const keptTwice = (
    run: (
      object: PersonalVaultObject<unknown>,
      state: DurableObjectState,
      events: unknown[],
    ) => Promise<void>,
  ) =>
    runInDurableObject(vault().stub, async (_instance, state) => {
      const events: unknown[] = [];
      const settings = {
        keys: [KEY, OLD],
        writerUrl: 'postgresql://writer@127.0.0.1:9/audit',
        endpoint: 'http://127.0.0.1:9/sql',
      };
      const log = (event: string, fields: object) => events.push({ event, ...fields });
      const object = new PersonalVaultObject<unknown>(state, env, settings, { log });
      for (const key of [KEY, OLD]) {
        const sealed = await sealPersonal(key, 'acme', alice);
        await object.keep('acme', [{ sealed, lookups: [sealed.lookup] }]);
      }
      await state.storage.deleteAlarm();
      await run(object, state, events);
    });
  const kids = (state: DurableObjectState) =>
    state.storage.sql
      .exec<{ kid: string }>('SELECT kid FROM personal ORDER BY seq')
      .toArray()
      .map(({ kid }) => kid);
  /** Nothing listens where Postgres should be: that it was tried is all there is to see. */
  const COPY_TRIED = { event: 'vault_copy_failed', failures: 1 };

  it('does so beside a row of the same value, and goes on to copy', () =>
    keptTwice(async (object, state, events) => {
      await object.alarm();
      expect(kids(state)).toEqual(['test', 'test']);
      expect(events).toEqual([COPY_TRIED]);
      expect((await object.erase([lookups(alice)])).tokens).toHaveLength(2);
    }));

  it('goes on with the others and with copying when one fails, and tries that one again later', () =>
    keptTwice(async (object, state, events) => {
      const bob = await sealPersonal(OLD, 'acme', user('bob'));
      await object.keep('acme', [{ sealed: bob, lookups: [bob.lookup] }]);
      await state.storage.deleteAlarm();
      state.storage.sql.exec(
        "CREATE TRIGGER broken BEFORE UPDATE ON personal WHEN old.seq = 2 BEGIN SELECT RAISE(ABORT, 'disk'); END",
      );
      await object.alarm();
      expect(kids(state)).toEqual(['test', 'old', 'test']);
      expect(events).toEqual([{ event: 'vault_rekey_failed', rows: 1, error: 'Error' }, COPY_TRIED]);
      expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now());
      state.storage.sql.exec('DROP TRIGGER broken');
      await object.alarm();
      expect(kids(state)).toEqual(['test', 'test', 'test']);
    }));
});

it('moves the storage of an earlier version over', async () => {
  const { stub } = vault();
  const { sealed, lookups } = await entry(user('alice'));
  await runInDurableObject(stub, async (_instance, state) => {
    const { sql } = state.storage;
    sql.exec('DROP TABLE personal');
    sql.exec(
      `CREATE TABLE personal (
        token TEXT NOT NULL PRIMARY KEY, lookup TEXT NOT NULL UNIQUE, kid TEXT NOT NULL, jwe TEXT NOT NULL,
        copied INTEGER NOT NULL DEFAULT 0
      ) STRICT, WITHOUT ROWID`,
    );
    sql.exec('CREATE INDEX personal_waiting ON personal (copied) WHERE copied = 0');
    sql.exec('CREATE INDEX personal_kid ON personal (kid)');
    sql.exec('INSERT INTO personal VALUES (?, ?, ?, ?, 0)', sealed.token, sealed.lookup, 'test', sealed.jwe);
  });
  await evictDurableObject(stub);
  expect(await (stub as unknown as PersonalVaultRpc).find([lookups])).toEqual([sealed.token]);
  await runInDurableObject(stub, (_instance, state) => {
    const names = state.storage.sql.exec<{ name: string }>('SELECT name FROM sqlite_master').toArray();
    expect(names.map(({ name }) => name)).toContain('personal_lookup');
    expect(names.map(({ name }) => name)).not.toContain('personal_before');
  });
});

it('holds no value in clear', async () => {
  const { stub, rpc } = vault();
  await rpc.keep('acme', [await entry(user('a-name-to-look-for'))]);
  await runInDurableObject(stub, (_instance, state) => {
    const rows = state.storage.sql.exec('SELECT * FROM personal').toArray();
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain('a-name-to-look-for');
  });
});

it.each([
  [
    'too many values',
    async (rpc: PersonalVaultRpc) => rpc.find(Array.from({ length: 1001 }, () => ['0'.repeat(64)])),
  ],
  ['a lookup that is none', async (rpc: PersonalVaultRpc) => rpc.find([['x']])],
  ['no lookup', async (rpc: PersonalVaultRpc) => rpc.erase([[]])],
  [
    'a value under another lookup',
    async (rpc: PersonalVaultRpc) =>
      rpc.keep('acme', [{ ...(await entry(user('alice'))), lookups: ['0'.repeat(64)] }]),
  ],
])('refuses %s', async (_what, call) => {
  const { rpc } = vault();
  await expect(call(rpc)).rejects.toThrow('not what a vault is asked');
});
