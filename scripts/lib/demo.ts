import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError } from './command.ts';
import { type AuditTour, type AuditTourResult, auditTour } from './demo-audit.ts';
import type { Paint } from './paint.ts';

export interface DemoOptions {
  readonly gateway: string;
  /** An access token of the local identity provider. */
  readonly token: (role: string, tenant: string) => Promise<string>;
  /** Connection strings of the audit database. */
  readonly audit: Pick<AuditTour, 'readerUrl' | 'superuserUrl'>;
  readonly say: (line: string) => void;
  readonly paint: Paint;
  readonly signal: AbortSignal;
}

/** A request of the walk, as the record of it is looked for afterwards. */
export interface DemoStep {
  readonly title: string;
  readonly who: string;
  readonly request: string;
  readonly status: number;
  /** `log/index` of the request's record. */
  readonly record: string | undefined;
}

export interface DemoRecord {
  readonly log: string;
  readonly index: number;
  readonly phase: string;
  readonly actor: string;
  readonly operation: string;
  readonly decision: string;
  readonly reasons: readonly string[];
  readonly result: string;
  readonly count: number;
}

export interface DemoResult {
  readonly steps: readonly DemoStep[];
  readonly records: readonly DemoRecord[];
  readonly audit: AuditTourResult;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, shown and not relied on
  readonly json: any;
}

interface Sent {
  readonly who: readonly [role: string, tenant: string];
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  readonly headers?: { readonly [name: string]: string };
}

/** How long a demo that is broken off may take to delete its memory. */
const FORGET_MS = 5000;
/** More than the limit of an actor, so that some are refused. */
const FLOOD = 120;
const FLOOD_AT_ONCE = 8;
const RECORDS_WITHIN_MS = 15_000;

/**
 * Walks through a running gateway, in plain words: what is allowed, what is refused, the records of both, and
 * what becomes of somebody who alters one. It leaves nothing behind but those records, also when it is broken off.
 * @throws CommandError when an answer is not the one that a sound gateway gives.
 */
