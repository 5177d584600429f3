import type { Operation } from './types.ts';

/** A class of path segments; its check is in `match.ts`. */
export type SegmentClass = 'memory_id' | 'entity_id' | 'event_id' | 'log' | 'index';
const CLASSES: ReadonlySet<string> = new Set<SegmentClass>([
  'memory_id',
  'entity_id',
  'event_id',
  'log',
  'index',
]);

/**
 * One position in the paths. A literal wins over a class, a class over `tail`, and what was chosen is never
 * taken back: so a class excludes every literal beside it, and `tail` everything that stands beside it.
 */
export interface Node {
  readonly literals: Map<string, Node>;
  /** Words of an `{name=a|b}` segment: the literal nodes that give their text to a parameter. */
  readonly words: Map<string, string>;
  class?: { readonly name: SegmentClass; readonly node: Node };
  /** Rows that end here, by method. */
  readonly rows: Map<string, Operation>;
  /** The family that has everything below, and the path itself where no row ends here. */
  tail?: Operation;
}

function emptyNode(): Node {
  return { literals: new Map(), words: new Map(), rows: new Map() };
}

/**
 * Builds the tree of all rows.
 * @throws Error with both ids when a request could match two rows, or a row could never be told apart.
 */
export function buildTree(operations: readonly Operation[]): Node {
  const root = emptyNode();
  const ids = new Set<string>();
  for (const operation of operations) {
    if (ids.has(operation.id)) throw new Error(`two rows have the id ${operation.id}`);
    ids.add(operation.id);
    if (!operation.path.startsWith('/')) throw new Error(`${operation.id}: a path begins with /`);
    place(root, operation.path.slice(1).split('/'), operation);
  }
  return root;
}

function place(node: Node, segments: readonly string[], operation: Operation): void {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    putRow(node, operation);
    return;
  }
  if (segment === '**') {
    if (rest.length > 0) throw new Error(`${operation.id}: ** ends a path`);
    if (operation.method !== '*') throw new Error(`${operation.id}: ** is for every method`);
    if (node.tail) throw clash(node.tail, operation);
    node.tail = operation;
    return;
  }
  const parameter = /^\{([a-z_]+)(?:=([a-z|]+))?\}$/.exec(segment);
  if (!parameter) {
    place(literal(node, segment, undefined, operation), rest, operation);
    return;
  }
  const [, name, words] = parameter;
  if (words !== undefined) {
    for (const word of words.split('|')) place(literal(node, word, name, operation), rest, operation);
    return;
  }
  if (!CLASSES.has(name!)) throw new Error(`${operation.id}: there is no class {${name}}`);
  node.class ??= { name: name as SegmentClass, node: emptyNode() };
  if (node.class.name !== name) {
    throw new Error(`${operation.id}: {${name}} and {${node.class.name}} stand at one position`);
  }
  place(node.class.node, rest, operation);
}

/** The child for a literal. One word cannot be plain in one row and a parameter in another. */
function literal(node: Node, text: string, parameter: string | undefined, operation: Operation): Node {
  const known = node.literals.get(text);
  if (known && node.words.get(text) !== parameter) {
    throw new Error(`${operation.id}: ${text} is a literal in one row and a parameter in another`);
  }
  const child = known ?? emptyNode();
  node.literals.set(text, child);
  if (parameter !== undefined) node.words.set(text, parameter);
  return child;
}

function putRow(node: Node, operation: Operation): void {
  const every = operation.method === '*' ? [...node.rows.values()][0] : undefined;
  const other = node.rows.get(operation.method) ?? node.rows.get('*') ?? every;
  if (other) throw clash(other, operation);
  node.rows.set(operation.method, operation);
}

function clash(one: Operation, other: Operation): Error {
  return new Error(`one request could match two rows: ${one.id} and ${other.id}`);
}
