import type { PublicHandler } from '../pipeline/open.ts';

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

/**
 * Says per part whether it works, looked at no more than every 10 s. 503 only when requests would fail: a
 * needed part is down.
 */
export function ready(probes: readonly Probe[], now: () => number = Date.now): PublicHandler {
  let seen: { readonly at: number; readonly parts: { readonly [part: string]: PartState } } | undefined;
  return async (c) => {
    if (!seen || now() - seen.at >= FRESH_MS) {
      const states = await Promise.all(
        probes.map(async ({ part, look }) => [part, await bounded(look)] as const),
      );
      seen = { at: now(), parts: Object.fromEntries(states) };
    }
    const { parts } = seen;
    const down = probes.some(({ part, needed }) => needed && parts[part] === 'down');
    const all = Object.values(parts).every((state) => state === 'ok');
    return c.json({ status: down ? 'down' : all ? 'ok' : 'degraded', parts }, down ? 503 : 200);
  };
}

async function bounded(look: () => Promise<PartState>): Promise<PartState> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<PartState>((resolve) => {
    timer = setTimeout(() => resolve('down'), PROBE_MS);
  });
  try {
    return await Promise.race([look(), late]);
  } catch {
    return 'down';
  } finally {
    clearTimeout(timer);
  }
}
