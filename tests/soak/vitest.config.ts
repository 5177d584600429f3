import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const minutes = Number(process.env.SOAK_MINUTES ?? '1');

/** Run by `npm run test:soak` only: it takes as long as it is told. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    name: 'soak',
    environment: 'node',
    include: ['tests/soak/**/*.test.ts'],
    testTimeout: (minutes + 6) * 60_000,
    hookTimeout: 300_000,
  },
});
