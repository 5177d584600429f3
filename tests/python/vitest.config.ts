import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Run by `npm run test:python` only: it needs Python, and packages that only that command fetches. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    name: 'python',
    environment: 'node',
    include: ['tests/python/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
