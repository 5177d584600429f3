import { readFileSync } from 'node:fs';
import * as library from '@open-policy-agent/opa-wasm';
import { expect, it } from 'vitest';
import { type Evaluate, evaluatorOf } from '../core/opa.ts';

const { loadPolicySync } = (library as unknown as { readonly default: typeof library }).default;
const bytes = (path: string) => readFileSync(new URL(path, import.meta.url));
const module = new WebAssembly.Module(bytes('module/policy.wasm'));
const data = JSON.parse(bytes('data.json').toString('utf8'));

const INPUT = {
  action: 'read',
  operation: 'oss.memories.get',
  roles: ['agent-reader'],
  tenant: 'acme',
  resource_tenant: 'acme',
  resource: 'memory /memories/{memory_id}',
  context: { time: '2026-01-01T00:00:00.000Z', time_ms: 1, country: null, tls: null, mfa: false },
  grant: null,
};
const many = (count: number, role: string) => ({
  ...INPUT,
  roles: Array.from({ length: count }, () => role),
});

function both(): { own: Evaluate; theirs: Evaluate } {
  const policy = loadPolicySync(module);
  policy.setData(data);
  return { own: evaluatorOf(module, data), theirs: (input) => policy.evaluate(input) };
}

it('evaluates as the library does, one input after the other', () => {
  const { own, theirs } = both();
  const inputs = [
    INPUT,
    { ...INPUT, roles: ['agent-reader', 'admin', 'größe', '役割', '\u{1f511}'] },
    { ...INPUT, tenant: 'ac\u001fme', resource_tenant: 'ac\\u001f"me' },
    many(2000, 'agent-reader'),
    // Memory has to grow for these, before the evaluation and in it.
    many(40_000, 'a'),
    many(40_000, '役割'),
    INPUT,
    {},
    [],
    'text',
    1,
    true,
    undefined,
    new TextEncoder().encode(JSON.stringify(INPUT)).buffer,
    INPUT,
  ];
  for (const input of inputs) expect(own(input)).toEqual(theirs(input));
});

it('fails where the library does, and as it does', () => {
  const { own, theirs } = both();
  const texts = ['', '{', '[1', '"\\u00"', '\ufeff{}'].map((text) => new TextEncoder().encode(text).buffer);
  for (const input of [{ ...INPUT, tenant: '\ud800' }, { ...INPUT, tenant: '\u0000' }, 10n, ...texts]) {
    const thrown = [own, theirs].map((evaluate) => {
      try {
        return { result: evaluate(input) };
      } catch (error) {
        return { error };
      }
    });
    expect(thrown[0]).toEqual(thrown[1]);
  }
});

it('gives no result of the evaluation before when one fails', () => {
  const own = evaluatorOf(module, data, { initial: 5, maximum: 8 });
  own(INPUT);
  expect(() => own(many(200_000, 'agent-reader'))).toThrow();
  expect(own({ ...INPUT, roles: [] })).toEqual([
    { result: { allow: false, reasons: ['no_roles'], obligations: {} } },
  ]);
});