export async function walk(options: DemoOptions): Promise<DemoResult> {
  const { say, paint } = options;
  const steps: DemoStep[] = [];
  const user = `alice-${randomUUID().slice(0, 8)}`;
  const heading = (title: string, words: string) => {
    say('');
    say(paint('bold', title));
    say(words);
  };

  const send = async (
    { who: [role, tenant], method, path, body, headers }: Sent,
    signal = options.signal,
  ): Promise<Answer> => {
    const response = await fetch(`${options.gateway}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await options.token(role, tenant)}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal,
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
  };

  /** Sends, shows, and holds the answer against what it must be. */
  const step = async (title: string, expected: number, sent: Sent): Promise<Answer> => {
    const answer = await send(sent);
    const [role, tenant] = sent.who;
    const who = `${tenant}’s ${role}`;
    const record = answer.headers.get('audit-record')?.split(';')[0];
    const request = `${sent.method} ${sent.path}`;
    steps.push({ title, who, request, status: answer.status, record });
    say(`  ${paint('cyan', who)} → ${request}${sent.body ? `  ${JSON.stringify(sent.body)}` : ''}`);
    for (const [name, value] of Object.entries(sent.headers ?? {})) say(`      ${name}: ${value}`);
    const colour = answer.status < 400 ? 'green' : 'red';
    say(`  ${paint(colour, String(answer.status))} ${shortened(answer)}`);
    if (record) say(paint('dim', `      recorded at ${record}`));
    if (answer.status === expected) return answer;
    throw new CommandError(
      `The answer to ${request} was ${answer.status} and should have been ${expected}: ask GET ${options.gateway}/ready what is wrong.`,
    );
  };

  const deletion = { who: ['admin', 'acme'], method: 'DELETE', path: `/memories?user_id=${user}` } as const;
  let deleted = false;
  try {
    await requests();
    deleted = true;
  } finally {
    if (!deleted) await forget();
  }

  heading('6. What the auditors see', 'The record of each request above, each with the reason for its end.');
  const records = await recordsOf(steps.flatMap(({ record }) => record ?? []));
  for (const each of records) say(`  ${line(each, paint)}`);
  say('');
  const denied = records.find(({ log, decision }) => log.startsWith('acme~') && decision === 'deny')!;
  const audit = await auditTour({
    ...{ gateway: options.gateway, say, paint, signal: options.signal, ...options.audit },
    ...{
      tenant: 'acme',
      token: await options.token('auditor', 'acme'),
      record: `${denied.log}/${denied.index}`,
    },
  });
  say('');
  return { steps, records, audit };

  async function requests(): Promise<void> {
    heading(
      '1. A memory is added and found again',
      'An agent of acme that may write, then one that may read.',
    );
    const added = await step('add', 200, {
      who: ['agent-writer', 'acme'],
      method: 'POST',
      path: '/memories',
      body: {
        messages: [{ role: 'user', content: 'I drink green tea every morning.' }],
        user_id: user,
        infer: false,
      },
    });
    const search = { query: 'what does she drink every morning', filters: { user_id: user } };
    const found = await step('search', 200, {
      ...{ who: ['agent-reader', 'acme'] as const, method: 'POST', path: '/search', body: search },
    });
    if (!found.text.includes('green tea')) throw new CommandError('The memory was not found again.');

    heading('2. A write is denied', 'The reader may not add. Why is in the record, and not in the answer.');
    await step('denied write', 403, {
      who: ['agent-reader', 'acme'],
      method: 'POST',
      path: '/memories',
      body: { messages: [{ role: 'user', content: 'I drink coffee.' }], user_id: user },
    });

    heading(
      '3. Another tenant tries',
      'globex’s administrator asks for the same user in every way there is.',
    );
    const theirs = ['admin', 'globex'] as const;
    const empty = await step('foreign search', 200, {
      ...{ who: theirs, method: 'POST', path: '/search', body: search },
    });
    if (empty.json?.results?.length !== 0) throw new CommandError('Another tenant found a memory.');
    const id = String(added.json?.results?.[0]?.id);
    await step('foreign read', 404, { who: theirs, method: 'GET', path: `/memories/${id}` });
    await step('wildcard delete', 400, { who: theirs, method: 'DELETE', path: '/memories?user_id=*' });
    await step('claimed tenant', 403, {
      ...{ who: theirs, method: 'GET', path: `/memories?user_id=${user}` },
      headers: { 'X-Tenant-Id': 'acme' },
    });

    heading('4. Too many requests', `globex’s reader asks ${FLOOD} times; its limit is 100 in any minute.`);
    await flood();

    heading(
      '5. It is deleted',
      'acme’s administrator deletes: first the intent is recorded, then Mem0 is asked.',
    );
    await step('delete', 200, deletion);
  }

  /** Whatever ended the walk, Mem0 keeps nothing of it. */
  async function forget(): Promise<void> {
    const answer = await send(deletion, AbortSignal.timeout(FORGET_MS)).catch(() => undefined);
    if (answer?.status !== 200) say(`What was added is still there: acme’s ${user}.`);
  }

  async function flood(): Promise<void> {
    const who = ['agent-reader', 'globex'] as const;
    const answers: Answer[] = [];
    let left = FLOOD;
    const client = async () => {
      while (left-- > 0) {
        answers.push(await send({ who, method: 'GET', path: `/memories?user_id=${user}` }));
      }
    };
    await Promise.all(Array.from({ length: FLOOD_AT_ONCE }, client));
    const refused = answers.filter(({ status }) => status === 429);
    const last = refused.at(-1);
    const served = answers.filter(({ status }) => status === 200).length;
    if (!last || served + refused.length !== FLOOD) throw new CommandError('The rate limit did not hold.');
    const record = last.headers.get('audit-record')?.split(';')[0];
    const request = `GET /memories?user_id=${user}`;
    steps.push({ title: 'rate limit', who: 'globex’s agent-reader', request, status: 429, record });
    const wait = last.headers.get('retry-after');
    say(
      `  ${paint('green', String(served))} answered, ${paint('red', String(refused.length))} refused with 429`,
    );
    say(`  Retry-After: ${wait}, the second in which there is room again`);
  }

  /** Reads each record as its tenant's auditor, once the audit database has it. */
  async function recordsOf(places: readonly string[]): Promise<DemoRecord[]> {
    const until = Date.now() + RECORDS_WITHIN_MS;
    const records: DemoRecord[] = [];
    for (const place of new Set(places)) {
      const who = ['auditor', place.slice(0, place.indexOf('~'))] as const;
      for (;;) {
        const { json, status } = await send({ who, method: 'GET', path: `/governance/v1/audit/${place}` });
        if (status !== 200) throw new CommandError(`The record ${place} was answered with ${status}.`);
        if (json.stored === 'postgres') {
          records.push(recordOf(json));
          break;
        }
        if (Date.now() > until)
          throw new CommandError('The records did not reach the audit database in time.');
        await sleep(500, undefined, { signal: options.signal });
      }
    }
    return records;
  }
}

interface Recorded {
  readonly phase: string;
  readonly actor?: { readonly sub: string };
  readonly operation?: string;
  readonly decision: string;
  readonly reasons: readonly string[];
  readonly outcome?: { readonly result: string };
  readonly count?: number;
}

function recordOf(stored: {
  readonly log: string;
  readonly index: number;
  readonly canonical: string;
}): DemoRecord {
  const record = JSON.parse(stored.canonical) as Recorded;
  const { phase, actor, operation = '–', decision, reasons, outcome, count = 1 } = record;
  return {
    ...{ log: stored.log, index: stored.index, phase, operation, decision, reasons, count },
    actor: actor?.sub ?? '–',
    result: outcome?.result ?? '–',
  };
}

function line({ log, index, actor, operation, decision, reasons }: DemoRecord, paint: Paint): string {
  const place = `${log}/${index}`.padEnd(14);
  const end = paint(decision === 'allow' ? 'green' : 'red', decision.padEnd(15));
  return `${paint('dim', place)} ${actor.padEnd(20)} ${operation.padEnd(24)} ${end} ${reasons.join(', ')}`;
}

const SHOWN = 110;

function shortened({ json, text }: Answer): string {
  const words = typeof json?.detail === 'string' ? json.detail : text;
  return words.length > SHOWN ? `${words.slice(0, SHOWN)}…` : words;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
