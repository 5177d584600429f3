import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { intent, outcome, read } from '../../durable-objects/audit-log/testing/entries.ts';
import { type Neon, startNeon } from '../../local/neon.ts';
import { type Postgres, startPostgres } from '../../local/postgres.ts';
import { migrate, setRolePasswords } from '../../scripts/lib/migrate.ts';
import { auditRig } from './audit-rig.ts';

/** One database that is stopped and started, behind one endpoint that stays. */
let dir: string;
let postgres: Postgres;
let neon: Neon;

const DATABASE = 'audit';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'audit-outage-'));
  postgres = await startPostgres({ dir, durable: false });
  await postgres.createDatabase(DATABASE);
  const owner = postgres.url('audit_owner', DATABASE);
  await migrate(owner);
  await setRolePasswords(owner, {
    writer: postgres.password('audit_writer'),
    reader: postgres.password('audit_reader'),
  });
  neon = await startNeon({ databasePort: postgres.port });
});
afterAll(async () => {
  await neon?.stop();
  await postgres?.stop();
  if (dir) await rm(dir, { recursive: true });
});

async function stored(): Promise<{ text: string; leaf: string }[]> {
  const client = new pg.Client({ connectionString: postgres.url('postgres', DATABASE) });
  await client.connect();
  try {
    const { rows } = await client.query<{ text: string; leaf: string }>(
      "select canonical as text, encode(leaf, 'hex') as leaf from audit.record order by index",
    );
    return rows;
  } finally {
    await client.end();
  }
}

it('takes records while Postgres is stopped, and delivers each once when it is back', async () => {
  const object = auditRig(postgres.url('audit_writer', DATABASE), neon.url);
  const told = object.append(read('a'), intent('b'));
  await object.flusher.flush();
  expect(object.machine.state.flushed).toBe(2);

  const { port } = postgres;
  await postgres.stop();
  told.push(...object.append(outcome('b'), read('c')));
  for (let failures = 1; failures <= 3; failures++) {
    await object.flusher.flush();
    expect(object.flusher.failures).toBe(failures);
    expect(object.flusher.lastFailure).toMatch(/^(http_500|sql_57P0\d)$/);
    expect(object.machine.state).toMatchObject({ size: 4, flushed: 2, fork: null });
  }
  object.restart();
  told.push(...object.append(read('d')));
  await object.flusher.flush();
  expect(object.flusher.failures).toBe(1);

  postgres = await startPostgres({ dir, port, durable: false });
  await object.flusher.flush();
  expect(object.flusher).toMatchObject({ failures: 0, lastFailure: undefined });
  expect(await stored()).toEqual(object.held());
  expect(object.held().map(({ leaf }) => leaf)).toEqual(told);
});

it('says that nobody is there when the endpoint is gone, too', async () => {
  const object = auditRig(postgres.url('audit_writer', DATABASE), 'http://127.0.0.1:9/sql');
  object.append(read('x'));
  await object.flusher.flush();
  expect(object.flusher).toMatchObject({ failures: 1, lastFailure: 'unreachable' });
  expect(JSON.stringify(object.logged)).not.toContain(postgres.password('audit_writer'));
});
