import type { OwnedKind } from '../../core/rpc.ts';
import type { Owners } from '../owners.ts';
import { Problem } from '../problem.ts';
import { checkAnswer } from './answers.ts';
import type { Operation, OriginKind } from './catalogue/types.ts';
import { upstreamProblem } from './failures.ts';
import type { Home } from './home.ts';
import type { Hold } from './inflight.ts';
import { ownerOf } from './rows.ts';
import type { UpstreamCall } from './upstream.ts';

/** Whoever asks for a memory that is not proven to be theirs gets this, wherever else it may exist. */
export function unproven(): Problem {
  return new Problem('not_found', { reason: 'owner_unproven', decision: 'deny' });
}

export interface Asking {
  readonly home: Home;
  readonly owners: Owners;
  readonly traceparent: string | undefined;
  readonly hold: Hold;
}

/** Calls to Mem0 at a time; a Worker has six connections. */
const AT_ONCE = 6;

/**
 * Proves every one of the memories, so that nothing is done when one of them is not the tenant's. Of several, the
 * caller is told which.
 * @throws Problem when one is not proven, or cannot be asked.
 */
export async function proveOwners(
  asking: Asking,
  memoryIds: readonly string[],
  afterDelete: boolean,
): Promise<void> {
  if (memoryIds.length === 0) return;
  let next = 0;
  const prover = async () => {
    for (let id = memoryIds[next++]; id !== undefined; id = memoryIds[next++]) {
      try {
        await proveOwner(asking, id, afterDelete);
      } catch (error) {
        next = memoryIds.length;
        throw memoryIds.length > 1 ? named(error, id) : error;
      }
    }
  };
  // All have ended before anybody goes on: what a late one held would be given back to nobody.
  const ended = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, memoryIds.length) }, prover));
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}

function named(error: unknown, id: string): unknown {
  if (!(error instanceof Problem) || error.reason !== 'owner_unproven') return error;
  const { code, reason } = error;
  return new Problem(code, {
    reason,
    decision: 'deny',
    detail: `Memory ${id} was not found; nothing was done.`,
  });
}

/** Where a Mem0 of a kind has one memory. */
const MEMORY: { readonly [K in OriginKind]: (id: string) => string } = {
  oss: (id) => `/memories/${id}`,
  platform: (id) => `/v1/memories/${id}/`,
};

/**
 * Proves that a memory is the tenant's: by Mem0's own row while it lives; after its deletion, where the
 * operation allows that, by OwnerIndex. Both ways do the same work for a foreign id as for a missing one.
 * @throws Problem when it is not proven, or cannot be asked.
 */
async function proveOwner(asking: Asking, memoryId: string, afterDelete: boolean): Promise<void> {
  const { home, owners, traceparent, hold } = asking;
  const { space, upstream } = home;
  const answer = await upstream.call(
    { method: 'GET', path: MEMORY[home.kind](memoryId), query: [] },
    traceparent,
    hold,
  );
  const missing = answer.ok && answer.status === 404;
  const problem = missing ? undefined : upstreamProblem(answer, space, false);
  if (problem) throw problem;
  const row = missing || !answer.ok ? null : answer.json;
  if (isRow(row, memoryId) && ownerOf(space, row) === 'own') return;
  const owned = afterDelete && (await known(owners, space.tenant, 'memory', memoryId));
  if (row !== null || !owned) throw unproven();
}

/** @throws Problem when an export was not issued to the tenant. */
export async function proveExport({ owners, home }: Asking, id: string): Promise<void> {
  if (!(await known(owners, home.space.tenant, 'export', id))) throw unproven();
}

async function known(owners: Owners, tenant: string, kind: OwnedKind, id: string): Promise<boolean> {
  try {
    return await owners.owned(tenant, kind, id);
  } catch {
    throw new Problem('owners_unavailable', { reason: 'owners_unavailable' });
  }
}

/** A row about another memory than the one that was asked for proves nothing. */
function isRow(row: unknown, memoryId: string): boolean {
  return typeof row === 'object' && row !== null && (row as { id?: unknown }).id === memoryId;
}

export interface Listed {
  readonly memoryIds: readonly string[];
  /** Rows that are not the tenant's. */
  readonly withheld: number;
  /** Why nothing may be deleted on the strength of it. */
  readonly problem?: Problem;
}

const MIXED =
  'Nothing was deleted: it is not proven that all that this would delete is this tenant’s. Memories can be deleted by id.';

/**
 * What a delete by filter is about to touch: the tenant's rows of the listing calls, and how many were not. Of several
 * calls each is the next page, asked while there is one.
 */
export async function listTouched(
  asking: Asking,
  listing: Operation,
  calls: readonly UpstreamCall[],
): Promise<Listed> {
  const { home, traceparent, hold } = asking;
  const memoryIds: string[] = [];
  let withheld = 0;
  for (const call of calls) {
    const answer = await home.upstream.call(call, traceparent, hold);
    const problem = upstreamProblem(answer, home.space, false);
    if (problem) return { memoryIds, withheld, problem };
    const checked = checkAnswer(listing, home.space, answer.ok ? answer.json : undefined, {});
    withheld += checked.withheld ?? 0;
    if (!checked.ok) {
      return { memoryIds, withheld, problem: new Problem('upstream_unreadable', { reason: checked.reason }) };
    }
    memoryIds.push(...checked.memoryIds);
    if ((checked.body as { readonly next?: unknown }).next !== true) break;
  }
  if (withheld === 0) return { memoryIds, withheld };
  const mixed = new Problem('upstream_unreadable', {
    ...{ reason: 'owner_unproven', decision: 'deny', detail: MIXED },
  });
  return { memoryIds, withheld, problem: mixed };
}
