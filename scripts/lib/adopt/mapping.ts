import { z } from 'zod';
import { parseId } from '../../../core/ids.ts';
import { TENANT_ID } from '../../../core/names.ts';
import { CommandError } from '../command.ts';

/** The ids of a self-hosted Mem0, in the order in which they are looked at. */
export const KINDS = ['user_id', 'agent_id', 'run_id'] as const;
export type Kind = (typeof KINDS)[number];
export type Ids = { readonly [K in Kind]?: string };

const OF_KIND = z.record(z.string().min(1), z.string().regex(TENANT_ID, 'is no tenant id'));
const MAPPING = z.strictObject({
  user_id: OF_KIND.optional(),
  agent_id: OF_KIND.optional(),
  run_id: OF_KIND.optional(),
});

/**
 * Which ids are which tenant's: `{"user_id": {"alice": "acme", "*": "globex"}}`. `*` stands for every other id of its
 * kind. A kind that is left out says nothing: such ids follow the others of their memory.
 */
export type Mapping = z.infer<typeof MAPPING>;

/** @throws CommandError (exit 2) that names the place of the fault. */
export function parseMapping(text: string): Mapping {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CommandError('The mapping is not JSON.', 2);
  }
  const parsed = MAPPING.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CommandError(`The mapping is not good: ${issue?.path.join('.') || 'it'} ${issue?.message}.`, 2);
  }
  if (Object.values(parsed.data).every((ids) => Object.keys(ids ?? {}).length === 0)) {
    throw new CommandError('The mapping maps nothing.', 2);
  }
  return parsed.data;
}

export function tenantsOf(mapping: Mapping): ReadonlySet<string> {
  return new Set(Object.values(mapping).flatMap((ids) => Object.values(ids ?? {})));
}

export type Assignment =
  | { readonly ok: true; readonly tenant: string }
  | { readonly ok: false; readonly why: 'no_ids' | 'unmapped' | 'conflict' | 'unusable_id' };

/** Whose a memory with these ids is to be. */
export function assign(mapping: Mapping, ids: Ids): Assignment {
  const given = KINDS.flatMap((kind) => (ids[kind] === undefined ? [] : [[kind, ids[kind]] as const]));
  if (given.length === 0) return { ok: false, why: 'no_ids' };
  const tenants = new Set<string>();
  for (const [kind, id] of given) {
    const parsed = parseId(id);
    // An id that no client can name through the gateway.
    if (!parsed.ok || parsed.id !== id) return { ok: false, why: 'unusable_id' };
    const known = mapping[kind];
    if (known === undefined) continue;
    const tenant = Object.hasOwn(known, id) ? known[id] : known['*'];
    if (tenant === undefined) return { ok: false, why: 'unmapped' };
    tenants.add(tenant);
  }
  const [tenant, ...others] = tenants;
  if (tenant === undefined) return { ok: false, why: 'unmapped' };
  return others.length > 0 ? { ok: false, why: 'conflict' } : { ok: true, tenant };
}
