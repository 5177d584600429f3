import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';
import { lookupOf, type PersonalValue, sealPersonal, vaultKey } from '../../core/personal.ts';
import type { PersonalVaultRpc } from '../../core/rpc.ts';

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
