import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bundleOf, signedLog } from '../../../tests/fakes/signed-log.ts';
import { EVERY, GOOD, headOf, KEYS, LOG, OTHER, RECORDS } from '../../../tests/fakes/verified.ts';
import { readBundle } from './bundle.ts';
import { type Source, verify } from './verify.ts';

describe('a bundle', () => {
  const source = (text: string): Source => ({
    ...{ name: 'the file', current: false },
    async *sections() {
      async function* chunks() {
        yield Buffer.from(text);
      }
      yield* readBundle(chunks());
    },
  });

  it('is verified by itself, and any character of it that is changed is found', async () => {
    const text = await bundleOf('acme', [GOOD, OTHER]);
    const heads = [headOf(GOOD), headOf(OTHER)];
    expect((await verify({ sources: [source(text)], keys: KEYS, heads })).verdict).toBe('good');
    const keys = text.indexOf('keys');
    const afterKeys = text.indexOf('log ');
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: text.length - 1 }),
        fc.constantFrom('A', '0', '9', ' ', '\n'),
        async (at, put) => {
          // The keys that a bundle brings are nobody's evidence.
          fc.pre(text[at] !== put && (at < keys || at >= afterKeys));
          const changed = text.slice(0, at) + put + text.slice(at + 1);
          const { verdict } = await verify({ sources: [source(changed)], keys: KEYS, heads });
          expect(verdict, `${at} ${JSON.stringify(put)}`).not.toBe('good');
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('that ends before the head says that only the gateway can tell', async () => {
    const text = await bundleOf('acme', [GOOD]);
    const longer = signedLog({ log: LOG, records: 50, every: EVERY });
    const options = { sources: [source(text)], keys: KEYS, heads: [headOf(longer)] };
    expect((await verify(options)).unchecked[0]?.what).toContain('only --gateway can say');
    const gateway = {
      keys: async () => KEYS,
      heads: async () => [],
      goesOn: async ({ size }: { size: number }) => size === RECORDS,
    };
    expect((await verify({ ...options, gateway })).verdict).toBe('good');
    const no = { ...gateway, goesOn: async () => false };
    expect((await verify({ ...options, gateway: no })).verdict).toBe('tampering');
  });

  it('given twice is no tampering, and not called good', async () => {
    const text = await bundleOf('acme', [GOOD]);
    const sources = [source(text), source(text)];
    const report = await verify({ sources, keys: KEYS, heads: [headOf(GOOD)] });
    expect(report).toMatchObject({ verdict: 'unchecked', faults: [] });
    const what = `${LOG} from 0 to ${RECORDS} was given twice: give each part once`;
    expect(report.unchecked).toEqual([{ kind: 'part', what }]);
  });

  it.each([[[2]], [[0]], [[4]], [[1, 2]], [[0, 3, 4]]])(
    'in which signatures are others accuses those checkpoints, and no proof from or to them: %j',
    async (bad) => {
      const checkpoints = GOOD.checkpoints.map((each, at) => {
        const { note } = each;
        const other = note.at(-10) === 'A' ? 'B' : 'A';
        return bad.includes(at) ? { ...each, note: note.slice(0, -10) + other + note.slice(-9) } : each;
      });
      const text = await bundleOf('acme', [{ ...GOOD, checkpoints }]);
      const { faults } = await verify({ sources: [source(text)], keys: KEYS, heads: [headOf(GOOD)] });
      const what = (at: number) =>
        `the checkpoint of ${(at + 1) * EVERY} has a signature that is not its key’s`;
      expect(faults).toEqual(bad.map((at) => ({ log: LOG, what: what(at) })));
    },
  );

  it('cut in the middle is checked as far as it goes, and is not whole', async () => {
    const text = await bundleOf('acme', [GOOD]);
    const report = await verify({ sources: [source(text.slice(0, text.length / 2))], keys: KEYS, heads: [] });
    expect(report).toMatchObject({ verdict: 'unchecked', first: null });
    expect(report.unchecked[0]?.what).toContain('the file ends too early');
  });
});
