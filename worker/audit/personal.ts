import { createHmac } from 'node:crypto';
import { personalVaultObject } from '../../core/names.ts';
import {
  lookupOf,
  openPersonal,
  type PersonalValue,
  sealPersonal,
  tokenShard,
  type VaultKey,
  vaultShard,
} from '../../core/personal.ts';
import type { Erased, PersonalVaultRpc } from '../../core/rpc.ts';
import { Problem } from '../problem.ts';
import { within } from '../waits.ts';

/** A vault did not answer. Says nothing of what it was asked. */
export class VaultUnavailable extends Error {
  constructor() {
    super('a personal vault did not answer');
    this.name = 'VaultUnavailable';
  }
}

/** Replaces personal values by tokens before they reach a record or a digest. Everything throws VaultUnavailable. */
export interface Personal {
  /** The tokens of the values, in order, and durable. The same value of a tenant has the same token until it is erased. */
  tokens(tenant: string, values: readonly PersonalValue[]): Promise<readonly string[]>;
  /** All tokens that each of the values has, in order. Makes none. */
  known(tenant: string, values: readonly PersonalValue[]): Promise<readonly (readonly string[])[]>;
  /** The values of tokens that have one. */
  resolve(tenant: string, tokens: readonly string[]): Promise<ReadonlyMap<string, PersonalValue>>;
  /** Forgets values. */
  erase(tenant: string, values: readonly PersonalValue[]): Promise<Erased>;
}

export interface PersonalOptions {
  readonly object: (name: string) => PersonalVaultRpc;
  /** The first one encrypts. */
  readonly keys: readonly VaultKey[];
  readonly now?: () => number;
}

/** What made pseudonyms before there were vaults. */
export interface PseudonymKey {
  readonly id: string;
  readonly key: Uint8Array;
}

const VAULT_TIMEOUT_MS = 5000;

/** How long an isolate may go on using a token after its value was erased. */
export const CACHE_MS = 60_000;
const CACHED_VALUES = 10_000;

/** The vaults of all tenants, as one isolate uses them. */
export function personalVaults({ object, keys, now = Date.now }: PersonalOptions): Personal {
  const cache = new TokenCache(now);
  const ask = async <T>(call: Promise<T>): Promise<T> => {
    const answer = await within(
      VAULT_TIMEOUT_MS,
      call.then((value) => ({ value })),
    ).catch(() => undefined);
    if (answer === undefined) throw new VaultUnavailable();
    return answer.value;
  };
  const lookups = (tenant: string, value: PersonalValue) => keys.map((key) => lookupOf(key, tenant, value));

  /** Asks each object for its part of the values, side by side. `places` are theirs among the values. */
  const atEach = <T>(
    tenant: string,
    values: readonly PersonalValue[],
    call: (vault: PersonalVaultRpc, some: readonly PersonalValue[]) => Promise<T>,
  ): Promise<{ readonly places: readonly number[]; readonly answer: T }[]> => {
    const groups = Map.groupBy(values.keys(), (at) => vaultShard(values[at]!));
    return Promise.all(
      [...groups].map(async ([shard, places]) => {
        const some = places.map((at) => values[at]!);
        return { places, answer: await call(object(personalVaultObject(tenant, shard)), some) };
      }),
    );
  };

  /** The same where there is an answer for each value; in the values' order. */
  const forEach = async <T>(
    tenant: string,
    values: readonly PersonalValue[],
    call: (vault: PersonalVaultRpc, some: readonly PersonalValue[]) => Promise<readonly T[]>,
  ): Promise<T[]> => {
    const answers: T[] = [];
    for (const { places, answer } of await atEach(tenant, values, call)) {
      for (const [i, at] of places.entries()) answers[at] = answer[i]!;
    }
    return answers;
  };

  const find = (tenant: string, values: readonly PersonalValue[]) =>
    forEach(tenant, values, (vault, some) => ask(vault.find(some.map((value) => lookups(tenant, value)))));

  return {
    async tokens(tenant, values) {
      const tokens = new Map<string, string>();
      const missing = new Map<string, PersonalValue>();
      for (const value of values) {
        const token = cache.get(tenant, value);
        if (token === undefined) missing.set(keyOf(tenant, value), value);
        else tokens.set(keyOf(tenant, value), token);
      }
      const asked = now();
      const learn = (value: PersonalValue, token: string) => {
        tokens.set(keyOf(tenant, value), token);
        cache.set(tenant, value, token, asked);
      };
      const wanted = [...missing.values()];
      const found = wanted.length === 0 ? [] : await find(tenant, wanted);
      for (const [at, token] of found.entries()) if (token !== null) learn(wanted[at]!, token);
      const fresh = wanted.filter((_, at) => found[at] === null);
      const kept = await forEach(tenant, fresh, async (vault, some) => {
        const values = await Promise.all(
          some.map(async (value) => ({
            sealed: await sealPersonal(keys[0]!, tenant, value),
            lookups: lookups(tenant, value),
          })),
        );
        return ask(vault.keep(tenant, values));
      });
      for (const [at, token] of kept.entries()) learn(fresh[at]!, token);
      return values.map((value) => tokens.get(keyOf(tenant, value))!);
    },

    known: (tenant, values) =>
      forEach(tenant, values, (vault, some) =>
        ask(vault.findAll(some.map((value) => lookups(tenant, value)))),
      ),

    async resolve(tenant, tokens) {
      const groups = Map.groupBy(new Set(tokens), tokenShard);
      groups.delete(undefined);
      const values = new Map<string, PersonalValue>();
      await Promise.all(
        [...groups].map(async ([shard, some]) => {
          const sealed = await ask(object(personalVaultObject(tenant, shard!)).read(some));
          for (const [at, jwe] of sealed.entries()) {
            const value = jwe === null ? undefined : await openPersonal(keys, tenant, some[at]!, jwe);
            if (value !== undefined) values.set(some[at]!, value);
          }
        }),
      );
      return values;
    },

    async erase(tenant, values) {
      const erased = await atEach(tenant, values, (vault, some) =>
        ask(vault.erase(some.map((value) => lookups(tenant, value)))),
      );
      for (const value of values) cache.forget(tenant, value);
      return {
        tokens: erased.flatMap(({ answer }) => answer.tokens),
        copies: erased.some(({ answer }) => answer.copies === 'pending') ? 'pending' : 'removed',
      };
    },
  };
}

