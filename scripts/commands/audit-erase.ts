import { fileURLToPath } from 'node:url';
import { PERSONAL_KINDS } from '../../core/personal.ts';
import { readInfo } from '../../local/stack/info.ts';
import { fetchTokenOf } from '../../local/stack/tokens.ts';
import { CommandError, command, type Io } from '../lib/command.ts';
import { gatewayOrigin } from '../lib/gateway-url.ts';
import { typed } from '../lib/prompt.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TIMEOUT_MS = 60_000;

await command({
  usage: 'npm run -s audit:erase --',
  summary:
    'Makes a personal value unreadable in the audit log: through the gateway, in Postgres and in exports. Records keep a token ' +
    'that stands for nothing any more, and verify as before. Without --apply it only says what would be done. The token of an ' +
    'administrator is read from AUDIT_TOKEN or, without it, had from the running local stack.',
  options: {
    tenant: { type: 'string', value: 'ID', help: 'whose records' },
    subject: {
      type: 'string',
      value: 'VALUE',
      help: 'the id of a user, agent, run or app; or an address or user agent',
    },
    kind: {
      type: 'string',
      value: 'KIND',
      help: `${PERSONAL_KINDS.join(', ')}; without it any id`,
    },
    apply: { type: 'boolean', help: 'erase it, after a question' },
    yes: { type: 'boolean', help: 'with --apply: ask nothing' },
    'retire-pseudonym-key': {
      ...{ type: 'string', value: 'KEYID' },
      help: 'instead: end the search for this tenant’s pseudonyms under this key',
    },
    gateway: { type: 'string', value: 'URL', help: 'the gateway; else the running local stack’s' },
  },
  exitCodes: { 3: 'erased, but a copy in the database waits until it can be reached', 130: 'stopped' },
  async run(values, _positionals, io) {
    const { tenant, subject, kind, apply, yes, gateway, 'retire-pseudonym-key': keyId } = values as Values;
    if (tenant === undefined) throw new CommandError('Say which: --tenant ID.', 2);
    if ((subject === undefined) === (keyId === undefined)) {
      throw new CommandError('Say what: --subject VALUE or --retire-pseudonym-key KEYID.', 2);
    }
    if (kind !== undefined && !PERSONAL_KINDS.some((each) => each === kind)) {
      throw new CommandError(`--kind is one of ${PERSONAL_KINDS.join(', ')}.`, 2);
    }
    const post = await poster(tenant, gateway);
    if (keyId !== undefined) return retire(post, tenant, keyId, { apply, yes }, io);
    const asked = { value: subject!, ...(kind === undefined ? {} : { kind }) };
    const plan = (await post('erasures', { ...asked, dry_run: true })) as Erasure;
    if (apply !== true) {
      report(plan, io);
      io.note('Nothing was changed: add --apply.');
      return 0;
    }
    if (!io.json) report(plan, io);
    if (yes !== true && !(await typed('Type the subject once more to erase it', subject!))) {
      throw new CommandError('Nothing was erased.', 130);
    }
    const done = (await post('erasures', { ...asked, dry_run: false })) as Erasure;
    if (io.json) io.out(JSON.stringify(done));
    else if (done.subjects.length === 0) io.out('Nothing was erased: no token stands for it.');
    else io.out(`Erased. Isolates may use the old tokens until ${done.caches_until}.`);
    if (done.copies === 'pending') io.note('The copy in the database goes as soon as it can be reached.');
    return done.copies === 'pending' ? 3 : 0;
  },
});

type Values = {
  readonly tenant?: string;
  readonly subject?: string;
  readonly kind?: string;
  readonly apply?: boolean;
  readonly yes?: boolean;
  readonly gateway?: string;
  readonly 'retire-pseudonym-key'?: string;
};

interface Erasure {
  readonly subjects: readonly {
    readonly kind: string;
    readonly token: string;
    readonly records: number | null;
  }[];
  readonly copies: 'removed' | 'pending' | 'kept';
  readonly caches_until: string | null;
  readonly pseudonyms: { readonly key: string; readonly records: number | null } | null;
  readonly recoverable: readonly { readonly what: string; readonly until: string | null }[];
}

type Post = (path: string, body: object) => Promise<unknown>;

async function poster(tenant: string, named: string | undefined): Promise<Post> {
  const info = await readInfo(ROOT);
  const url = named ?? info?.gateway?.url;
  if (url === undefined) throw new CommandError('Say which gateway: --gateway URL.', 2);
  const origin = gatewayOrigin(url);
  const token = process.env.AUDIT_TOKEN || (info && (await fetchTokenOf(info, 'admin', tenant)));
  if (!token) throw new CommandError('An administrator’s token is wanted in AUDIT_TOKEN.', 2);
  return async (path, body) => {
    const where = `/governance/v1/personal/${path}`;
    let answer: Response;
    try {
      answer = await fetch(`${origin}${where}`, {
        method: 'POST',
        headers: {
          ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-tenant-id': tenant },
        },
        body: JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new CommandError(`The gateway did not answer ${where}: ${(error as Error).message}.`);
    }
    const json = (await answer.json().catch(() => ({}))) as { readonly detail?: string };
    if (answer.status === 200) return json;
    throw new CommandError(
      `The gateway answered ${where} with ${answer.status}: ${json.detail ?? 'no reason'}`,
    );
  };
}

async function retire(
  post: Post,
  tenant: string,
  keyId: string,
  { apply, yes }: Pick<Values, 'apply' | 'yes'>,
  io: Io,
): Promise<number> {
  if (apply !== true) {
    io.note(
      `${tenant}’s records with pseudonyms of ${keyId} would not be found by value any more. Nothing was changed: add --apply.`,
    );
    return 0;
  }
  if (yes !== true && !(await typed('Type the key’s id once more to retire it', keyId))) {
    throw new CommandError('Nothing was retired.', 130);
  }
  const { configured } = (await post('retired-keys', { key: keyId })) as { readonly configured: boolean };
  if (io.json) io.out(JSON.stringify({ key: keyId, configured }));
  else {
    io.out(`Retired ${keyId}: nothing of ${tenant}’s is searched for under it any more.`);
    if (configured)
      io.out(
        'When it is retired for every tenant, take it out: `npx wrangler secret delete AUDIT_PSEUDONYM_KEY`, and destroy every copy of it.',
      );
  }
  return 0;
}

function report({ subjects, pseudonyms, recoverable }: Erasure, io: Io): void {
  if (io.json) {
    io.out(JSON.stringify({ subjects, pseudonyms, recoverable }));
    return;
  }
  const times = (records: number | null) =>
    records === null
      ? 'more records than could be counted'
      : `${records} ${records === 1 ? 'record' : 'records'}`;
  if (subjects.length === 0) io.out('No token stands for it.');
  for (const { kind, token, records } of subjects) io.out(`${kind}: ${token} in ${times(records)}`);
  if (pseudonyms && pseudonyms.records !== 0) {
    io.out(
      `As a pseudonym in ${times(pseudonyms.records)}: whoever has the key ${pseudonyms.key} can still confirm a guess.`,
    );
  }
  io.out('What could still bring it back:');
  for (const { what, until } of recoverable)
    io.out(`- ${what}: ${until === null ? 'as long as you keep them' : `until ${until}`}`);
}
