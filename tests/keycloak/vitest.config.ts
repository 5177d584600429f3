import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Run by `npm run test:keycloak` only: it needs Java, and takes a minute or two. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    name: 'keycloak',
    environment: 'node',
    include: ['tests/keycloak/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
