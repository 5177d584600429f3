import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createPolicy } from '../worker/policy/policy.ts';

const DIGEST = '0'.repeat(64);
const bytes = (path: string) => readFileSync(new URL(path, import.meta.url));
const module = new WebAssembly.Module(bytes('module/policy.wasm'));
const make = () => createPolicy(module, JSON.parse(bytes('data.json').toString('utf8')), DIGEST);
const REQUEST = {
  action: 'read',
  operation: 'oss.memories.get',
  roles: ['admin'],
  tenant: 'acme',
  resource_tenant: 'acme',
  resource: 'memory /memories/{memory_id}',
  context: {
    time: '2026-01-01T00:00:00.000Z',
    time_ms: 1_767_225_600_000,
    country: null,
    tls: null,
    mfa: false,
  },
  grant: null,
};
const ALLOWED = { allow: true, reasons: ['role_admin'], obligations: {}, digest: DIGEST };
const UNREADABLE = { allow: false, reasons: ['policy_unreadable'], obligations: {}, digest: DIGEST };

/** OPA's runtime takes JSON text in this form, so that the depth is not the serialiser's matter. */
const nested = (depth: number) => new TextEncoder().encode(`${'['.repeat(depth)}${']'.repeat(depth)}`).buffer;

// Two thousand deep evaluations take seconds on a busy machine.
it('survives more aborted evaluations than one instance does', { timeout: 60_000 }, () => {
  const policy = make();
  const deep = nested(50_000);
  expect(policy.decide(REQUEST)).toEqual(ALLOWED);
  // One instance alone gave out after about 1,400 of these.
  for (let i = 0; i < 2_000; i += 1) policy.decide(deep);
  expect(policy.decide(deep)).toEqual(UNREADABLE);
  expect(policy.decide(REQUEST)).toEqual(ALLOWED);
});

it('denies what cannot be written as JSON, is too deep or too large, and goes on', () => {
  const policy = make();
  const circular: { self?: unknown } = {};
  circular.self = circular;
  const thrower = {
    get action(): string {
      throw new Error('x');
    },
  };
  let deep: unknown = [];
  for (let i = 0; i < 20_000; i += 1) deep = [deep];
  const large = { ...REQUEST, roles: Array.from({ length: 2_000_000 }, () => 'agent-reader') };
  for (const input of [circular, thrower, 10n, deep, large]) {
    expect(policy.decide(input).allow).toBe(false);
    expect(policy.decide(REQUEST)).toEqual(ALLOWED);
  }
});

it('keeps nothing of one request for the next', () => {
  const policy = make();
  expect(policy.decide(REQUEST).allow).toBe(true);
  expect(policy.decide({}).reasons).toEqual(['malformed_input']);
  expect(policy.decide(undefined).reasons).toEqual(['malformed_input']);
  expect(policy.decide({ ...REQUEST, roles: ['agent-writer'] }).reasons).toEqual(['role_agent_writer']);
});

it('denies everybody without its data', () => {
  expect(createPolicy(module, {}, DIGEST).decide(REQUEST).reasons).toEqual(['no_matching_rule']);
});

it('reads a role or an action named like a member of Object as any other unknown one', () => {
  const policy = make();
  for (const name of Object.getOwnPropertyNames(Object.prototype)) {
    expect(policy.decide({ ...REQUEST, roles: [name] }).reasons).toEqual(['no_matching_rule']);
    expect(policy.decide({ ...REQUEST, action: name }).reasons).toEqual(['unknown_action']);
  }
});
