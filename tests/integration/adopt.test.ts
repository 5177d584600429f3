import { readFile, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AdoptRig, startAdoptRig, type Told } from './adopt-rig.ts';
import { runCommand } from './doctor-rig.ts';
import { startRig } from './rig.ts';

const MAPPING = { user_id: { alice: 'acme', 'a/b:c%': 'acme', '*': 'globex' }, agent_id: { bot: 'acme' } };

let rig: AdoptRig;
beforeAll(async () => {
  rig = await startAdoptRig(MAPPING);
});
beforeEach(() => rig.fresh());
afterAll(() => rig?.stop());

const put = (...of: Parameters<AdoptRig['put']>) => rig.put(...of);
const rows = (query?: string) => rig.rows(query);
const run = (more: readonly string[]) => rig.run(more);

/** All of a memory that a move keeps. */
const whole = ({ memory, metadata, user_id, agent_id, run_id, expiration_date, role }: Told) =>
  JSON.stringify([memory, metadata ?? {}, user_id, agent_id, run_id, expiration_date, role]);

async function seed(): Promise<void> {
  await put({ user_id: 'alice' }, 'likes tea', { metadata: { city: 'Bern', tags: ['a', 'b'] } });
  await put({ user_id: 'alice', agent_id: 'bot', run_id: 'r1' }, 'said by a bot');
  await put({ user_id: 'a/b:c%' }, 'awkward', { expiration_date: '2030-01-02' });
  await put({ user_id: 'carol' }, 'likes tea');
  await put({ user_id: 'carol' }, 'likes tea');
}

describe('a plan', () => {
  it('says what would be moved and what is not kept, and does nothing', async () => {
    await seed();
    const { code, stdout, stderr } = await run([]);
    expect(code).toBe(0);
    expect(stdout).toContain('acme: 3 memories to move\nglobex: 2 memories to move\n');
    expect(stdout).toContain('Not kept: memory ids, created_at');
    expect(stderr).toContain('add --apply');
    expect(new Set((await rows()).map(({ user_id }) => user_id))).toEqual(
      new Set(['alice', 'a/b:c%', 'carol']),
    );
    await expect(stat(rig.journal)).rejects.toThrow();
  });

  it('names every memory without a tenant, and nothing is done with any', async () => {
    await seed();
    const stuck = await put({ run_id: 'alone' }, 'whose?');
    const conflict = await put({ user_id: 'carol', agent_id: 'bot' }, 'of two');
    const { code, stdout, stderr } = await run(['--apply', '--yes']);
    expect(code).toBe(1);
    expect(stdout).toContain(`memory ${stuck} has an id that the mapping does not name: run_id "alone"`);
    expect(stdout).toContain(
      `memory ${conflict} has ids of several tenants: user_id "carol", agent_id "bot"`,
    );
    expect(stderr).toContain('Nothing was done');
    expect(stdout).toContain('2 cannot be moved, so nothing would be.');
    expect(await rows('&user_id=alice')).toHaveLength(2);
    const json = await run(['--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      moving: { acme: 3, globex: 2 },
      stuck: expect.arrayContaining([
        expect.objectContaining({ id: stuck, why: 'unmapped' }),
        expect.objectContaining({ id: conflict, why: 'conflict' }),
      ]),
    });
  });

  it('names a memory that Mem0 cannot read, and one that may be another tenant’s', async () => {
    const poison = await put({ user_id: 'alice' }, 'spoilt', { metadata: { created_at: 5 } });
    const other = await put({ user_id: 'initech:dave' }, 'theirs');
    const { code, stdout } = await run(['--apply', '--yes', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      moving: {},
      stuck: expect.arrayContaining([
        { id: poison, ids: { user_id: 'alice' }, why: 'unreadable' },
        { id: other, ids: { user_id: 'initech:dave' }, why: 'looks_namespaced' },
      ]),
    });
    expect(await rows()).toHaveLength(2);
  });

  it.each([
    [['--origin', 'http://mem0.example.com'], 'not https'],
    [['--origin', 'mem0'], 'scheme, host and port'],
    [[], '--origin is'],
  ])('is refused for %j', async (more, message) => {
    const ran = await runCommand('adopt', [...rig.args(), ...more], { env: { MEM0_API_KEY: 'hunter2' } });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(message);
    expect(ran.stdout + ran.stderr).not.toContain('hunter2');
  });
});

