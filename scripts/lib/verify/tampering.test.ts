import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../core/canonical.ts';
import { Frontier, hashLeaf } from '../../../core/merkle.ts';
import { formatNote, parseNote, signerKey } from '../../../core/note.ts';
import { SIGNER, sectionsOf, signedLog, signSize, signTexts } from '../../../tests/fakes/signed-log.ts';
import {
  check,
  EVERY,
  edited,
  FOREIGN,
  GOOD,
  headOf,
  KEYS,
  LOG,
  OTHER,
  RECORDS,
  sourceOf,
  treeOf,
  withTexts,
} from '../../../tests/fakes/verified.ts';
import { MAX_DEPTH } from './scan.ts';
import { HEAD_NOT_CHECKED, verify } from './verify.ts';

const TOO_DEEP = 'the record is nested deeper than the gateway writes';

// Whatever is done to a log is found, at the right index where there is one; or it is said that the head was not checked.

describe('tampering with a record', () => {
  const anyIndex = fc.nat({ max: RECORDS - 1 });

  it('of any byte is found, in the stretch between two checkpoints where it lies', async () => {
    await fc.assert(
      fc.asyncProperty(anyIndex, fc.nat(), fc.integer({ min: 1, max: 255 }), async (index, at, by) => {
        const sections = sectionsOf('acme', [GOOD]);
        let seen = 0;
        for (const section of sections) {
          if (section.kind !== 'leaves') continue;
          const leaf = section.leaves[index - seen];
          if (index >= seen && leaf) leaf[at % leaf.length]! ^= by;
          seen += section.leaves.length;
        }
        const { verdict, first } = await verify({ sources: [sourceOf(sections)], keys: KEYS, heads: [] });
        expect(verdict).toBe('tampering');
        expect(first!.index).toBeLessThanOrEqual(index);
        expect(first!.last ?? first!.index).toBeGreaterThanOrEqual(index);
        expect((first!.last ?? first!.index)! - first!.index!).toBeLessThan(EVERY);
      }),
    );
  });

  const cases: readonly [string, (index: number) => readonly string[], (index: number) => number][] = [
    ['deleted', (i) => GOOD.texts.toSpliced(i, 1), (i) => i],
    ['doubled', (i) => GOOD.texts.toSpliced(i, 0, GOOD.texts[i]!), (i) => i + 1],
    ['put in from another log', (i) => GOOD.texts.toSpliced(i, 0, OTHER.texts[i % 17]!), (i) => i],
    ['in the place of another tenant’s', (i) => GOOD.texts.with(i, FOREIGN.texts[i]!), (i) => i],
    ['moved to the end', (i) => [...GOOD.texts.toSpliced(i, 1), GOOD.texts[i]!], (i) => i],
    ['swapped with its neighbour', (i) => swapped(Math.min(i, RECORDS - 2)), (i) => Math.min(i, RECORDS - 2)],
    [
      'with another form',
      (i) =>
        GOOD.texts.with(
          i,
          edited(GOOD.texts[i]!, (r) => {
            r.v = 2;
          }),
        ),
      (i) => i,
    ],
    ['with white space', (i) => GOOD.texts.with(i, `${GOOD.texts[i]} `), (i) => i],
  ];

  function swapped(i: number): string[] {
    return GOOD.texts.with(i, GOOD.texts[i + 1]!).with(i + 1, GOOD.texts[i]!);
  }

  it.each(cases)('that is %s is found at its index', async (what, change, where) => {
    await fc.assert(
      fc.asyncProperty(anyIndex, async (index) => {
        fc.pre(what !== 'moved to the end' || index < RECORDS - 1);
        const { verdict, first } = await check([withTexts(change(index))]);
        expect(verdict).toBe('tampering');
        expect(first!.index).toBe(where(index));
      }),
      { numRuns: 40 },
    );
  });
});

describe('a record that is nested', () => {
  const nested = (index: number, make: (depth: number) => string, depth: number) =>
    edited(GOOD.texts[index]!, (record) => {
      record.detail = JSON.parse(make(depth)) as Json;
    });
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  const lists = (depth: number) => `${'['.repeat(depth)}"é"${']'.repeat(depth)}`;

  it.each([
    ['objects', objects],
    ['lists, beside what is not ASCII', lists],
  ])('as deeply as may be is read, and one level deeper is found: %s', async (_what, make) => {
    const faultOf = async (depth: number) =>
      (await check([signTexts(LOG, GOOD.texts.with(5, nested(5, make, depth)), { every: EVERY })])).first;
    // The record itself is the first level.
    expect(await faultOf(MAX_DEPTH - 1)).toBe(null);
    expect(await faultOf(MAX_DEPTH)).toEqual({ log: LOG, index: 5, what: TOO_DEEP });
  });

  it.each([
    ['objects', objects(200_000), TOO_DEEP],
    ['lists in an object', `{"a":${lists(200_000)}}`, TOO_DEEP],
    ['objects that do not end', '{"a":'.repeat(200_000), 'the record is no JSON'],
  ])('without end is found at its index, and ends nothing: %s', async (_what, text, what) => {
    const { verdict, first } = await check([withTexts(GOOD.texts.with(5, text))]);
    expect([verdict, first]).toEqual(['tampering', { log: LOG, index: 5, what }]);
  });
});

it('names both records where the time falls', async () => {
  const older = edited(GOOD.texts[7]!, (r) => {
    r.time = 1;
  });
  const { first } = await check([withTexts(GOOD.texts.with(7, older))]);
  expect(first).toEqual({ log: LOG, index: 6, last: 7, what: 'the time falls' });
});

