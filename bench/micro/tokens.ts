import { type Algorithm, FakeIssuer } from '../../tests/fakes/issuer.ts';
import { issuersSchema } from '../../worker/auth/issuers.ts';
import { createVerifier } from '../../worker/auth/verify.ts';
import { TENANT } from '../scenarios.ts';
import type { Micro } from './measure.ts';

const TOKENS = 1200;

/** The verification of a token that was never seen, and of one that was. */
export async function tokenMicros(): Promise<Micro[]> {
  const micros = await Promise.all((['RS256', 'ES256', 'EdDSA'] as const).map(cold));
  return [...micros.map(({ cold }) => cold), micros[0]!.cached];
}

async function cold(alg: Algorithm): Promise<{ readonly cold: Micro; readonly cached: Micro }> {
  const issuer = await FakeIssuer.create({ issuer: 'http://127.0.0.1:9', alg });
  const verifier = createVerifier(
    issuersSchema.parse([
      {
        ...{ issuer: issuer.issuer, audience: issuer.audience, algorithms: [alg] },
        ...{ jwks_url: 'http://127.0.0.1:9/jwks', tenants: [TENANT], roles: ['*'] },
      },
    ]),
    { fetch: async () => Response.json(issuer.jwks()), maxStaleMs: 0 },
  );
  const tokens = await Promise.all(
    Array.from({ length: TOKENS }, (_, i) =>
      issuer.sign({ sub: `actor-${i}`, tenant_id: TENANT, realm_access: { roles: ['agent-reader'] } }),
    ),
  );
  const verify = async (n: number) => {
    const verified = await verifier.verify(tokens[n % TOKENS]!, Date.now());
    if (!verified.ok) throw new Error(`a token was refused: ${verified.reason}`);
  };
  return {
    cold: { name: `token, ${alg}, first time`, run: verify, most: TOKENS },
    cached: { name: 'token, seen before', run: () => verify(0) },
  };
}
