import { NeonDbError } from '@neondatabase/serverless';
import { expect, it } from 'vitest';
import { classify } from './neon.ts';
import { SinkFailure } from './sink.ts';

function sqlError(code: string, constraint?: string): NeonDbError {
  const error = new NeonDbError('postgresql://writer:password@host/audit');
  error.code = code;
  error.constraint = constraint;
  return error;
}

it.each([
  ['AL001', undefined, 'gap'],
  ['AL002', undefined, 'mismatch'],
  // A closed epoch: the comparison that comes before the next try finds the later one.
  ['AL004', undefined, 'transient'],
  ['22P05', undefined, 'poison'],
  ['22008', undefined, 'poison'],
  ['54000', undefined, 'poison'],
  ['23502', undefined, 'poison'],
  ['23514', 'record_tenant_is_the_logs', 'poison'],
  ['23514', undefined, 'no_partition'],
  ['23514', '', 'no_partition'],
  // Two writers met; the function decides under a lock which of them was first.
  ['23505', 'record_pkey', 'transient'],
  ['28P01', undefined, 'transient'],
  ['3D000', undefined, 'transient'],
  ['42501', undefined, 'transient'],
  ['42883', undefined, 'transient'],
  ['40001', undefined, 'transient'],
  ['53100', undefined, 'transient'],
  ['53300', undefined, 'transient'],
  ['55P03', undefined, 'transient'],
  ['57014', undefined, 'transient'],
  ['57P01', undefined, 'transient'],
  ['XX000', undefined, 'transient'],
])('takes SQLSTATE %s with constraint %s for %s', (code, constraint, kind) => {
  expect(classify(sqlError(code, constraint))).toMatchObject({ kind, label: `sql_${code}` });
});

it.each([
  ['a SQLSTATE that is none', sqlError('22p05\nx'), 'unreadable'],
  [
    'a fetch that failed',
    Object.assign(sqlError(''), { sourceError: new TypeError('secret') }),
    'unreachable',
  ],
  [
    'a fetch that was given up',
    Object.assign(sqlError(''), { sourceError: new DOMException('secret', 'TimeoutError') }),
    'timeout',
  ],
  ['a body that was given up', new DOMException('secret', 'TimeoutError'), 'timeout'],
  ['an answer that is no JSON', new SyntaxError('secret'), 'unreadable'],
  ['an answer that was cut', new TypeError('secret'), 'unreadable'],
  ['a thrown string', 'postgresql://writer:password@host/audit', 'unreadable'],
  ['nothing', undefined, 'unreadable'],
])('takes %s for a passing failure, and repeats nothing of it', (_what, error, label) => {
  const failure = classify(error);
  expect(failure).toMatchObject({ kind: 'transient', label });
  expect(`${failure.message}${failure.stack}${JSON.stringify(failure)}`).not.toMatch(/secret|password/);
  expect(failure.cause).toBeUndefined();
});

it('leaves a failure that is classified already as it is', () => {
  const failure = new SinkFailure('gap', 'sql_AL001');
  expect(classify(failure)).toBe(failure);
});
