import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { logName, parseLogName, STRANGERS } from './names.ts';
import {
  draftOf,
  leafHash,
  membersDigest,
  NAMED_IDS,
  type RecordMembers,
  seal,
  touchedIds,
} from './record.ts';

const MEMBERS: RecordMembers = {
  v: 1,
  phase: 'outcome',
  request_id: 'r1',
  tenant: 'acme',
  decision: 'allow',
  reasons: ['role_agent_reader'],
};
const LOG = { tenant: 'acme', shard: 0, epoch: 1 };

describe('seal', () => {
  it('puts the record in its place, in canonical form', () => {
    const sealed = seal(MEMBERS, LOG, 7, 1_800_000_000_000);
    expect(sealed.place).toEqual({ log: 'acme~0~1', index: 7 });
    expect(sealed.text).toBe(
      '{"decision":"allow","index":7,"log":"acme~0~1","phase":"outcome","reasons":["role_agent_reader"],"request_id":"r1","tenant":"acme","time":1800000000000,"v":1}',
    );
    expect(sealed.size).toBe(sealed.text.length);
  });

  it('hashes it as an RFC 6962 leaf', () => {
    const sealed = seal({ ...MEMBERS, correlation: 'ä' }, LOG, 0, 1);
    const expected = createHash('sha256').update(`\0${sealed.text}`, 'utf8').digest('hex');
    expect(sealed.leaf).toBe(expected);
    expect(sealed.size).toBe(Buffer.byteLength(sealed.text));
  });

  it('knows the hash of the empty leaf (RFC 6962 test data)', () => {
    expect(leafHash(new Uint8Array())).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
  });
});

describe('membersDigest', () => {
  it('does not depend on the order of members', () => {
    const turned = Object.fromEntries(Object.entries(MEMBERS).reverse()) as unknown as RecordMembers;
    expect(membersDigest(turned)).toBe(membersDigest(MEMBERS));
    expect(membersDigest({ ...MEMBERS, reasons: [] })).not.toBe(membersDigest(MEMBERS));
  });
});

describe('a draft', () => {
  const sent = { ...MEMBERS, correlation: 'ä', outcome: { result: 'success', status: 200 } } as const;

  it('seals to what its members do', () => {
    const draft = draftOf(sent);
    expect(draft?.digest).toBe(membersDigest(sent));
    expect(seal(sent, LOG, 7, 5, draft?.members)).toEqual(seal(sent, LOG, 7, 5));
  });

  it.each([
    ['has no canonical form', { ...MEMBERS, correlation: '\ud800' }],
    ['has a place', { ...MEMBERS, index: 7 } as RecordMembers],
    ['is no record', null as unknown as RecordMembers],
  ])('is not made of what %s', (_what, bad) => {
    expect(draftOf(bad)).toBeUndefined();
  });
});

describe('touchedIds', () => {
  it('names up to a hundred ids once each, sorted', () => {
    expect(touchedIds(['b', 'a', 'b'])).toEqual({ ids: ['a', 'b'] });
    expect(touchedIds([])).toBeUndefined();
  });

  it('counts and digests more', () => {
    const ids = Array.from({ length: NAMED_IDS + 1 }, (_, i) => `id-${i}`);
    const digest = createHash('sha256')
      .update(JSON.stringify([...ids].sort()))
      .digest('hex');
    expect(touchedIds(ids)).toEqual({ count: 101, digest });
    expect(touchedIds([...ids].reverse())).toEqual({ count: 101, digest });
  });
});

describe('log names', () => {
  it.each([LOG, { tenant: STRANGERS, shard: 12, epoch: 3 }, { tenant: 'a.b_c-D', shard: 0, epoch: 1 }])(
    'read back: %o',
    (name) => {
      expect(parseLogName(logName(name))).toEqual(name);
    },
  );

  it.each([
    'acme~0',
    'acme~0~0',
    'acme~00~1',
    '~other~0~1',
    'a:b~0~1',
    '~0~1',
    'acme~0~1~1',
    'acme~-1~1',
    '',
  ])('refuse %s', (name) => {
    expect(parseLogName(name)).toBeUndefined();
  });
});
