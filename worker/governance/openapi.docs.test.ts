import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, it } from 'vitest';
import { OPERATIONS } from '../mem0/catalogue/index.ts';
import { ANSWERS, openapi } from './openapi.ts';

// docs/openapi.json is what the gateway serves: `npm run docs` writes it, and this test fails when it is stale.

const text = `${JSON.stringify(openapi(), undefined, 2)}\n`;

it('docs/openapi.json is what the gateway serves', async () => {
  await expect(text).toMatchFileSnapshot('../../docs/openapi.json');
});

it('is without a fault for the linter', async () => {
  const config = await createConfig({ extends: ['recommended-strict'] });
  const problems = await lintFromString({ source: text, absoluteRef: 'openapi.json', config });
  expect(problems.map(({ message, location }) => `${location[0]?.pointer}: ${message}`)).toEqual([]);
});

it('describes every operation of the gateway, and each has an answer', () => {
  const rows = OPERATIONS.filter(({ dialect }) => dialect === 'governance');
  expect(Object.keys(ANSWERS).sort()).toEqual(rows.map(({ id }) => id).sort());
  const { paths } = openapi() as { paths: { [path: string]: { [method: string]: { operationId: string } } } };
  const described = Object.values(paths).flatMap((item) =>
    Object.values(item).map((each) => each.operationId),
  );
  expect(described.sort()).toEqual(rows.map(({ id }) => id).sort());
});
