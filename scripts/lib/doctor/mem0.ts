import { randomBytes, randomUUID } from 'node:crypto';
import { ConfigError } from '../../../worker/config.ts';
import { readTenants, type Silo, siloSecrets } from '../../../worker/tenants.ts';
import { type Given, settingOf } from '../deploy/environment.ts';
import { type Finding, findings } from './finding.ts';
import { get } from './http.ts';

const { ok, failed, unknown } = findings('mem0');

const CLOSE =
  'Let Mem0 refuse calls without its key (ADMIN_API_KEY set, AUTH_DISABLED not), and let nobody but the gateway reach it.';

const ELSEWHERE =
  'Right if only the gateway reaches it: run this where it is reachable too, and after a deploy see /ready.';

/** Whether each Mem0 serves who has its key, and refuses everybody else. */
export async function mem0Checks(given: Given): Promise<Finding[]> {
  const kind = settingOf(given, 'MEM0_KIND');
  const origin = settingOf(given, 'MEM0_ORIGIN');
  const apiKey = settingOf(given, 'MEM0_API_KEY');
  const pool =
    kind === undefined || origin === undefined || apiKey === undefined
      ? [unknown('not asked: MEM0_ORIGIN or MEM0_API_KEY is not known here', 'Mend the settings first.')]
      : await look({ kind, origin, apiKey });
  return [...pool, ...(await siloChecks(given))];
}

async function siloChecks({ tenants, values }: Given): Promise<Finding[]> {
  if (siloSecrets(tenants).length === 0) return [];
  let silos: ReturnType<typeof readTenants>;
  try {
    silos = readTenants(tenants, values);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [unknown('not asked: a Mem0 of a single tenant', 'Mend the settings first.')];
  }
  const found = await Promise.all(
    [...silos].map(async ([tenant, silo]) =>
      (await look(silo)).map((finding) => ({ ...finding, what: `of tenant ${tenant}: ${finding.what}` })),
    ),
  );
  return found.flat();
}

type Credentials = Omit<Silo, 'raw'>;

/** A read of nobody's memories, or of nothing at all, and where the key goes. */
const READS: {
  readonly [K in Silo['kind']]: {
    readonly path: () => string;
    readonly headers: (key: string) => { [name: string]: string };
  };
} = {
  oss: {
    path: () => `/memories?user_id=doctor-${randomUUID()}`,
    headers: (key) => ({ 'x-api-key': key }),
  },
  platform: { path: () => '/v1/ping/', headers: (key) => ({ authorization: `Token ${key}` }) },
};

async function look({ kind, origin, apiKey }: Credentials): Promise<Finding[]> {
  const { path, headers } = READS[kind];
  const url = `${origin}${path()}`;
  const withKey = await get(url, headers(apiKey));
  if (withKey.kind === 'unreachable') return [unknown('Mem0 cannot be reached from here', ELSEWHERE)];
  return [
    served(withKey.kind === 'answer' ? withKey.status : 0),
    await refuses(url, 'without a key', {}),
    await refuses(url, 'with a wrong key', headers(randomBytes(24).toString('base64url'))),
  ];
}

function served(status: number): Finding {
  if (status === 200) return ok('Mem0 answers with the key');
  if (status >= 300 && status < 400) {
    return failed(
      'Mem0 answers with a redirect, which the gateway never follows',
      'Set MEM0_ORIGIN to where it leads.',
    );
  }
  // Mem0 itself says 401: a 403 is what a firewall before it says to everybody but the gateway.
  if (status === 403) return unknown('Mem0 answers 403 from here, also with the key', ELSEWHERE);
  if (status === 401) return failed('Mem0 refuses the key', 'Set MEM0_API_KEY to a key that Mem0 knows.');
  return failed(
    status === 0 ? 'Mem0 answers a list of no memories with too much' : `Mem0 answers ${status} with the key`,
    'See that MEM0_ORIGIN is the address of a Mem0 server, and what its log says.',
  );
}

async function refuses(url: string, how: string, headers: { [name: string]: string }): Promise<Finding> {
  const answer = await get(url, headers);
  const status = answer.kind === 'answer' ? answer.status : 0;
  if (status === 401 || status === 403) return ok(`Mem0 refuses a call ${how}`);
  if (answer.kind === 'too_large' || (status >= 200 && status < 300)) {
    return failed(`Mem0 is open to anybody who reaches it: it serves a call ${how}`, CLOSE);
  }
  const said = status === 0 ? 'does not answer' : `answers ${status}`;
  return unknown(`Mem0 neither serves nor refuses a call ${how}: it ${said}`, CLOSE);
}
