import { HASH_BYTES, type HashSource } from '../../core/merkle.ts';
import { hashesOf, joinHashes, TILE_WIDTH, tileRoot, tileSource } from '../../core/tiles.ts';
import type { Sql } from '../storage/sql.ts';

/**
 * A log's Merkle tree in the object's SQLite. Leaf hashes come in as rows of `leaf`, one small write each; as soon as
 * 256 of them stand behind the last full tile they become that tile, and its root goes to the tile above. So an
 * append writes the same however long the log is, and the rows of `leaf` are the partial tile at its edge.
 *
 * A log that was begun before there were tiles has all its hashes in `leaf`: packing goes over them in turns, and
 * what it has not reached yet is read from the rows.
 */

/** How many leaves of an epoch lie in full tiles. */
export function packedLeaves(sql: Sql, epoch: number): number {
  const [row] = sql.exec<{ last: number | null }>(
    'SELECT max(idx) AS last FROM tile WHERE epoch = ? AND level = 0',
    epoch,
  );
  return ((row?.last ?? -1) + 1) * TILE_WIDTH;
}

/** Puts a leaf hash (hex) behind the others of its epoch. */
export function addLeaf(sql: Sql, epoch: number, index: number, hash: string): void {
  sql.exec('INSERT INTO leaf (epoch, idx, hash) VALUES (?, ?, ?)', epoch, index, hash);
}

/** Makes tiles of an epoch's leaves, at most `most`; says how many it made. */
export function packLeaves(sql: Sql, epoch: number, size: number, most: number): number {
  let made = 0;
  for (let first = packedLeaves(sql, epoch); made < most && first + TILE_WIDTH <= size; first += TILE_WIDTH) {
    const range = [epoch, first, first + TILE_WIDTH];
    const hashes = joinHashes(leafRows(sql, epoch, first, first + TILE_WIDTH));
    if (hashes.length !== TILE_WIDTH * HASH_BYTES) throw new Error('a leaf hash is missing');
    writeTile(sql, epoch, 0, first / TILE_WIDTH, hashes);
    sql.exec('DELETE FROM leaf WHERE epoch = ? AND idx >= ? AND idx < ?', ...range);
    raise(sql, epoch, 1, first / TILE_WIDTH, tileRoot(hashes));
    made++;
  }
  return made;
}

/** Appends the root of a tile that became full to the level above, and so on for as long as tiles become full. */
function raise(sql: Sql, epoch: number, level: number, index: number, hash: Uint8Array): void {
  const tile = Math.floor(index / TILE_WIDTH);
  const before = index % TILE_WIDTH === 0 ? undefined : readTile(sql, epoch, level, tile);
  const hashes = joinHashes(before === undefined ? [hash] : [before, hash]);
  if (hashes.length !== ((index % TILE_WIDTH) + 1) * HASH_BYTES)
    throw new Error('a hash of the tree is missing');
  writeTile(sql, epoch, level, tile, hashes);
  if (hashes.length === TILE_WIDTH * HASH_BYTES) raise(sql, epoch, level + 1, tile, tileRoot(hashes));
}

function writeTile(sql: Sql, epoch: number, level: number, tile: number, hashes: Uint8Array): void {
  sql.exec(
    'INSERT INTO tile (epoch, level, idx, hashes) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET hashes = excluded.hashes',
    ...[epoch, level, tile, hashes],
  );
}

function readTile(sql: Sql, epoch: number, level: number, tile: number): Uint8Array | undefined {
  const [row] = sql.exec<{ hashes: Uint8Array }>(
    'SELECT hashes FROM tile WHERE epoch = ? AND level = ? AND idx = ?',
    ...[epoch, level, tile],
  );
  // The object's SQLite gives an ArrayBuffer.
  return row === undefined ? undefined : new Uint8Array(row.hashes);
}

function leafRows(sql: Sql, epoch: number, from: number, to: number): Uint8Array[] {
  return sql
    .exec<{ hash: string }>(
      'SELECT hash FROM leaf WHERE epoch = ? AND idx >= ? AND idx < ? ORDER BY idx',
      ...[epoch, from, to],
    )
    .map(({ hash }) => new Uint8Array(Buffer.from(hash, 'hex')));
}

/** A leaf hash, hex; `undefined` when the epoch has no such leaf. */
export function leafAt(sql: Sql, epoch: number, index: number): string | undefined {
  const [row] = sql.exec<{ hash: string }>(
    'SELECT hash FROM leaf WHERE epoch = ? AND idx = ?',
    ...[epoch, index],
  );
  if (row) return row.hash;
  const first = (index % TILE_WIDTH) * HASH_BYTES;
  const hash = readTile(sql, epoch, 0, Math.floor(index / TILE_WIDTH))?.subarray(first, first + HASH_BYTES);
  return hash === undefined ? undefined : Buffer.from(hash).toString('hex');
}

/** Cuts an epoch's tree to its first `size` leaves. */
export function truncateTree(sql: Sql, epoch: number, size: number): void {
  const edge = Math.floor(size / TILE_WIDTH);
  const whole = readTile(sql, epoch, 0, edge);
  sql.exec('DELETE FROM leaf WHERE epoch = ? AND idx >= ?', epoch, size);
  for (const [at, hash] of (whole ? hashesOf(whole) : []).slice(0, size % TILE_WIDTH).entries()) {
    addLeaf(sql, epoch, edge * TILE_WIDTH + at, Buffer.from(hash).toString('hex'));
  }
  sql.exec('DELETE FROM tile WHERE epoch = ? AND level = 0 AND idx >= ?', epoch, edge);
  const [{ top }] = sql.exec<{ top: number | null }>(
    'SELECT max(level) AS top FROM tile WHERE epoch = ?',
    epoch,
  ) as [{ top: number | null }];
  let hashes = edge;
  for (let level = 1; level <= (top ?? 0); level++) {
    const tile = Math.floor(hashes / TILE_WIDTH);
    const kept = readTile(sql, epoch, level, tile)?.slice(0, (hashes % TILE_WIDTH) * HASH_BYTES);
    sql.exec('DELETE FROM tile WHERE epoch = ? AND level = ? AND idx >= ?', epoch, level, tile);
    if (kept && kept.length > 0) writeTile(sql, epoch, level, tile, kept);
    hashes = tile;
  }
}

/** How many leaves of an epoch are here. */
export function treeSize(sql: Sql, epoch: number): number {
  const [row] = sql.exec<{ rows: number }>('SELECT count(*) AS rows FROM leaf WHERE epoch = ?', epoch);
  return packedLeaves(sql, epoch) + (row?.rows ?? 0);
}

/**
 * The hashes of an epoch's tree, each tile read once. It is good for one question and no longer: a tile may be packed
 * behind it. @throws Error when leaves wait to be packed beyond the tile at the edge.
 */
export function treeSource(sql: Sql, epoch: number): HashSource {
  const read = new Map<string, Uint8Array | undefined>();
  return tileSource((level, tile) => {
    const key = `${level}/${tile}`;
    if (!read.has(key)) read.set(key, readTile(sql, epoch, level, tile) ?? edge(sql, epoch, level, tile));
    return read.get(key);
  });
}

function edge(sql: Sql, epoch: number, level: number, tile: number): Uint8Array | undefined {
  if (level > 0) return undefined;
  return joinHashes(leafRows(sql, epoch, tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH));
}
