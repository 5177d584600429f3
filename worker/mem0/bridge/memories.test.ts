import { expect, it } from 'vitest';
import { operationById } from '../catalogue/index.ts';
import { validateOperation } from '../validate.ts';
import { list } from './memories.ts';

const row = (n: number) => ({
  id: `3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c${String(n).padStart(2, '0')}`,
  memory: `memory ${n}`,
  user_id: 'bob',
  created_at: `2026-01-${String(1 + Math.floor(n / 2)).padStart(2, '0')}T00:00:00Z`,
});

it('gives each memory on one page, in whatever order the server lists them', () => {
  const all = Array.from({ length: 9 }, (_, n) => row(n));
  const seen: unknown[] = [];
  for (const page of ['1', '2', '3']) {
    const pages = [
      ['page', page],
      ['page_size', '3'],
    ] as const;
    const body = { filters: { user_id: 'bob' } };
    const valid = validateOperation(operationById('platform.memories.list'), {}, pages, body, 'oss');
    if (!valid.ok) throw new Error(valid.reason);
    const shuffled = all.toSorted(
      (a, b) => (a.memory + page).localeCompare(b.memory) * (Number(page) % 2 ? 1 : -1),
    );
    const answer = list.fromOss([{ results: shuffled }], valid.request, { origin: '', eventId: '' });
    seen.push(...(answer as { results: { id: string }[] }).results.map(({ id }) => id));
  }
  expect(seen).toHaveLength(9);
  expect(new Set(seen).size).toBe(9);
  expect(seen[0]).toBe(row(8).id);
});
