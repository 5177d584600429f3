import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bundleOf, signedLog } from '../../../tests/fakes/signed-log.ts';
import { readBundle, sectionLines } from './bundle.ts';
import { type Section, Unreadable } from './sections.ts';

const LOGS = [
  signedLog({ log: 'acme~0~1', records: 23, every: 7, witnessed: [7] }),
  signedLog({ log: 'acme~1~1', records: 3, every: 5 }),
];
const TEXT = await bundleOf('acme', LOGS);

async function read(bytes: Uint8Array, cuts: readonly number[] = []): Promise<Section[]> {
  async function* chunks() {
    const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
    let begin = 0;
    for (const place of [...places, bytes.length]) {
      yield bytes.subarray(begin, place);
      begin = place;
    }
  }
  const sections: Section[] = [];
  for await (const batch of readBundle(chunks())) sections.push(...batch);
  return sections;
}

/** The bundle that sections make, whatever sections its records came in. */
function write(sections: readonly Section[]): string {
  let log = '';
  let text = '';
  for (const section of joined(sections)) {
    if (section.kind === 'log') log = section.log;
    text += sectionLines(section, log);
  }
  return text;
}

function joined(sections: readonly Section[]): Section[] {
  const out: Section[] = [];
  for (const section of sections) {
    const last = out.at(-1);
    if (section.kind === 'leaves' && last?.kind === 'leaves') {
      out.splice(-1, 1, { ...last, leaves: [...last.leaves, ...section.leaves] });
    } else out.push(section);
  }
  return out;
}

describe('a bundle', () => {
  it('reads as what was written, however its chunks are cut', async () => {
    const bytes = Buffer.from(TEXT);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 40 }), async (cuts) => {
        expect(write(await read(bytes, cuts))).toBe(TEXT);
      }),
    );
  });

  it('cut anywhere is not whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: TEXT.length - 1 }), async (end) => {
        await expect(read(Buffer.from(TEXT.slice(0, end)))).rejects.toThrow(Unreadable);
      }),
    );
  });

  it.each([
    ['another first line', TEXT.replace('mem0-governance-bundle/1', 'mem0-governance-bundle/2'), 1],
    ['a second first line', TEXT.replace('keys 1', 'mem0-governance-bundle/1 acme 0\nkeys 1'), 2],
    ['a number that is none', TEXT.replace('leaves acme~0~1 0 7', 'leaves acme~0~1 0 07'), 5],
    ['a section of another log', TEXT.replace('leaves acme~0~1 7', 'leaves acme~1~1 7'), undefined],
    ['an unknown section', TEXT.replace('keys 1', 'cakes 1'), undefined],
    ['lines without end', TEXT.replace('keys 1', 'keys 100000000'), 2],
    ['something behind its end', `${TEXT}keys 0\n`, undefined],
    ['another number of logs', TEXT.replace('end 2 0', 'end 3 0'), undefined],
    ['a line without end', `${TEXT.slice(0, 300)}${'A'.repeat(5_000_000)}`, undefined],
  ])('with %s cannot be read', async (_what, text, line) => {
    expect(text).not.toBe(TEXT);
    const where = line === undefined ? '' : `line ${line}: `;
    await expect(read(Buffer.from(text))).rejects.toThrow(where);
    await expect(read(Buffer.from(text))).rejects.toThrow(Unreadable);
  });

  it('names a record whose line is not base64 in its one form', async () => {
    const line = TEXT.split('\n').find((each) => each.length > 500 && each.endsWith('='))!;
    const padding = line.endsWith('==') ? 2 : 1;
    // The last character holds bits that stand for nothing; another one reads as the same bytes.
    const last = String.fromCharCode(line.charCodeAt(line.length - padding - 1) + 1);
    const other = line.slice(0, -padding - 1) + last + '='.repeat(padding);
    expect(Buffer.from(other, 'base64')).toEqual(Buffer.from(line, 'base64'));
    const sections = await read(Buffer.from(TEXT.replace(line, other)));
    expect(sections.filter(({ kind }) => kind === 'fault')).toEqual([
      { kind: 'fault', index: expect.any(Number), what: 'the record’s line is no base64' },
    ]);
  });
});
