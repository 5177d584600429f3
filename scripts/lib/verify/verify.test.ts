import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../core/record.ts';
import { SIGNER, sectionsOf, signedLog } from '../../../tests/fakes/signed-log.ts';
import {
  check,
  EVERY,
  edited,
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
import { CommandError } from '../command.ts';
import type { Gateway } from './gateway.ts';
import { NO_LOG, ONLY_NAMED } from './held.ts';
import { reportLines } from './report.ts';
import { Unreadable } from './sections.ts';
import { HEAD_NOT_CHECKED, type Report, type Source, verify } from './verify.ts';

describe('a sound log', () => {
  it('is good when each of its logs is held against a head from outside', async () => {
    const report = await check([GOOD, OTHER], [headOf(GOOD), headOf(OTHER)]);
    expect(report).toMatchObject({ verdict: 'good', records: 57, first: null, unchecked: [], intents: [] });
    expect(report.logs.map(({ log, covered, head }) => [log, covered, head?.size])).toEqual([
      [LOG, 40, 40],
      ['acme~1~1', 16, 17],
    ]);
  });

  it('is not called good without one', async () => {
    const report = await check([GOOD, OTHER], [headOf(GOOD)]);
    expect(report).toMatchObject({ verdict: 'unchecked', first: null });
    expect(report.unchecked.map(({ what }) => what)).toEqual([`${HEAD_NOT_CHECKED} (acme~1~1)`]);
  });

  it('is good by the signature of a witness whose key was given', async () => {
    const log = signedLog({ log: LOG, records: RECORDS, every: EVERY, witnessed: [24] });
    const report = await check([log]);
    expect(report.verdict).toBe('good');
    expect(report.logs[0]!.head).toEqual({
      ...{ size: 24, by: 'the witness witness.example.net at 2026-09-21T14:13:44.000Z' },
    });
    expect((await check([log], [], [SIGNER.verifier])).verdict).toBe('unchecked');
  });

  it('whose signatures cannot be checked says whose key is wanted', async () => {
    const report = await check([GOOD], [headOf(GOOD)], []);
    expect(report.unchecked.map(({ what }) => what)).toEqual([
      `signatures not checked: no verifier key was given for ${SIGNER.verifier.name}+${SIGNER.verifier.hash}`,
    ]);
  });

  it('names intents that nothing closes, and closings of nothing', async () => {
    const members = (index: number) => (index === 4 ? { request_id: 'another' } : undefined);
    const log = signedLog({ log: LOG, records: 10, every: 10, members });
    const report = await check([log], [headOf(log)]);
    expect(report.intents.map(({ index }) => index)).toEqual([3]);
    expect(report.closings.map(({ index }) => index)).toEqual([4]);
    expect(report.verdict).toBe('good');
  });
});

describe('without anything from outside', () => {
  const empty = { log: LOG, texts: [], checkpoints: [] };
  const gateway = { keys: async () => KEYS, heads: async () => [], goesOn: async () => true };
  const words = ({ unchecked }: Report) => unchecked.map(({ what }) => what);

  it('a tenant without logs is not called good, and is with a gateway that knows of none either', async () => {
    const report = await check([]);
    expect([report.verdict, words(report)]).toEqual(['unchecked', [NO_LOG]]);
    const sources = [sourceOf(sectionsOf('acme', []))];
    expect((await verify({ sources, keys: KEYS, heads: [], gateway })).verdict).toBe('good');
  });

  it('a log that was emptied is not called good', async () => {
    const report = await check([empty]);
    expect([report.verdict, words(report)]).toEqual(['unchecked', [`${HEAD_NOT_CHECKED} (${LOG})`]]);
  });

  it('an epoch that was emptied is not called good beside one that an anchor holds', async () => {
    const report = await check([GOOD, { ...empty, log: 'acme~0~2' }], [headOf(GOOD)]);
    expect([report.verdict, words(report)]).toEqual(['unchecked', [`${HEAD_NOT_CHECKED} (acme~0~2)`]]);
  });

  it('a shard is missed where a higher one is there, but not in a file, which may be an archive', async () => {
    const missing = 'no log of shard 0 is here, and no head from outside of one was given';
    const report = await check([OTHER], [headOf(OTHER)]);
    expect([report.verdict, words(report)]).toEqual(['unchecked', [missing]]);
    const sections = sectionsOf('acme', [OTHER]);
    const asked = { keys: KEYS, heads: [headOf(OTHER)] };
    expect((await verify({ ...asked, sources: [sourceOf(sections, false)] })).verdict).toBe('good');
    expect((await verify({ ...asked, sources: [sourceOf(sections)], gateway })).verdict).toBe('good');
  });

  it('good is said with its limit: no anchor speaks of a log that nobody kept one of', async () => {
    const report = await check([GOOD], [headOf(GOOD)]);
    expect([report.verdict, report.limits]).toEqual(['good', [ONLY_NAMED]]);
    expect(reportLines(report).slice(-2)).toEqual([ONLY_NAMED, 'good']);
    const sources = [sourceOf(sectionsOf('acme', [GOOD]))];
    expect((await verify({ sources, keys: KEYS, heads: [headOf(GOOD)], gateway })).limits).toEqual([]);
  });
});

describe('epochs', () => {
  const closing = (over: Partial<{ size: number; root: string; log: string }> = {}) => ({
    ...{ phase: 'event' as const, reasons: ['log_fork'] },
    detail: {
      ...{ cause: 'x', log: LOG, size: RECORDS, root: Buffer.from(treeOf(GOOD.texts).root).toString('hex') },
      ...over,
    },
  });
  const second = (members: object) =>
    signedLog({
      ...{ log: 'acme~0~2', records: 10, every: 5, time: 1_790_000_900_000 },
      members: (index) => (index === 0 ? (members as Partial<AuditRecord>) : undefined),
    });

  it('are held by the head of the one that closed them', async () => {
    const next = second(closing());
    const report = await check([GOOD, next], [headOf(next)]);
    expect(report).toMatchObject({ verdict: 'good', logs: [{ head: { by: 'acme~0~2' } }, { end: 10 }] });
  });

  it.each([
    ['another root', closing({ root: '00'.repeat(32) }), 40],
    ['more records', closing({ size: 44 }), 40],
    ['fewer records', closing({ size: 31 }), 31],
  ])('closed with %s are found', async (_what, members, index) => {
    const next = second(members);
    const { first } = await check([GOOD, next], [headOf(next)]);
    expect(first).toMatchObject({ log: LOG, index });
  });

  it('that are gone are missed', async () => {
    const next = second(closing());
    expect((await check([next], [headOf(next)])).first).toMatchObject({ log: LOG, index: 0, last: 39 });
  });

  it.each([7, null, 'log_fork', {}])(
    'whose first record has reasons %j are found, and end nothing else',
    async (reasons) => {
      const next = second(closing());
      const first = edited(next.texts[0]!, (record) => {
        record.reasons = reasons;
      });
      const { faults } = await check([GOOD, { ...next, texts: next.texts.with(0, first) }]);
      expect(faults.map(({ index }) => index)).toContain(0);
    },
  );

  it('begin by naming the one before', async () => {
    const { first } = await check([GOOD, second({})]);
    expect(first).toEqual({
      ...{ log: 'acme~0~2', index: 0, what: 'the epoch does not begin by naming the one before' },
    });
  });
});

it('names the one bad record of a stretch where the gateway can be asked', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: RECORDS - 1 }), async (index) => {
      const texts = GOOD.texts.with(
        index,
        edited(GOOD.texts[index]!, (r) => {
          r.decision = 'deny';
        }),
      );
      const gateway = {
        keys: async () => KEYS,
        heads: async () => [],
        goesOn: async ({ size, root }: { size: number; root: Uint8Array }) =>
          Buffer.from(treeOf(GOOD.texts.slice(0, size)).root).equals(root),
      };
      const { first } = await verify({
        ...{
          sources: [sourceOf(sectionsOf('acme', [withTexts(texts)]))],
          keys: KEYS,
          heads: [headOf(GOOD)],
          gateway,
        },
      });
      expect(first).toMatchObject({ log: LOG, index });
      expect(first).not.toHaveProperty('last');
    }),
  );
});

