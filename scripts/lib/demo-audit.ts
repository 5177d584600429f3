import { CommandError } from './command.ts';
import { withClient, withSnapshot } from './database.ts';
import type { Paint } from './paint.ts';
import { readKeys, verifyReceipt } from './receipt.ts';
import { askGateway } from './verify/gateway.ts';
import { reportLines } from './verify/report.ts';
import { storedSections } from './verify/stored.ts';
import { type Report, verify } from './verify/verify.ts';

export interface AuditTour {
  readonly gateway: string;
  /** Of an auditor of the record's tenant. */
  readonly token: string;
  readonly tenant: string;
  /** `log/index` of a record that says `deny`. */
  readonly record: string;
  /** Connection strings of the audit database: the reader's, and one that may do anything. */
  readonly readerUrl: string;
  readonly superuserUrl: string;
  readonly say: (line: string) => void;
  readonly paint: Paint;
  readonly signal: AbortSignal;
}

export interface AuditTourResult {
  /** `log/index` that the proof was about. */
  readonly proven: string;
  /** What the verifier said before, while and after the row was another. */
  readonly verdicts: readonly Report['verdict'][];
  /** `log/index` that it named. */
  readonly found: string;
}

const DENIED = '"decision":"deny"';
const ALLOWED = '"decision":"allow"';

/**
 * The last part of the walk: a proof is checked, a row of the database is altered as only its superuser can, the
 * verifier finds it, and the row is put back, whatever happens meanwhile.
 * @throws CommandError when a proof or a verdict is not what it must be.
 */
export async function auditTour(tour: AuditTour): Promise<AuditTourResult> {
  const { say, paint, record } = tour;
  say(paint('bold', '7. A proof is checked'));
  say('The receipt of a denied request: its record, and hashes that lead from it to a signed checkpoint.');
  const proven = await checkProof(tour);

  say('');
  say(paint('bold', '8. Somebody alters the audit log'));
  say(
    'The database’s superuser turns the denial of step 2 into an allow. No trigger and no right stops that.',
  );
  const verdicts = [await verdictOf(tour)];
  let altered: Report;
  await alter(tour, DENIED, ALLOWED);
  try {
    altered = await verified(tour);
  } finally {
    await alter(tour, ALLOWED, DENIED);
  }
  const { first, verdict } = altered;
  const found = `${first?.log}/${first?.index}`;
  if (verdict !== 'tampering' || found !== record) {
    throw new CommandError('The verifier did not find the altered row.');
  }
  say(`  ${paint('red', reportLines(altered).at(-1)!)}`);
  say('The row is put back, and the log verifies as before:');
  verdicts.push(verdict, await verdictOf(tour));
  return { proven, verdicts, found };
}

async function checkProof({ gateway, token, record, say, paint, signal }: AuditTour): Promise<string> {
  const get = async (path: string) => {
    const response = await fetch(`${gateway}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      signal,
    });
    return response.text();
  };
  const { signing } = JSON.parse(await get('/.well-known/mem0-governance/audit-keys')) as { signing: string };
  const checked = verifyReceipt(await get(`/governance/v1/audit/${record}/proof`), readKeys(signing) ?? []);
  if (checked.verdict !== 'good')
    throw new CommandError(`The proof of ${record} is not good: ${checked.why}.`);
  const { log, index, size, signedBy } = checked;
  say(`  ${paint('green', 'good')} ${log}/${index} is in the log of ${size} records that ${signedBy} signed`);
  return `${log}/${index}`;
}

async function verdictOf(tour: AuditTour): Promise<Report['verdict']> {
  const report = await verified(tour);
  if (report.verdict !== 'good') {
    throw new CommandError(`The audit log is not good: ${reportLines(report).at(-1)}.`);
  }
  tour.say(
    `  ${tour.paint('green', 'good')} ${report.records} records of ${tour.tenant}, held against the gateway`,
  );
  return report.verdict;
}

async function verified({ gateway, token, tenant, readerUrl, signal }: AuditTour): Promise<Report> {
  const asked = askGateway(gateway, token, tenant);
  const keys = await asked.keys();
  const heads = await asked.heads(keys);
  return withSnapshot(readerUrl, 'demo', tenant, (reader) => {
    const source = { name: 'the database', current: true, sections: () => storedSections(reader) };
    return verify({ sources: [source], keys, heads, gateway: asked, signal });
  });
}

const decisionIn = (text: string) => text.split('"')[3];

/** Text, hash and column alike, as somebody would who knows the table. In one transaction, so that the table is never left without its trigger. */
async function alter({ superuserUrl, record }: AuditTour, from: string, to: string): Promise<void> {
  const at = record.lastIndexOf('/');
  const place = [record.slice(0, at), record.slice(at + 1)];
  await withClient(superuserUrl, 'demo', async (client) => {
    const { rows } = await client.query<{ partition: string }>(
      'select tableoid::regclass::text as partition from audit.record where log = $1 and index = $2',
      place,
    );
    const table = rows[0]?.partition;
    if (table === undefined) throw new CommandError(`The database does not hold ${record}.`);
    await client.query('begin');
    await client.query(`alter table ${table} disable trigger append_only`);
    await client.query(
      `update ${table} set canonical = replace(canonical, $3, $4),
          leaf = audit.leaf_hash(replace(canonical, $3, $4)), decision = $5
        where log = $1 and index = $2`,
      [...place, from, to, decisionIn(to)],
    );
    await client.query(`alter table ${table} enable always trigger append_only`);
    await client.query('commit');
  });
}
