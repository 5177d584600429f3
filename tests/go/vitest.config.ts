import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Run by `npm run test:go` only: it needs Go. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    name: 'go',
    environment: 'node',
    include: ['tests/go/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