describe('tampering with a whole log', () => {
  const shorter = (size: number) => ({ ...GOOD, texts: GOOD.texts.slice(0, size) });

  it('by cutting its tail is found from the first record that a checkpoint covers', async () => {
    const { verdict, first } = await check([shorter(35)]);
    expect([verdict, first]).toEqual([
      ...[
        'tampering',
        { log: LOG, index: 35, last: 39, what: 'records are missing: a checkpoint speaks of 40' },
      ],
    ]);
  });

  it('with its checkpoints is said not to be excluded, and found by a head from outside', async () => {
    const cut = { ...shorter(35), checkpoints: GOOD.checkpoints.filter(({ size }) => size <= 32) };
    expect((await check([cut])).unchecked.map(({ what }) => what)).toEqual([`${HEAD_NOT_CHECKED} (${LOG})`]);
    const { verdict, first } = await check([cut], [headOf(GOOD)]);
    expect(verdict).toBe('tampering');
    expect(first).toMatchObject({ index: 35, last: 39 });
  });

  it('by signing another one with the key is said not to be excluded, and found from outside', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: RECORDS - 1 }), fc.constantFrom(8, 20, 40), async (index, size) => {
        const texts = GOOD.texts.with(
          index,
          edited(GOOD.texts[index]!, (r) => {
            r.decision = 'deny';
          }),
        );
        const forged = signTexts(LOG, texts, { every: EVERY });
        expect((await check([forged])).unchecked.map(({ what }) => what)).toEqual([
          `${HEAD_NOT_CHECKED} (${LOG})`,
        ]);
        const { verdict, first } = await check([forged], [headOf(GOOD, size)]);
        // What lies behind an older head it does not hold.
        expect(verdict).toBe(index < size ? 'tampering' : 'good');
        if (index < size) expect(first).toMatchObject({ index: 0, last: size - 1 });
      }),
      { numRuns: 30 },
    );
  });

  it('by taking it away is found by a head of it', async () => {
    const { first } = await check([OTHER], [headOf(GOOD), headOf(OTHER)]);
    expect(first).toEqual({
      log: LOG,
      index: 0,
      last: 39,
      what: 'the log is missing: the auditor speaks of 40 records',
    });
  });

  it('by putting another tenant’s in its place is found at the first record', async () => {
    const { first } = await check([{ ...FOREIGN, log: LOG }]);
    expect(first).toMatchObject({ index: 0, what: 'the record says that it is elsewhere' });
  });

  it('of another tenant is not read', async () => {
    const report = await check([FOREIGN]);
    expect(report).toMatchObject({ verdict: 'unchecked' });
    expect(report.unchecked[0]?.what).toBe(
      'the source cannot be read: globex~0~1 is not a log of this tenant',
    );
  });
});

describe('tampering with checkpoints', () => {
  const replaced = (at: number, change: (note: string) => string) => ({
    ...GOOD,
    checkpoints: GOOD.checkpoints.map((each, i) => (i === at ? { ...each, note: change(each.note) } : each)),
  });

  it('of any byte of a text or signature is found', async () => {
    const length = GOOD.checkpoints[2]!.note.length;
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: length - 1 }),
        fc.constantFrom('A', 'b', '7', '\n', ' '),
        async (at, put) => {
          const note = GOOD.checkpoints[2]!.note;
          fc.pre(note[at] !== put);
          const report = await check(
            [replaced(2, (text) => text.slice(0, at) + put + text.slice(at + 1))],
            [headOf(GOOD)],
          );
          expect(report.verdict).not.toBe('good');
        },
      ),
      { numRuns: 300 },
    );
  });

  const ROOTS = new Frontier();
  ROOTS.append(hashLeaf(Buffer.from('another')));
  for (let i = 1; i < 24; i++) ROOTS.append(hashLeaf(Buffer.from(`another ${i}`)));

  it.each([
    ['of an older size again', (note: string) => note.replace('\n24\n', '\n16\n'), 'is out of its order'],
    ['that is none', () => 'nothing\n', 'is no signed note of a checkpoint'],
    [
      'of another log',
      () => signSize('acme~7~1', treeOf(GOOD.texts.slice(0, 24)), SIGNER).note,
      'speaks of another log',
    ],
    [
      'with the signature of another',
      (note: string) => {
        const { text } = parseNote(note)!;
        return formatNote({ text, signatures: parseNote(GOOD.checkpoints[1]!.note)!.signatures });
      },
      'has a signature that is not its key’s',
    ],
  ])('by one %s', async (_what, change, what) => {
    const { first } = await check([replaced(2, change)], [headOf(GOOD)]);
    expect(first).toEqual({ log: LOG, what: `the checkpoint of 24 ${what}` });
  });

  it('by a root that is signed with the key names the records that it is not about', async () => {
    const { first } = await check([replaced(2, () => signSize(LOG, ROOTS, SIGNER).note)]);
    expect(first).toMatchObject({ index: 16, last: 23 });
  });

  it('by a key that nobody gave is no good signature', async () => {
    const stranger = signerKey(SIGNER.verifier.name, new Uint8Array(32).fill(9));
    const report = await check(
      [signedLog({ log: LOG, records: 16, every: 8, signer: stranger })],
      [headOf(GOOD, 16)],
    );
    expect(report.verdict).toBe('unchecked');
    expect(report.logs[0]!.covered).toBe(0);
    expect(report.unchecked[0]?.what).toContain(`${stranger.verifier.name}+${stranger.verifier.hash}`);
  });

  it('by taking the last ones away leaves records that nothing covers', async () => {
    const report = await check([{ ...GOOD, checkpoints: GOOD.checkpoints.slice(0, 2) }], [headOf(GOOD)]);
    expect(report).toMatchObject({ verdict: 'good', logs: [{ end: 40, covered: 16 }] });
  });
});
