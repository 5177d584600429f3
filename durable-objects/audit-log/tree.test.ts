import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  consistencyProof,
  inclusionProof,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../../core/merkle.ts';
import { TILE_WIDTH } from '../../core/tiles.ts';
import { read } from './testing/entries.ts';
import { World } from './testing/world.ts';
import { leafAt, packedLeaves, treeSource } from './tree.ts';

const EPOCH = 1;
const reads = (count: number, name = 'r') => Array.from({ length: count }, (_, i) => read(`${name}${i}`));
const rows = (world: World, table: 'leaf' | 'tile') => world.store.exec(`SELECT * FROM ${table}`).length;
const hash = (world: World, index: number) =>
  new Uint8Array(Buffer.from(leafAt(world.store, EPOCH, index)!, 'hex'));

describe('the tree of a log', () => {
  it.each([
    [0, 0, 0],
    [255, 255, 0],
    [256, 0, 2],
    [257, 1, 2],
    [1000, 232, 4],
  ])('of %i records has %i leaves outside of its %i tiles', (size, leaves, tiles) => {
    const world = new World();
    for (let at = 0; at < size; at += 100) world.append(...reads(Math.min(100, size - at), `${at}-`));
    world.check();
    expect([rows(world, 'leaf'), rows(world, 'tile')]).toEqual([leaves, tiles]);
  });

  it('proves each of its records and each of its sizes, also when the records have left', async () => {
    const world = new World({ keepFlushedMs: 0 });
    const size = 900;
    world.append(...reads(size));
    for (let turn = 0; turn < 3; turn++) {
      await world.settle();
      world.clock += 1;
      await world.flush();
    }
    expect(world.store.exec('SELECT * FROM record')).toHaveLength(0);
    const source = () => treeSource(world.store, EPOCH);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: size }), fc.nat(), fc.nat(), (to, i, f) => {
        const [index, from] = [i % to, f % (to + 1)];
        const root = rootOf(to, source());
        const proof = inclusionProof(index, to, source());
        expect(verifyInclusion({ index, size: to, root }, hash(world, index), proof)).toBe(true);
        const old = { size: from, root: rootOf(from, source()) };
        const path = consistencyProof(from, to, source());
        expect(verifyConsistency(old, { size: to, root }, path)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('writes the same per record, whether the log is short or long', () => {
    const writes = (size: number) => {
      const world = new World();
      for (let at = 0; at < size; at += 100) world.append(...reads(100, `${at}-`));
      world.append(...reads(10, 'last'));
      return world.store.writes;
    };
    expect(writes(2000)).toBe(writes(100));
  });
});

describe('a log that was begun before there were tiles', () => {
  /** The log as version 1 stored it. */
  function older(size: number): World {
    const world = new World();
    for (let at = 0; at < size; at += 500) world.append(...reads(Math.min(500, size - at), `${at}-`));
    const leaves = Array.from({ length: size }, (_, i) => leafAt(world.store, EPOCH, i)!);
    world.store.transaction(() => {
      world.store.exec('DELETE FROM tile');
      world.store.exec('DELETE FROM leaf');
      leaves.forEach((leaf, i) => {
        world.store.exec('INSERT INTO leaf (epoch, idx, hash) VALUES (?, ?, ?)', EPOCH, i, leaf);
      });
      world.store.exec('UPDATE state SET version = 1');
    });
    world.restart();
    return world;
  }

  it('is taken in, in turns, while records go on coming', () => {
    const world = older(12_000);
    expect(world.machine.nextDuty()).toBe(world.machine.state.lastTime);
    let turns = 0;
    for (let more = true; more; turns++) {
      world.append(...reads(60, `more${turns}-`));
      if (turns % 2 === 0) world.check();
      ({ more } = world.duties()!);
      if (turns === 1) world.restart();
    }
    expect(turns).toBe(3);
    expect(world.machine.state.size).toBe(12_180);
    expect(packedLeaves(world.store, EPOCH)).toBe(Math.floor(12_180 / TILE_WIDTH) * TILE_WIDTH);
    expect(world.machine.nextDuty()).toBeGreaterThan(world.clock);
    world.check();
  });

  it('has its tree as soon as it is taken in, the same as if it had been in tiles from the start', () => {
    const [world, fresh] = [older(1000), new World()];
    for (let at = 0; at < 1000; at += 500) fresh.append(...reads(500, `${at}-`));
    expect(() => rootOf(1000, treeSource(world.store, EPOCH))).toThrow('missing');
    world.duties();
    expect(rootOf(1000, treeSource(world.store, EPOCH))).toEqual(
      rootOf(1000, treeSource(fresh.store, EPOCH)),
    );
  });

  it('is refused by no fault in the midst of it', () => {
    for (let statement = 1; statement < 9; statement++) {
      const world = older(600);
      world.store.fail(statement);
      expect(world.duties()).toBeUndefined();
      world.check();
      world.restart();
      expect(world.duties()).toEqual({ more: false });
      world.check();
    }
  });
});
