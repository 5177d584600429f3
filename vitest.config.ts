import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { formatSignerKey, signerKey } from './core/note.ts';

/** Settings of the Worker in the workerd project; nothing listens at these addresses. */
const WORKERD_SETTINGS = {
  ISSUERS: JSON.stringify([
    {
      issuer: 'http://127.0.0.1:9/issuer',
      audience: 'mem0-governance',
      jwks_url: 'http://127.0.0.1:9/jwks',
      algorithms: ['RS256'],
      tenants: ['acme', 'globex'],
      roles: ['*'],
    },
  ]),
  MEM0_ORIGIN: 'http://127.0.0.1:9',
  MEM0_API_KEY: 'unused',
  AUDIT_WRITER_URL: 'postgresql://writer@127.0.0.1:9/audit',
  AUDIT_READER_URL: 'postgresql://reader@127.0.0.1:9/audit',
  AUDIT_SQL_ENDPOINT: 'http://127.0.0.1:9/sql',
  AUDIT_ORIGIN: 'gateway.test',
  AUDIT_SIGNING_KEY: formatSignerKey(signerKey('gateway.test', new Uint8Array(32).fill(1))),
  AUDIT_VAULT_KEYS: `test:${Buffer.alloc(32, 1).toString('base64url')}`,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          maxWorkers: 2,
          // Property tests take seconds, and several times that on a machine that does something else.
          testTimeout: 30_000,
          include: [
            '{bench,compliance,core,durable-objects,iam,worker,policies,scripts}/**/*.test.ts',
            'tests/vectors/**/*.test.ts',
          ],
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml', environment: 'dev' },
            miniflare: { bindings: WORKERD_SETTINGS },
          }),
        ],
        test: { name: 'workerd', include: ['tests/workerd/**/*.test.ts'] },
      },
      {
        test: {
          name: 'integration',
          environment: 'node',
          include: ['{local,sql}/**/*.test.ts', 'tests/integration/**/*.test.ts'],
          // Mem0's client reads this when it is loaded, and would report every call to its makers.
          env: { MEM0_TELEMETRY: 'false' },
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Each file owns its services; two files at once are what two cores carry.
          maxWorkers: 2,
        },
      },
    ],
  },
});
