import { describe, expect, it } from 'vitest';
import { type Evaluate, policyOf } from './policy.ts';

const DIGEST = '0'.repeat(64);
const UNREADABLE = { allow: false, reasons: ['policy_unreadable'], obligations: {}, digest: DIGEST };
const ALLOW = { allow: true, reasons: ['role_admin'], obligations: {} };

function decided(evaluate: Evaluate) {
  return policyOf(() => evaluate, DIGEST).decide({});
}

describe('reading a result', () => {
  it('takes a well-formed allow and a well-formed deny as they are', () => {
    expect(decided(() => [{ result: ALLOW }])).toEqual({ ...ALLOW, digest: DIGEST });
    const deny = { allow: false, reasons: ['no_roles', 'tenant_mismatch'], obligations: { redact: ['phi'] } };
    expect(decided(() => [{ result: deny }])).toEqual({ ...deny, digest: DIGEST });
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['true', true],
    ['a string', 'allow'],
    ['an allow that is not in a list', { result: ALLOW }],
    ['something like a list', { 0: { result: ALLOW }, length: 1 }],
    ['no result', []],
    ['two results', [{ result: ALLOW }, { result: ALLOW }]],
    ['an allow and an undefined', [{ result: ALLOW }, undefined]],
    ['a null row', [null]],
    ['a row without result', [{}]],
    ['a row that is a list', [[ALLOW]]],
    ['a result of true', [{ result: true }]],
    ['a result that is a list', [{ result: [ALLOW] }]],
    ['an empty result', [{ result: {} }]],
    ['an inherited allow', [{ result: Object.create(ALLOW) }]],
    ['an unknown member', [{ result: { ...ALLOW, version: 2 } }]],
  ])('denies %s', (_name, results) => {
    expect(decided(() => results)).toEqual(UNREADABLE);
  });

  it.each([1, 'true', 'yes', null, undefined, {}, [], [true], Object(true)])(
    'denies an allow of %j',
    (allow) => {
      expect(decided(() => [{ result: { ...ALLOW, allow } }])).toEqual(UNREADABLE);
    },
  );

  it.each([
    undefined,
    null,
    'role_admin',
    [],
    [1],
    ['role_admin', null],
    [['role_admin']],
    { 0: 'role_admin' },
    [''],
    ['Role admin'],
    ['role_admin\n'],
    ['r'.repeat(65)],
  ])('denies with reasons of %j', (reasons) => {
    expect(decided(() => [{ result: { ...ALLOW, reasons } }])).toEqual(UNREADABLE);
  });

  it.each([undefined, null, [], 'none', 1])('denies with obligations of %j', (obligations) => {
    expect(decided(() => [{ result: { ...ALLOW, obligations } }])).toEqual(UNREADABLE);
  });

  it.each([
    ['a string', 'opa_abort: unreachable'],
    ['nothing', undefined],
    ['an object', { message: 'x' }],
    ['a RangeError', new RangeError('Maximum call stack size exceeded')],
    ['a trap', new WebAssembly.RuntimeError('unreachable')],
  ])('denies when the evaluation throws %s', (_name, thrown) => {
    const throwing = () => {
      throw thrown;
    };
    expect(decided(throwing)).toEqual(UNREADABLE);
  });
});

describe('an instance that has thrown', () => {
  it('is never asked again', () => {
    let instances = 0;
    const policy = policyOf(() => {
      instances += 1;
      const first = instances === 1;
      return () => {
        if (first) throw 'broken';
        return [{ result: ALLOW }];
      };
    }, DIGEST);
    expect(policy.decide({})).toEqual(UNREADABLE);
    expect(policy.decide({}).allow).toBe(true);
    expect(policy.decide({}).allow).toBe(true);
    expect(instances).toBe(2);
  });

  it('denies while no other can be made, and recovers', () => {
    let state: 'asked' | 'none' | 'well' = 'asked';
    const policy = policyOf(() => {
      if (state === 'none') throw new RangeError('no memory');
      return () => {
        if (state === 'asked') throw 'broken';
        return [{ result: ALLOW }];
      };
    }, DIGEST);
    expect(policy.decide({})).toEqual(UNREADABLE);
    state = 'none';
    expect(policy.decide({})).toEqual(UNREADABLE);
    expect(policy.decide({})).toEqual(UNREADABLE);
    state = 'well';
    expect(policy.decide({}).allow).toBe(true);
  });

  it('stops the gateway when it cannot even be made once', () => {
    const failing = () => {
      throw new Error('no instance');
    };
    expect(() => policyOf(failing, DIGEST)).toThrow('no instance');
  });
});
