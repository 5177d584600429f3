import { get, objectOf } from '../doctor/http.ts';

interface Look {
  readonly what: string;
  /** What is wrong; empty: nothing. */
  readonly look: (base: string, send: typeof fetch) => Promise<string>;
}

const MIN_HSTS_SECONDS = 31_536_000;

/** What a gateway that was just deployed must do, in the order in which it is tried. */
const LOOKS: readonly Look[] = [
  {
    what: 'it is alive',
    look: async (base, send) => {
      const answer = await get(`${base}/health`, {}, send);
      if (answer.kind !== 'answer') return '/health cannot be reached';
      if (answer.status !== 200) return `/health answers ${answer.status}`;
      return objectOf(answer.text)?.status === 'ok' ? '' : '/health does not say ok';
    },
  },
  {
    what: 'its parts work',
    look: async (base, send) => {
      const answer = await get(`${base}/ready`, {}, send);
      if (answer.kind !== 'answer') return '/ready cannot be reached';
      const { status, parts } = objectOf(answer.text) ?? {};
      if (answer.status === 200 && status !== 'down' && status !== undefined) return '';
      const down = Object.entries((parts ?? {}) as object).filter(([, state]) => state === 'down');
      return `/ready answers ${answer.status}${down.length > 0 ? `; down: ${down.map(([part]) => part).join(', ')}` : ''}`;
    },
  },
  {
    what: 'it refuses a call without a token',
    look: async (base, send) => {
      const answer = await get(`${base}/memories?user_id=smoke`, {}, send);
      if (answer.kind !== 'answer') return '/memories cannot be reached';
      if (answer.status !== 401) return `a call without a token is answered ${answer.status}, not 401`;
      return answer.headers.get('www-authenticate')?.startsWith('Bearer ')
        ? ''
        : 'the 401 has no WWW-Authenticate';
    },
  },
  {
    what: 'it lets nobody keep its answers, and asks for https from now on',
    look: async (base, send) => {
      const answer = await get(`${base}/health`, {}, send);
      if (answer.kind !== 'answer') return '/health cannot be reached';
      if (!/\bno-store\b/.test(answer.headers.get('cache-control') ?? ''))
        return 'Cache-Control: no-store is missing';
      const age = /\bmax-age=(\d+)/.exec(answer.headers.get('strict-transport-security') ?? '')?.[1];
      return Number(age ?? 0) >= MIN_HSTS_SECONDS
        ? ''
        : 'Strict-Transport-Security is missing, or under a year';
    },
  },
  {
    what: 'it does not serve plain http',
    look: async (base, send) => {
      const answer = await get(`${base.replace(/^https:/, 'http:')}/health`, {}, send);
      return answer.kind !== 'unreachable' && (answer.kind === 'too_large' || answer.status < 300)
        ? 'plain http is served'
        : '';
    },
  },
];

export interface Smoke {
  readonly what: string;
  /** Absent: it is so. */
  readonly wrong?: string;
}

/**
 * Tries a deployed gateway from outside. A look that fails is tried again, because a deploy takes a moment to reach
 * every location.
 * @param base its https origin.
 */
export async function* smoke(
  base: string,
  { send = fetch, tries = 5, pauseMs = 3000 }: { send?: typeof fetch; tries?: number; pauseMs?: number } = {},
): AsyncGenerator<Smoke> {
  for (const { what, look } of LOOKS) {
    let wrong = await look(base, send);
    for (let tried = 1; wrong !== '' && tried < tries; tried++) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      wrong = await look(base, send);
    }
    yield wrong === '' ? { what } : { what, wrong };
  }
}
