import type { PublicHandler } from '../pipeline/open.ts';
import { within } from '../waits.ts';

export type PartState = 'ok' | 'degraded' | 'down';

/** Looks at one part. `needed`: requests fail while it is down. */
export interface Probe {
  readonly part: string;
  readonly needed: boolean;
  readonly look: () => Promise<PartState>;
}

/** Alive: the isolate answers, and its settings are good, or it would not have come this far. */
export const health: PublicHandler = (c) => c.json({ status: 'ok' });

const FRESH_MS = 10_000;
const PROBE_MS = 3000;
/** How much longer than that a look counts as going on: past it, its request is gone. */
const ABANDONED_MS = 250;
const POLL_MS = 20;

/**
 * Says per part whether it works, looked at no more than every 10 s, however many ask: anybody may. One request looks, and
 * the others are given what was seen before; only where nothing was yet do they wait, and share no promise with it, because
 * a promise of another request's can die with that request. 503 only when requests would fail: a needed part is down.
 */
export function ready(probes: readonly Probe[], now: () => number = Date.now): PublicHandler {
  let seen: { readonly at: number; readonly parts: { readonly [part: string]: PartState } } | undefined;
  let lookingUntil = Number.NEGATIVE_INFINITY;
  const look = async () => {
    lookingUntil = now() + PROBE_MS + ABANDONED_MS;
    const states = await Promise.all(
      probes.map(async (probe) => [probe.part, await bounded(probe)] as const),
    );
    seen = { at: now(), parts: Object.fromEntries(states) };
    lookingUntil = Number.NEGATIVE_INFINITY;
    return seen;
  };
  const current = async () => {
    for (;;) {
      if (seen && now() - seen.at < FRESH_MS) return seen;
      if (now() >= lookingUntil) return look();
      if (seen) return seen;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  return async (c) => {
    const { parts } = await current();
    const down = probes.some(({ part, needed }) => needed && parts[part] === 'down');
    const all = Object.values(parts).every((state) => state === 'ok');
    return c.json({ status: down ? 'down' : all ? 'ok' : 'degraded', parts }, down ? 503 : 200);
  };
}

async function bounded({ look }: Probe): Promise<PartState> {
  try {
    return (await within(PROBE_MS, look())) ?? 'down';
  } catch {
    return 'down';
  }
}
