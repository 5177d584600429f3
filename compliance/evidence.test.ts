import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { evidenceOf, readControls, readThreats } from '../scripts/lib/compliance.ts';
import { evidenceFaults } from '../scripts/lib/evidence.ts';
import controlsJson from './controls.json' with { type: 'json' };
import threatsJson from './threats.json' with { type: 'json' };

const controls = readControls(controlsJson);
const model = readThreats(threatsJson);
const dangers = [...model.threats, ...model.abuse];
const all = Object.values(controls).flat();

/** The text of a file of the repository. */
function read(path: string): string | undefined {
  const url = new URL(`../${path}`, import.meta.url);
  return existsSync(url) ? readFileSync(url, 'utf8') : undefined;
}

/** `series('CC1', 3)` is CC1.1, CC1.2, CC1.3. */
const series = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, at) => `${prefix}.${at + 1}`);
const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id);

describe('each framework is whole, and in order', () => {
  it('SOC 2: security, availability, confidentiality, privacy', () => {
    const lengths = { CC1: 5, CC2: 3, CC3: 4, CC4: 2, CC5: 3, CC6: 8, CC7: 5, CC8: 1, CC9: 2, A1: 3, C1: 2 };
    const privacy = { P1: 1, P2: 1, P3: 2, P4: 3, P5: 2, P6: 7, P7: 1, P8: 1 };
    const ids = Object.entries({ ...lengths, ...privacy }).flatMap(([name, count]) => series(name, count));
    expect(idsOf(controls.soc2)).toEqual(ids);
  });

  it('ISO/IEC 27001:2022 Annex A', () => {
    const ids = [...series('A.5', 37), ...series('A.6', 8), ...series('A.7', 14), ...series('A.8', 34)];
    expect(ids).toHaveLength(93);
    expect(idsOf(controls.iso27001)).toEqual(ids);
  });

  it('every control of the 2013 edition goes on in a later one, and eleven are new', () => {
    const objectives: { readonly [objective: string]: number } = {
      ...{
        '5.1': 2,
        '6.1': 5,
        '6.2': 2,
        '7.1': 2,
        '7.2': 3,
        '7.3': 1,
        '8.1': 4,
        '8.2': 3,
        '8.3': 3,
        '9.1': 2,
      },
      ...{ '9.2': 6, '9.3': 1, '9.4': 5, '10.1': 2, '11.1': 6, '11.2': 9, '12.1': 4, '12.2': 1, '12.3': 1 },
      ...{
        '12.4': 4,
        '12.5': 1,
        '12.6': 2,
        '12.7': 1,
        '13.1': 3,
        '13.2': 4,
        '14.1': 3,
        '14.2': 9,
        '14.3': 1,
      },
      ...{ '15.1': 3, '15.2': 2, '16.1': 7, '17.1': 3, '17.2': 1, '18.1': 5, '18.2': 3 },
    };
    const ids = Object.entries(objectives).flatMap(([name, count]) => series(`A.${name}`, count));
    expect(ids).toHaveLength(114);
    const continued = controls.iso27001.flatMap(({ was }) => (was === 'new' ? [] : was));
    expect([...new Set(continued)].sort()).toEqual(ids.sort());
    // 18.2.3 went into two.
    expect(continued).toHaveLength(115);
    expect(controls.iso27001.filter(({ was }) => was === 'new')).toHaveLength(11);
  });

  it('the HIPAA Security Rule, down to the implementation specification', () => {
    const rows = controls.hipaa.map(({ id, kind }) => `${id} ${kind[0]}`);
    expect(rows).toEqual(
      [
        '308(a)(1)(i) s|308(a)(1)(ii)(A) r|308(a)(1)(ii)(B) r|308(a)(1)(ii)(C) r|308(a)(1)(ii)(D) r|308(a)(2) s',
        '308(a)(3)(i) s|308(a)(3)(ii)(A) a|308(a)(3)(ii)(B) a|308(a)(3)(ii)(C) a',
        '308(a)(4)(i) s|308(a)(4)(ii)(A) r|308(a)(4)(ii)(B) a|308(a)(4)(ii)(C) a',
        '308(a)(5)(i) s|308(a)(5)(ii)(A) a|308(a)(5)(ii)(B) a|308(a)(5)(ii)(C) a|308(a)(5)(ii)(D) a',
        '308(a)(6)(i) s|308(a)(6)(ii) r|308(a)(7)(i) s|308(a)(7)(ii)(A) r|308(a)(7)(ii)(B) r',
        '308(a)(7)(ii)(C) r|308(a)(7)(ii)(D) a|308(a)(7)(ii)(E) a|308(a)(8) s|308(b)(1) s|308(b)(2) s|308(b)(3) r',
        '310(a)(1) s|310(a)(2)(i) a|310(a)(2)(ii) a|310(a)(2)(iii) a|310(a)(2)(iv) a|310(b) s|310(c) s',
        '310(d)(1) s|310(d)(2)(i) r|310(d)(2)(ii) r|310(d)(2)(iii) a|310(d)(2)(iv) a',
        '312(a)(1) s|312(a)(2)(i) r|312(a)(2)(ii) r|312(a)(2)(iii) a|312(a)(2)(iv) a|312(b) s|312(c)(1) s',
        '312(c)(2) a|312(d) s|312(e)(1) s|312(e)(2)(i) a|312(e)(2)(ii) a',
        '314(a)(1) s|314(a)(2)(i)(A) r|314(a)(2)(i)(B) r|314(a)(2)(i)(C) r|314(a)(2)(ii) r|314(a)(2)(iii) r',
        '314(b)(1) s|314(b)(2)(i) r|314(b)(2)(ii) r|314(b)(2)(iii) r|314(b)(2)(iv) r',
        '316(a) s|316(b)(1) s|316(b)(2)(i) r|316(b)(2)(ii) r|316(b)(2)(iii) r',
      ].flatMap((line) => line.split('|').map((row) => `164.${row}`)),
    );
  });
});

