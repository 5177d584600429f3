import type { CpuProfile, ProfileNode } from './inspector.ts';

/** A function in the place where it was called; times are in microseconds. */
export interface Frame {
  readonly name: string;
  /** The source file that it is from; empty for what is the runtime's own. */
  readonly source: string;
  readonly self: number;
  readonly total: number;
  readonly children: readonly Frame[];
}

/** A function, or a file, over all places where it was called. */
export interface Cost {
  readonly name: string;
  readonly source: string;
  /** In it alone, and with all that it called. */
  readonly self: number;
  readonly total: number;
}

/** The bundle's own module; others are the runtime's, `node-internal:…`. */
const ENTRY = 'index.js';

/** Time in which nothing had to be done. */
const IDLE = '(idle)';

/**
 * A profile as a tree of frames without what was idle. `sourceOf` says which file a line of the bundle is from, and
 * functions of the same name and file under one caller are one.
 */
export function framesOf(profile: CpuProfile, sourceOf: (line: number) => string): Frame {
  const times = new Map<number, number>();
  profile.samples.forEach((id, i) => {
    times.set(id, (times.get(id) ?? 0) + Math.max(0, profile.timeDeltas[i]!));
  });
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const called = new Set(profile.nodes.flatMap(({ children = [] }) => children));
  const root = profile.nodes.find(({ id }) => !called.has(id));
  if (!root) throw new Error('the profile has no root');
  const build = (name: string, source: string, merged: readonly ProfileNode[]): Frame => {
    const below = merged
      .flatMap(({ children = [] }) => children.map((id) => nodes.get(id)!))
      .filter(({ callFrame }) => callFrame.functionName !== IDLE);
    const groups = Map.groupBy(below, (node) => JSON.stringify(named(node, sourceOf)));
    const children = [...groups].map(([key, group]) => {
      const [childName, childSource] = JSON.parse(key) as [string, string];
      return build(childName, childSource, group);
    });
    const self = merged.reduce((sum, { id }) => sum + (times.get(id) ?? 0), 0);
    const total = children.reduce((sum, child) => sum + child.total, self);
    return { name, source, self, total, children: children.toSorted((a, b) => b.total - a.total) };
  };
  return build('all', '', [root]);
}

function named({ callFrame }: ProfileNode, sourceOf: (line: number) => string): [string, string] {
  const { functionName, url, lineNumber } = callFrame;
  if (url === '') return [functionName === '' ? '(unnamed, of the runtime)' : functionName, ''];
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url.startsWith('wasm')) return [name, 'wasm'];
  return [name, url === ENTRY ? sourceOf(lineNumber) : url];
}

/** The functions of a tree, the costliest in themselves first. What calls itself counts once in its total. */
export function functionsOf(root: Frame): Cost[] {
  return costs(root, ({ name, source }) => [name, source]);
}

/** The same by source file. */
export function filesOf(root: Frame): Cost[] {
  return costs(root, ({ name, source }) => [source === '' ? name : source, source]);
}

function costs(root: Frame, nameOf: (frame: Frame) => readonly [string, string]): Cost[] {
  const found = new Map<string, { self: number; total: number }>();
  const visit = (frame: Frame, above: ReadonlySet<string>) => {
    const key = JSON.stringify(nameOf(frame));
    const cost = found.get(key) ?? { self: 0, total: 0 };
    found.set(key, cost);
    cost.self += frame.self;
    if (!above.has(key)) cost.total += frame.total;
    for (const child of frame.children) visit(child, new Set(above).add(key));
  };
  for (const frame of root.children) visit(frame, new Set());
  return [...found]
    .map(([key, cost]) => {
      const [name, source] = JSON.parse(key) as [string, string];
      return { name, source, ...cost };
    })
    .toSorted((a, b) => b.self - a.self);
}

/** Which source file each line of a bundle is from: esbuild puts the file's name in a comment before its code. */
export function sourcesOf(bundle: string): (line: number) => string {
  const starts = bundle.split('\n').flatMap((text, line) => {
    const [, source] = /^ *\/\/ (\S+\.(?:[cm]?[jt]s|json|wasm))$/.exec(text) ?? [];
    return source === undefined ? [] : [{ line, source }];
  });
  return (line) => starts.findLast((start) => start.line <= line)?.source ?? 'bundle';
}
