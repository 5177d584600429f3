import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const require = createRequire(import.meta.url);
const text = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

it('parses and writes YAML as the parser behind it does', () => {
  const yaml = require('./yaml.cjs');
  const value = { list: [1, 'two', null], deep: { is: true } };
  expect(yaml.parse(yaml.stringify(value))).toEqual(value);
  expect(yaml.stringify(value)).toBe(require('#yaml').stringify(value));
  expect(() => yaml.parse('{')).toThrow(expect.objectContaining({ name: 'YAMLSemanticError' }));
});

it('stands for the package in the bundle, and is the one that the library of OPA brings', () => {
  expect(text('wrangler.toml')).toContain('yaml = "./worker/policy/yaml.cjs"');
  const library = createRequire(require.resolve('@open-policy-agent/opa-wasm'));
  expect(readFileSync(require.resolve('#yaml'))).toEqual(readFileSync(library.resolve('yaml')));
});
