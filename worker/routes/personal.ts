import { ENTITY_IDS } from '../../core/ids.ts';
import type { PersonalValue } from '../../core/personal.ts';
import type { Erased } from '../../core/rpc.ts';
import { CACHE_MS, type Personal, type PseudonymKey, pseudonymOf } from '../audit/personal.ts';
import type { ErasureAnswer, RetiredKeyAnswer } from '../governance/personal-schemas.ts';
import { ErasureRequest, RetiredKeyRequest } from '../governance/requests.ts';
import type { Subjects } from '../governance/subjects.ts';
import type { GovernedHandler } from '../pipeline/govern.ts';
import { readable } from './readable.ts';

interface PersonalRoutes {
  readonly personal: Personal;
  readonly subjects: Subjects;
  readonly pseudonyms: PseudonymKey | undefined;
}

const DAY_MS = 86_400_000;

/** How long the platform can put a Durable Object's storage back. */
const OBJECT_RECOVERY_MS = 30 * DAY_MS;

/**
 * `POST /governance/v1/personal/erasures`: makes a value unreadable wherever a token stands for it. The record of this
 * names the tokens, and never the value.
 */
export function eraseSubject({ personal, subjects, pseudonyms }: PersonalRoutes): GovernedHandler {
  return async ({ principal: { tenant }, request, transport, begin }) => {
    const { value, kind, dry_run: dryRun } = ErasureRequest.parse(request.body);
    const values = (kind === undefined ? ENTITY_IDS : [kind]).map((each) => ({ kind: each, value }));
    const found = await readable(() => personal.known(tenant, values));
    const known = values.flatMap((each, at) => found[at]!.map((token) => ({ ...each, token })));
    if (!dryRun) await begin(known.map(({ token }) => token));
    const erased = dryRun ? undefined : await readable(() => eraseEach(tenant, values));
    const named = erased?.named ?? known;
    const body: ErasureAnswer = {
      dry_run: dryRun,
      subjects: await Promise.all(
        named.map(async ({ kind, token }) => ({
          kind,
          token,
          records: await counted(subjects, tenant, token),
        })),
      ),
      copies: erased?.copies ?? 'kept',
      // Until the erasure another isolate may have asked for the token.
      caches_until: erased ? at(Date.now() + CACHE_MS) : null,
      pseudonyms: pseudonyms ? await old(tenant, values, pseudonyms) : null,
      recoverable: recoverable(transport.receivedAt),
    };
    return { body, touched: named.map(({ token }) => token) };
  };

  /** What is gone now: more than was known before, where a request came in between. */
  async function eraseEach<V extends PersonalValue>(tenant: string, values: readonly V[]) {
    const each = await Promise.all(values.map((value) => personal.erase(tenant, [value])));
    const named = each.flatMap(({ tokens }, at) => tokens.map((token) => ({ ...values[at]!, token })));
    const copies: Erased['copies'] = each.some((one) => one.copies === 'pending') ? 'pending' : 'removed';
    return { named, copies };
  }

  async function old(tenant: string, values: readonly PersonalValue[], key: PseudonymKey) {
    const counts = await Promise.all(
      values.map((value) => counted(subjects, tenant, pseudonymOf(key, tenant, value))),
    );
    const records = counts.reduce((sum, count) => (sum === null || count === null ? null : sum + count), 0);
    return { key: key.id, records };
  }
}

async function counted(subjects: Subjects, tenant: string, name: string): Promise<number | null> {
  return (await subjects.records(tenant, name)) ?? null;
}

/** What nobody here can delete. */
function recoverable(now: number): ErasureAnswer['recoverable'] {
  return [
    {
      what: 'point-in-time recovery of Durable Objects, by the account’s owner',
      until: at(now + OBJECT_RECOVERY_MS),
    },
    {
      what: 'history and backups of the audit database, together with a key of AUDIT_VAULT_KEYS',
      until: null,
    },
  ];
}

const at = (ms: number) => new Date(ms).toISOString();

/**
 * `POST /governance/v1/personal/retired-keys`: a pseudonym key that is to be used no more for the tenant. From then on its
 * records from before there were vaults are not found by value.
 */
export function retireKey({ subjects, pseudonyms }: Omit<PersonalRoutes, 'personal'>): GovernedHandler {
  return async ({ principal: { tenant }, request, transport, begin }) => {
    const { key } = RetiredKeyRequest.parse(request.body);
    const touched = [`pseudonym-key:${key}`];
    await begin(touched);
    await readable(() => subjects.retire(tenant, key, transport.requestId));
    const body: RetiredKeyAnswer = { key, configured: pseudonyms?.id === key };
    return { body, touched };
  };
}
