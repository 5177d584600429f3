import { env } from 'cloudflare:test';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import worker from '../../worker/index.ts';

const lines: unknown[] = [];

beforeEach(() => {
  lines.length = 0;
  vi.spyOn(console, 'log').mockImplementation((line: string) => lines.push(JSON.parse(line)));
});
afterEach(() => {
  vi.restoreAllMocks();
});

const CONTROLLER = { cron: '17 3 * * *', scheduledTime: 0, noRetry() {} } as ScheduledController;

const run = (settings: object) => worker.scheduled(CONTROLLER, { ...env, ...settings } as unknown as Env);

it('the nightly work names each bad setting, as every request does, and begins nothing', async () => {
  await run({ AUDIT_WRITER_URL: '', AUDIT_ORIGIN: '' });
  expect(lines).toEqual([
    { event: 'misconfigured', problems: 'AUDIT_WRITER_URL is missing; AUDIT_ORIGIN is missing' },
  ]);
});

it('the nightly work says why the database made no tables, and goes on', async () => {
  await run({});
  expect(lines).toEqual([{ event: 'partitions_failed', failure: 'unreachable' }, { event: 'rekey_failed' }]);
});