describe('a move', () => {
  it('puts each memory where the gateway gives it to its tenant, and to nobody else', async () => {
    await seed();
    const lists = ['alice', 'carol', encodeURIComponent('a/b:c%')].map((user) => rows(`&user_id=${user}`));
    const before = (await Promise.all(lists)).flat().map(whole).sort();
    const { code, stdout } = await run(['--apply', '--yes']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/acme: 3 memories moved, texts [0-9a-f]{64}\nglobex: 2 memories moved, texts/);
    const { url, apiKey } = rig.mem0;
    const gateway = await startRig({ mem0: { url, apiKey } });
    try {
      const admin = {
        acme: await gateway.token('acme', 'admin'),
        globex: await gateway.token('globex', 'admin'),
      };
      const list = async (tenant: 'acme' | 'globex', query: string): Promise<Told[]> =>
        (await gateway.call('GET', `/memories?${query}`, admin[tenant])).json.results;
      const all = async (tenant: 'acme' | 'globex', users: readonly string[]) => {
        const lists = users.map((user) => list(tenant, `user_id=${encodeURIComponent(user)}&top_k=100`));
        return (await Promise.all(lists)).flat().map(whole).sort();
      };
      const users = ['alice', 'a/b:c%', 'carol'];
      expect(await all('acme', users)).toEqual(before.filter((row) => !row.includes('"carol"')));
      expect(await all('globex', users)).toEqual(before.filter((row) => row.includes('"carol"')));
      expect(await list('acme', 'user_id=alice&agent_id=bot&run_id=r1')).toMatchObject([
        { user_id: 'alice', agent_id: 'bot', run_id: 'r1', memory: 'said by a bot' },
      ]);
      // By its id, too, is it the one tenant's and not the other's.
      const [{ id }] = (await list('globex', 'user_id=carol')) as [Told];
      const found = (tenant: 'acme' | 'globex', method: string, path = '') =>
        gateway.call(method, `/memories/${id}${path}`, admin[tenant]).then(({ status }) => status);
      expect(await found('acme', 'GET')).toBe(404);
      expect(await found('globex', 'GET')).toBe(200);
      expect(await found('globex', 'GET', '/history')).toBe(200);
    } finally {
      await gateway.stop();
    }
    expect(await rows('&user_id=alice')).toEqual([]);
    expect(await readFile(rig.journal, 'utf8')).not.toContain('tea');
    expect((await stat(rig.journal)).mode & 0o777).toBe(0o600);
    const again = await run(['--apply', '--yes', '--json']);
    expect(JSON.parse(again.stdout).tenants).toMatchObject([
      { tenant: 'acme', memories: 3 },
      { tenant: 'globex', memories: 2 },
    ]);
    expect(await rows()).toHaveLength(5);
  });

  it('goes on in rounds where a list is full', async () => {
    const seeds = Array.from({ length: 1150 }, (_, n) =>
      put({ user_id: n < 1100 ? 'carol' : `u${n}` }, `memory ${n}`),
    );
    await Promise.all(seeds);
    const { code, stdout } = await run(['--apply', '--yes', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).tenants).toMatchObject([{ tenant: 'globex', memories: 1150 }]);
    for (const user of ['carol', 'u1120']) expect(await rows(`&user_id=${user}`)).toEqual([]);
    expect(await rows('&user_id=globex:u1120')).toHaveLength(1);
  }, 240_000);

  it('is one at a time', async () => {
    await seed();
    await writeFile(`${rig.journal}.lock`, String(process.pid));
    const { code, stderr } = await run(['--apply', '--yes']);
    expect(code).toBe(1);
    expect(stderr).toContain(`Another run (process ${process.pid}) holds`);
    expect(await rows('&user_id=alice')).toHaveLength(2);
  });
});
