import { DurableObject } from 'cloudflare:workers';
import { openPersonal, type SealedValue, sealPersonal, type VaultKey } from '../../core/personal.ts';
import type { Erased, Lookups, PersonalVaultRpc } from '../../core/rpc.ts';
import { neonSql } from '../neon-sql.ts';
import { sqlOf } from '../storage/durable.ts';
import { Vault, type VaultRow } from './vault.ts';

export interface PersonalVaultSettings {
  /** The first one encrypts; the others open what it has not yet encrypted again. */
  readonly keys: readonly VaultKey[];
  readonly writerUrl: string;
  readonly endpoint: string | undefined;
}

export interface PersonalVaultDeps {
  readonly log: (
    event: 'vault_copy_failed' | 'vault_rekey_failed',
    fields: { readonly [name: string]: string | number },
  ) => void;
}

/** Values in one call; a caller with more makes several. */
const MAX_VALUES = 1000;
const MAX_KEYS = 8;

/** What one alarm does at most. */
const COPIED_AT_ONCE = 200;
const REKEYED_AT_ONCE = 50;

/** A copy is for auditors and restores: it may wait a moment, so that several go together. */
const COPY_DELAY_MS = 1000;
const MAX_PAUSE_MS = 10 * 60_000;

/**
 * A shard of the personal values of a tenant. Requests are answered from its storage alone; the copy in Postgres, and the
 * change to another key, are its alarm's.
 */
export class PersonalVaultObject<E> extends DurableObject<E> implements PersonalVaultRpc {
  readonly #settings: PersonalVaultSettings;
  readonly #deps: PersonalVaultDeps;
  readonly #vault: Vault;
  #failures = 0;
  /** Alarms one after the other in which a row could not be put under the current key. */
  #rekeyFailures = 0;
  /** The row behind which the next alarm goes on, so that rows that fail do not keep the others from their turn. */
  #rekeyBehind = 0;
  #copying: Promise<boolean> = Promise.resolve(true);
  /** Whether this instance has looked for what an earlier one left to do. */
  #woken = false;

  constructor(ctx: DurableObjectState, env: E, settings: PersonalVaultSettings, deps: PersonalVaultDeps) {
    super(ctx, env);
    this.#settings = settings;
    this.#deps = deps;
    this.#vault = new Vault(sqlOf(ctx.storage));
  }

  async find(values: readonly Lookups[]): Promise<(string | null)[]> {
    check(values, isLookups);
    await this.#once();
    return this.#vault.find(values);
  }

  async findAll(values: readonly Lookups[]): Promise<string[][]> {
    check(values, isLookups);
    await this.#once();
    return this.#vault.findAll(values);
  }

  async keep(
    tenant: string,
    values: readonly { readonly sealed: SealedValue; readonly lookups: Lookups }[],
  ): Promise<string[]> {
    check(values, ({ sealed, lookups }) => isLookups(lookups) && lookups.includes(sealed.lookup));
    const tokens = this.#vault.keep(tenant, values);
    await this.#arm(COPY_DELAY_MS);
    return tokens;
  }

  async read(tokens: readonly string[]): Promise<(string | null)[]> {
    check(tokens, (token) => typeof token === 'string');
    return this.#vault.read(tokens);
  }

  async erase(values: readonly Lookups[]): Promise<Erased> {
    check(values, isLookups);
    const tokens = this.#vault.erase(values);
    await this.#arm(COPY_DELAY_MS);
    await this.#copy();
    const pending = this.#vault.waiting(1).erased.length > 0;
    return { tokens, copies: pending ? 'pending' : 'removed' };
  }

  async wake(): Promise<void> {
    await this.#arm(0);
  }

