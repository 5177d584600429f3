import { randomBytes, randomUUID } from 'node:crypto';
import { type Given, settingOf } from '../deploy/environment.ts';
import { type Finding, findings } from './finding.ts';
import { get } from './http.ts';

const { ok, failed, unknown } = findings('mem0');

const CLOSE =
  'Let Mem0 refuse calls without its key (ADMIN_API_KEY set, AUTH_DISABLED not), and let nobody but the gateway reach it.';

const ELSEWHERE =
  'Right if only the gateway reaches it: run this where it is reachable too, and after a deploy see /ready.';

/** Whether Mem0 serves who has the key, and refuses everybody else. Reads the memories of a user that nobody is. */
export async function mem0Checks(given: Given): Promise<Finding[]> {
  const origin = settingOf(given, 'MEM0_ORIGIN');
  const key = settingOf(given, 'MEM0_API_KEY');
  if (origin === undefined || key === undefined) {
    return [unknown('not asked: MEM0_ORIGIN or MEM0_API_KEY is not known here', 'Mend the settings first.')];
  }
  const url = `${origin}/memories?user_id=doctor-${randomUUID()}`;
  const withKey = await get(url, { 'x-api-key': key });
  if (withKey.kind === 'unreachable') return [unknown('Mem0 cannot be reached from here', ELSEWHERE)];
  return [
    served(withKey.kind === 'answer' ? withKey.status : 0),
    await refuses(url, 'without a key', {}),
    await refuses(url, 'with a wrong key', { 'x-api-key': randomBytes(24).toString('base64url') }),
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
