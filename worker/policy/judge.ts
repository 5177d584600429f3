import type { JsonObject } from '../../core/json.ts';
import { parseLogName } from '../../core/names.ts';
import type { Role } from '../../core/record.ts';
import type { Principal } from '../auth/principal.ts';
import type { Operation } from '../mem0/catalogue/types.ts';
import { REASONS } from '../mem0/reasons.ts';
import { Problem } from '../problem.ts';
import { buildInput, type PolicyInput } from './facts.ts';
import type { Policy, PolicyDecision } from './policy.ts';

/** What is asked: a request that fits its row, or a row alone. */
export interface Asked {
  readonly operation: Operation;
  readonly params: { readonly [name: string]: string };
  readonly body?: JsonObject | undefined;
}

/** Who asks, from where and when: all that a policy can know of it. */
export interface Asker {
  readonly roles: readonly Role[];
  readonly tenant: string;
  readonly mfa: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly country: string | null;
  readonly tls: string | null;
}

/** What a policy can know of a request that arrived. */
export function askerOf(
  { roles, tenant, mfa }: Pick<Principal, 'roles' | 'tenant' | 'mfa'>,
  { receivedAt, country, tls }: Arrival,
): Asker {
  return { roles, tenant, mfa, now: receivedAt, country: country ?? null, tls: tls ?? null };
}

interface Arrival {
  readonly receivedAt: number;
  readonly country?: string;
  readonly tls?: string;
}

export interface Judgement {
  readonly input: PolicyInput;
  readonly decision: PolicyDecision;
  /** How the request is refused; absent: it is allowed. */
  readonly refusal?: Problem;
}

/**
 * Facts → policy → decision. The tenant that is asked for is the asker's, or that of the log that the path names.
 * Rows that say `deny` are denied whatever the policy says. What is another tenant's is not found, as if it did
 * not exist.
 */
export function judge(
  policy: Policy,
  { operation, params, body }: Asked,
  { roles, tenant, mfa, now, country, tls }: Asker,
): Judgement {
  const resourceTenant = params.log === undefined ? tenant : (parseLogName(params.log)?.tenant ?? '');
  const { action, id, resource, path } = operation;
  const input = buildInput({
    ...{ action, operation: id, resource, path, roles, tenant, resourceTenant },
    ...{ now, country, tls, mfa },
  });
  const decision = policy.decide(input);
  const refusal = refusalOf(operation, decision, resourceTenant === tenant) ?? unmet(decision, body);
  return { input, decision, ...(refusal ? { refusal } : {}) };
}

function refusalOf(operation: Operation, decision: PolicyDecision, own: boolean): Problem | undefined {
  if (operation.access === 'deny') {
    return new Problem('forbidden', { reason: 'operation_denied', decision: 'deny' });
  }
  if (decision.allow) return undefined;
  const reason = decision.reasons[0] ?? 'denied';
  return new Problem(own ? 'forbidden' : 'not_found', { reason, decision: 'deny' });
}

/** The obligations that this gateway can carry out. An allow with any other is none that it could keep. */
const OBLIGATIONS: ReadonlySet<string> = new Set(['allow_prompt']);

/** Members of a body that speak to the language model in the operator's place. */
const PROMPTS = ['prompt', 'custom_instructions', 'custom_categories', 'includes', 'excludes'] as const;

function unmet({ obligations }: PolicyDecision, body: JsonObject | undefined): Problem | undefined {
  if (Object.keys(obligations).some((name) => !OBLIGATIONS.has(name))) {
    return new Problem('forbidden', { reason: 'obligation_unknown', decision: 'deny' });
  }
  const prompt = PROMPTS.find((name) => body?.[name] !== undefined);
  if (prompt === undefined || obligations.allow_prompt === true) return undefined;
  return new Problem('invalid_body', {
    reason: 'prompt_refused',
    decision: 'invalid_request',
    detail: REASONS.prompt_refused,
    pointer: `/${prompt}`,
  });
}
