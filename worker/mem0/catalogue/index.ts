import { GOVERNANCE } from './governance.ts';
import { OSS } from './oss.ts';
import { PLATFORM } from './platform.ts';
import { buildTree, type Node } from './tree.ts';
import type { Operation } from './types.ts';

/** Every operation that exists. What has no row is denied. */
export const OPERATIONS: readonly Operation[] = [...OSS, ...PLATFORM, ...GOVERNANCE];

/** Built when the module is loaded, so rows that one request could match both stop the gateway at once. */
export const TREE: Node = buildTree(OPERATIONS);

const BY_ID: ReadonlyMap<string, Operation> = new Map(OPERATIONS.map((row) => [row.id, row]));

/** @throws Error when there is no such row: ids in code are constants. */
export function operationById(id: string): Operation {
  const row = BY_ID.get(id);
  if (!row) throw new Error(`the catalogue has no row ${id}`);
  return row;
}