/** The tokens of values; a record never names one that no vault keeps. @throws Problem */
export async function tokensOf(
  personal: Personal,
  tenant: string,
  values: readonly PersonalValue[],
): Promise<readonly string[]> {
  if (values.length === 0) return [];
  try {
    return await personal.tokens(tenant, values);
  } catch (error) {
    if (!(error instanceof VaultUnavailable)) throw error;
    throw new Problem('vault_unavailable', { reason: 'vault_unavailable' });
  }
}

/**
 * What stood for a value before there were vaults: `<key id>.<base64url of the first 16 bytes of HMAC-SHA-256>` over
 * tenant, kind and value, separated by NUL. Whoever has the key can confirm a guessed value.
 */
export function pseudonymOf(
  { id, key }: PseudonymKey,
  tenant: string,
  { kind, value }: PersonalValue,
): string {
  const mac = createHmac('sha256', key).update(`${tenant}\0${kind}\0${value}`).digest();
  return `${id}.${mac.subarray(0, 16).toString('base64url')}`;
}

/** Tokens for at most a minute, the least lately used going first. */
class TokenCache {
  readonly #now: () => number;
  readonly #tokens = new Map<string, { readonly token: string; readonly until: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get(tenant: string, value: PersonalValue): string | undefined {
    const key = keyOf(tenant, value);
    const entry = this.#tokens.get(key);
    if (entry === undefined) return undefined;
    this.#tokens.delete(key);
    if (entry.until <= this.#now()) return undefined;
    this.#tokens.set(key, entry);
    return entry.token;
  }

  /** @param asked when the vault was asked: what it said may be over since. */
  set(tenant: string, value: PersonalValue, token: string, asked: number): void {
    this.#tokens.set(keyOf(tenant, value), { token, until: asked + CACHE_MS });
    if (this.#tokens.size > CACHED_VALUES) this.#tokens.delete(this.#tokens.keys().next().value!);
  }

  forget(tenant: string, value: PersonalValue): void {
    this.#tokens.delete(keyOf(tenant, value));
  }
}

const keyOf = (tenant: string, { kind, value }: PersonalValue) => `${tenant}\0${kind}\0${value}`;