  override async alarm(): Promise<void> {
    await this.#rekey();
    await this.#copy();
    if (!this.#hasWork()) return;
    const failures = Math.max(this.#failures, this.#rekeyFailures);
    const pauseMs = Math.min(MAX_PAUSE_MS, COPY_DELAY_MS * 2 ** Math.min(failures, 16));
    await this.#arm(failures === 0 ? 0 : pauseMs);
  }

  /** After a change of keys nobody else tells an object that its rows are under an old one. */
  async #once(): Promise<void> {
    if (this.#woken) return;
    this.#woken = true;
    if (this.#hasWork()) await this.#arm(COPY_DELAY_MS);
  }

  #hasWork(): boolean {
    const { rows, erased } = this.#vault.waiting(1);
    return rows.length + erased.length > 0 || this.#vault.under(this.#oldIds, 1).length > 0;
  }

  get #oldIds(): string[] {
    return this.#settings.keys.slice(1).map(({ id }) => id);
  }

  get #current(): VaultKey {
    return this.#settings.keys[0]!;
  }

  async #arm(delayMs: number): Promise<void> {
    const at = Date.now() + delayMs;
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }

  /** One after the other, so that what Postgres learns last is what was last. */
  #copy(): Promise<boolean> {
    this.#copying = this.#copying.catch(() => false).then(() => this.#copyOnce());
    return this.#copying;
  }

  /** Brings Postgres up to date as far as one call goes; says whether that worked. @throws when the storage fails. */
  async #copyOnce(): Promise<boolean> {
    const waiting = this.#vault.waiting(COPIED_AT_ONCE);
    const { tenant } = this.#vault;
    if (tenant === undefined || waiting.rows.length + waiting.erased.length === 0) return true;
    const { writerUrl, endpoint } = this.#settings;
    try {
      const sql = await neonSql(writerUrl, endpoint);
      const rows = waiting.rows.map(({ token, kid, jwe }) => ({ token, kid, jwe }));
      await sql`select audit.copy_personal(${tenant}, ${JSON.stringify(rows)}::jsonb, ${JSON.stringify(waiting.erased)}::jsonb)`;
    } catch {
      this.#deps.log('vault_copy_failed', { failures: ++this.#failures });
      return false;
    }
    this.#failures = 0;
    this.#vault.copied(waiting);
    return true;
  }

  /** Encrypts again, with the current key, what an older one encrypts. A row that fails is left for the next round. */
  async #rekey(): Promise<void> {
    const { tenant } = this.#vault;
    if (tenant === undefined) return;
    let rows = this.#vault.under(this.#oldIds, REKEYED_AT_ONCE, this.#rekeyBehind);
    if (rows.length === 0) rows = this.#vault.under(this.#oldIds, REKEYED_AT_ONCE);
    this.#rekeyBehind = rows.at(-1)?.seq ?? 0;
    const faults: unknown[] = [];
    for (const row of rows) await this.#rekeyRow(tenant, row).catch((error) => faults.push(error));
    this.#rekeyFailures = faults.length === 0 ? 0 : this.#rekeyFailures + 1;
    if (faults.length === 0) return;
    const error = faults[0] instanceof Error ? faults[0].name : 'unknown';
    this.#deps.log('vault_rekey_failed', { rows: faults.length, error });
  }

  async #rekeyRow(tenant: string, row: VaultRow): Promise<void> {
    const value = await openPersonal(this.#settings.keys, tenant, row.token, row.jwe);
    if (value === undefined) this.#vault.giveUp(row);
    else this.#vault.rekey(row, await sealPersonal(this.#current, tenant, value, row.token));
  }
}

function isLookups(lookups: unknown): boolean {
  return (
    Array.isArray(lookups) &&
    lookups.length > 0 &&
    lookups.length <= MAX_KEYS &&
    lookups.every((lookup) => typeof lookup === 'string' && /^[0-9a-f]{64}$/.test(lookup))
  );
}

/** @throws RangeError */
function check<T>(values: readonly T[], holds: (value: T) => boolean): void {
  if (!Array.isArray(values) || values.length > MAX_VALUES || !values.every(holds)) {
    throw new RangeError('not what a vault is asked');
  }
}