describe('tampering that was found', () => {
  const forged = edited(GOOD.texts[3]!, (record) => {
    record.decision = 'deny';
  });
  const sections = sectionsOf('acme', [withTexts(GOOD.texts.with(3, forged))]);
  const options = { keys: KEYS, heads: [headOf(GOOD)] };
  const stretch = { log: LOG, index: 0, last: EVERY - 1 };
  const gateway: Gateway = {
    keys: async () => KEYS,
    heads: async () => [],
    goesOn: async ({ size, root }) =>
      Buffer.from(treeOf(GOOD.texts.slice(0, size)).root).equals(Buffer.from(root)),
  };
  const away: Gateway = {
    ...gateway,
    goesOn: async () => {
      throw new CommandError('The gateway did not answer.', 2);
    },
  };
  const broken: Source = {
    ...{ name: 'the other file', current: false },
    // biome-ignore lint/correctness/useYield: it has nothing to give
    async *sections() {
      throw new Unreadable('line 3: not a number');
    },
  };

  it('is named all the same when the gateway cannot say which record it is', async () => {
    const report = await verify({ ...options, sources: [sourceOf(sections)], gateway: away });
    expect(report).toMatchObject({ verdict: 'tampering', first: stretch });
  });

  it('is narrowed in the source that can be read', async () => {
    const sources = [broken, sourceOf(sections)];
    const report = await verify({ ...options, sources, gateway });
    expect(report).toMatchObject({ verdict: 'tampering', first: { log: LOG, index: 3 } });
    expect(report.first).not.toHaveProperty('last');
  });

  it('is not lost when the gateway cannot say whether an older file leads to its head', async () => {
    const longer = signedLog({ log: LOG, records: 50, every: EVERY });
    const source = sourceOf(sections, false);
    const report = await verify({ ...options, heads: [headOf(longer)], sources: [source], gateway: away });
    expect(report).toMatchObject({ verdict: 'tampering', first: stretch });
    const sound = sourceOf(sectionsOf('acme', [GOOD]), false);
    const other = await verify({ ...options, heads: [headOf(longer)], sources: [sound], gateway: away });
    expect(other.verdict).toBe('unchecked');
    expect(other.unchecked[0]?.what).toContain('The gateway did not answer');
  });

  it('does not keep a run from being stopped', async () => {
    const stop = new AbortController();
    const goesOn = async (): Promise<never> => {
      stop.abort();
      throw stop.signal.reason;
    };
    const sources = [sourceOf(sections)];
    const run = verify({ ...options, sources, gateway: { ...away, goesOn }, signal: stop.signal });
    await expect(run).rejects.toThrow('aborted');
  });
});