describe('the rows', () => {
  it('have an id each', () => {
    const ids = idsOf(all);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are one sentence each, which fits into a cell, and none claims a certificate', () => {
    for (const { id, says, title } of all) {
      expect(says, id).toMatch(/^[A-Z][^|\n]*[^.|\n]\.$/);
      expect(says, id).not.toMatch(/\. [A-Z]/);
      expect(`${title} ${says}`, id).not.toMatch(/certif|compliant|guarantee|\|/i);
    }
  });

  it('say that evidence is missing where none may be: a customer’s duty with evidence is refused', () => {
    const [row] = controls.soc2.filter(({ state }) => state === 'partly');
    const claiming = { ...controls, soc2: [{ ...row, state: 'customer' }] };
    expect(() => readControls(claiming)).toThrow();
    const { tests: _, ...without } = row as typeof row & { tests: unknown };
    expect(() => readControls({ ...controls, soc2: [without] })).toThrow();
    expect(() => readControls({ ...controls, soc2: [{ ...row, code: [] }] })).toThrow();
  });
});

describe('the threat model', () => {
  it('has the eight threats of old, abuse cases, and data flows, each numbered in order', () => {
    const numbered = (letter: string, count: number) =>
      Array.from({ length: count }, (_, at) => `${letter}${at + 1}`);
    expect(idsOf(model.threats)).toEqual(numbered('T', 8));
    expect(idsOf(model.abuse)).toEqual(numbered('X', model.abuse.length));
    expect(idsOf(model.flows)).toEqual(numbered('F', model.flows.length));
  });

  it('leaves no zone empty, no party without a flow, and says of each danger what is left over', () => {
    expect([...new Set(model.parties.map(({ zone }) => zone))].sort()).toEqual(idsOf(model.zones).sort());
    const ends = new Set(model.flows.flatMap(({ from, to }) => [from, to]));
    expect([...ends].sort()).toEqual(idsOf(model.parties).sort());
    for (const { id, left } of dangers) expect(left, id).toMatch(/^[A-Z`].*\.$/);
  });

  it.each([
    ['parties', 'zone'],
    ['flows', 'from'],
    ['flows', 'to'],
  ] as const)('%s with a %s that is not there are refused', (list, member) => {
    const [first, ...rest] = model[list];
    expect(() => readThreats({ ...model, [list]: [{ ...first, [member]: 'nowhere' }, ...rest] })).toThrow(
      /names nowhere, which is not there/,
    );
  });
});

describe('the evidence', () => {
  const claims = [
    ...all.map((row) => [row.id, evidenceOf(row)] as const),
    ...dangers.flatMap(({ id, stops }) => stops.map((stop) => [`${id}: ${stop.says}`, stop] as const)),
  ];

  it.each(claims.flatMap(([what, evidence]) => (evidence ? [[what, evidence] as const] : [])))(
    'of %s is there',
    (_what, evidence) => {
      expect(evidenceFaults(evidence, read)).toEqual([]);
    },
  );
});
