import * as z from 'zod';
import { parseId, pooled, restore } from '../../../core/ids.ts';
import { TENANT_ID } from '../../../core/names.ts';
import { CommandError } from '../command.ts';

/** The ids of a self-hosted Mem0, in the order in which they are looked at. */
export const KINDS = ['user_id', 'agent_id', 'run_id'] as const;
export type Kind = (typeof KINDS)[number];
export type Ids = { readonly [K in Kind]?: string };
export interface Entity {
  readonly kind: Kind;
  readonly id: string;
}

const TENANT = z.string().regex(TENANT_ID, 'is no tenant id');
const OF_KIND = z.record(z.string().min(1), TENANT);
const MAPPING = z.strictObject({
  user_id: OF_KIND.optional(),
  agent_id: OF_KIND.optional(),
  run_id: OF_KIND.optional(),
  tenants: z.array(TENANT).optional(),
});

/**
 * Which ids are which tenant's: `{"user_id": {"alice": "acme", "*": "globex"}}`. `*` stands for every other id of its
 * kind. A kind that is left out says nothing: such ids follow the others of their memory. `tenants`, where it is given,
 * are all that the gateway serves: without it an id that looks like a tenant's is nobody's.
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
  // A reader of JSON takes the last of two members of one name, and gives away what the first kept.
  if ((text.match(NAME) ?? []).length !== Object.keys(parsed.data).length + named(parsed.data).length) {
    throw new CommandError('The mapping is not good: it names an id twice, or "__proto__".', 2);
  }
  if (named(parsed.data).length === 0) throw new CommandError('The mapping maps nothing.', 2);
  return parsed.data;
}

/** A member's name in a text that is JSON: the only string with a colon behind it. */
const NAME = /"(?:[^"\\]|\\.)*"(?=\s*:)/g;

/** The ids that a mapping names, `*` among them. */
export function named(mapping: Mapping): readonly Entity[] {
  return KINDS.flatMap((kind) => Object.keys(mapping[kind] ?? {}).map((id) => ({ kind, id })));
}

/** The tenants that a mapping speaks of. */
export function tenantsOf(mapping: Mapping): readonly string[] {
  const mapped = KINDS.flatMap((kind) => Object.values(mapping[kind] ?? {}));
  return [...new Set([...mapped, ...(mapping.tenants ?? [])])];
}

export type Fault = 'no_ids' | 'unmapped' | 'conflict' | 'unusable_id' | 'looks_namespaced';
export type Assignment =
  | { readonly state: 'moving'; readonly tenant: string }
  | { readonly state: 'settled'; readonly tenant: string }
  | { readonly state: 'stuck'; readonly why: Fault };

const stuck = (why: Fault): Assignment => ({ state: 'stuck', why });

/** Whose a memory with these ids is, or is to be. */
export function assign(mapping: Mapping, ids: Ids): Assignment {
  const given = KINDS.flatMap((kind) => (ids[kind] === undefined ? [] : [{ kind, id: ids[kind] }]));
  if (given.length === 0) return stuck('no_ids');
  const isNamed = given.some(({ kind, id }) => Object.hasOwn(mapping[kind] ?? {}, id));
  const owner = tenantsOf(mapping).find((tenant) => given.every(({ id }) => isOf(tenant, id)));
  if (owner !== undefined && !isNamed) return { state: 'settled', tenant: owner };
  const tenants = new Set<string>();
  for (const { kind, id } of given) {
    const parsed = parseId(id);
    // An id that no client can name through the gateway.
    if (!parsed.ok || parsed.id !== id) return stuck('unusable_id');
    const known = mapping[kind];
    const own = known && Object.hasOwn(known, id) ? known[id] : undefined;
    // What may stand in a tenant's namespace is given to another by its name only, and never by `*`.
    if (own === undefined && looksNamespaced(mapping, id)) return stuck('looks_namespaced');
    if (known === undefined) continue;
    const tenant = own ?? known['*'];
    if (tenant === undefined) return stuck('unmapped');
    tenants.add(tenant);
  }
  const [tenant, ...others] = tenants;
  if (tenant === undefined) return stuck('unmapped');
  return others.length > 0 ? stuck('conflict') : { state: 'moving', tenant };
}

/** Whether an id stands in the namespace of a tenant; where the tenants are not told, of anybody who could be one. */
export function looksNamespaced(mapping: Mapping, id: string): boolean {
  if (mapping.tenants !== undefined) return tenantsOf(mapping).some((tenant) => isOf(tenant, id));
  const prefix = id.slice(0, Math.max(0, id.indexOf(':')));
  return TENANT_ID.test(prefix) && isOf(prefix, id);
}

function isOf(tenant: string, id: string): boolean {
  return restore(pooled(tenant), id) !== undefined;
}
