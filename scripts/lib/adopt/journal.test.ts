import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from './journal.ts';

const ORIGIN = 'http://mem0';
const INTENT = { tenant: 'acme', ids: { user_id: 'acme:a' }, digest: 'd', text: 't', twins: [], at: 1 };

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-journal-'));
  path = join(dir, 'journal');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function begun(): void {
  const journal = new Journal(path, ORIGIN);
  journal.record({ adopts: 'old', move: INTENT });
  journal.record({ added: 'old', as: 'new' });
  journal.close();
}

describe('a journal', () => {
  it('says again what was recorded, but for a line that was cut off', async () => {
    begun();
    await appendFile(path, '{"removing":"ol');
    const journal = new Journal(path, ORIGIN);
    expect([...journal.moves.all]).toEqual([['old', { ...INTENT, added: 'new' }]]);
    expect([...journal.moves.added]).toEqual(['new']);
    journal.record({ removing: 'old' });
    journal.record({ done: 'old' });
    journal.close();
    const again = new Journal(path, ORIGIN);
    expect(again.moves.all.get('old')).toMatchObject({ added: 'new', removing: true, done: true });
    again.close();
  });

  it('forgets what was undone, and keeps what is in doubt until it was swept', () => {
    begun();
    const journal = new Journal(path, ORIGIN);
    journal.record({ undone: 'old' });
    expect(journal.moves.all.size + journal.moves.added.size).toBe(0);
    journal.record({ adopts: 'old', move: INTENT });
    journal.record({ doubted: 'old' });
    journal.close();
    const again = new Journal(path, ORIGIN);
    expect([...again.moves.doubts]).toEqual([['old', [INTENT]]]);
    again.record({ swept: true });
    expect(again.moves.doubts.size).toBe(0);
    again.close();
  });

  it('is its owner’s to read, also when it was not', async () => {
    begun();
    await chmod(path, 0o644);
    new Journal(path, ORIGIN).close();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['of another Mem0', '{"journal":2,"origin":"http://other"}\n', 'the journal of another Mem0'],
    ['that is something else', '{"name":"x"}\n', 'no journal'],
    ['that is no line at all', 'precious notes', 'no journal'],
    [
      'with a step before its beginning',
      `{"journal":2,"origin":"${ORIGIN}"}\n{"done":"x"}\n`,
      'cannot be read',
    ],
  ])('%s is left as it is', async (_, text, message) => {
    await writeFile(path, text);
    expect(() => new Journal(path, ORIGIN)).toThrow(message);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(dir)).toEqual(['journal']);
  });
});

describe('its lock', () => {
  it('is held by one, and given back', async () => {
    const journal = new Journal(path, ORIGIN);
    expect(() => new Journal(path, ORIGIN)).toThrow(`process ${process.pid}) holds`);
    journal.close();
    begun();
    expect(await readdir(dir)).toEqual(['journal']);
  });

  it.each(['', 'x', '0'])('is taken over where it holds %j', async (text) => {
    await writeFile(`${path}.lock`, text);
    begun();
    expect(await readdir(dir)).toEqual(['journal']);
  });

  it('is taken over from a process that is gone', async () => {
    const gone = spawn(process.execPath, ['-e', '']);
    await once(gone, 'exit');
    await writeFile(`${path}.lock`, String(gone.pid));
    begun();
    expect(await readdir(dir)).toEqual(['journal']);
  });
});
