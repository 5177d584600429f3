import { expect, it } from 'vitest';
import { flameGraph } from './flame.ts';
import { filesOf, framesOf, functionsOf, sourcesOf } from './frames.ts';
import type { CpuProfile } from './inspector.ts';

const BUNDLE = 'head\n// worker/app.ts\nfunction a() {}\n// core/canonical.ts\nfunction b() {}\n';

const node = (
  id: number,
  functionName: string,
  lineNumber: number,
  children: number[] = [],
  url = 'index.js',
) => ({
  id,
  callFrame: { functionName, url, lineNumber },
  children,
});

/** a is called from two places, one of them b, which it calls itself. */
const PROFILE: CpuProfile = {
  nodes: [
    node(1, '(root)', -1, [2, 4, 6, 7], ''),
    node(2, 'a', 2, [3]),
    node(3, 'b', 4, [5]),
    node(4, 'a', 2, []),
    node(5, 'a', 2, []),
    node(6, '(idle)', -1, [], ''),
    node(7, 'eval', 9, [], 'wasm://wasm/opa'),
  ],
  startTime: 0,
  endTime: 100,
  samples: [2, 3, 3, 4, 5, 6, 7],
  timeDeltas: [10, 20, 5, 1, 2, 1000, 4],
};

const root = framesOf(PROFILE, sourcesOf(BUNDLE));

it('adds up what ran, leaves out what idled, and makes one of a function’s places under one caller', () => {
  expect(root.total).toBe(42);
  expect(root.children.map(({ name, source, self, total }) => [name, source, self, total])).toEqual([
    ['a', 'worker/app.ts', 11, 38],
    ['eval', 'wasm', 4, 4],
  ]);
});

it('counts a function’s own time over all places, and its whole time once when it calls itself', () => {
  expect(functionsOf(root)).toEqual([
    { name: 'b', source: 'core/canonical.ts', self: 25, total: 27 },
    { name: 'a', source: 'worker/app.ts', self: 13, total: 38 },
    { name: 'eval', source: 'wasm', self: 4, total: 4 },
  ]);
  expect(filesOf(root).map(({ name, self }) => [name, self])).toEqual([
    ['core/canonical.ts', 25],
    ['worker/app.ts', 13],
    ['wasm', 4],
  ]);
});

it('draws a box as wide as its time, and quotes what a name may hold', () => {
  const [frame] = root.children;
  const page = flameGraph({ ...root, children: [{ ...frame!, name: '<a>&"b"' }] }, 'a title', 2);
  expect(page).toContain(
    '&lt;a>&amp;&quot;b&quot; (worker/app.ts)\n19.0 µs a request, 90.5 %; in itself 5.5 µs',
  );
  expect(page).toContain(`width="${((38 / 42) * 1400).toFixed(2)}"`);
  expect(page).not.toContain('<a>');
});
