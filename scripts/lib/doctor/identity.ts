import { importJWK, type JWK } from 'jose';
import { type Given, settingOf } from '../deploy/environment.ts';
import { type Finding, findings } from './finding.ts';
import { get, objectOf } from './http.ts';

const { ok, failed, unknown } = findings('identity');

type Issuer = NonNullable<ReturnType<typeof issuersOf>>[number];
const issuersOf = (given: Given) => settingOf(given, 'ISSUERS');

const MIN_RSA_BITS = 2048;

/** Whether each identity provider publishes keys that its tokens can be verified with, under the name we know. */
export async function identityChecks(given: Given): Promise<Finding[]> {
  const issuers = issuersOf(given);
  if (issuers === undefined) return [unknown('not asked: ISSUERS is not known', 'Mend the settings first.')];
  const found = await Promise.all(
    issuers.map(async (issuer) => [...(await keys(issuer)), await discovery(issuer)]),
  );
  return found.flat();
}

async function keys({ issuer, jwks_url, algorithms }: Issuer): Promise<Finding[]> {
  const remedy = 'Set jwks_url in ISSUERS to the address where the provider publishes its keys.';
  const answer = await get(jwks_url);
  if (answer.kind === 'unreachable') return [failed(`${issuer}: the key set cannot be reached`, remedy)];
  if (answer.kind === 'too_large') return [failed(`${issuer}: the key set has more than 256 KiB`, remedy)];
  if (answer.status !== 200) {
    const more = answer.status >= 300 && answer.status < 400 ? ', and redirects are not followed' : '';
    return [failed(`${issuer}: the key set is answered with ${answer.status}${more}`, remedy)];
  }
  const list = objectOf(answer.text)?.keys;
  if (!Array.isArray(list)) return [failed(`${issuer}: what is at jwks_url is no key set`, remedy)];
  const jwks = list.filter((one): one is JWK => typeof one === 'object' && one !== null);
  if (jwks.some((one) => one.d !== undefined || one.k !== undefined)) {
    return [
      failed(`${issuer}: the key set holds a secret key`, 'Have the provider replace that key at once.'),
    ];
  }
  const usable = await Promise.all(
    algorithms.map(async (alg) => {
      const fits = await Promise.all(jwks.map((jwk) => canVerify(jwk, alg)));
      return [alg, fits.filter(Boolean).length] as const;
    }),
  );
  if (usable.every(([, count]) => count === 0)) {
    return [
      failed(
        `${issuer}: no key of the set can verify ${algorithms.join(', ')}`,
        'Set algorithms in ISSUERS to what the provider signs with. A key needs a kid, and an RSA key 2048 bits.',
      ),
    ];
  }
  return [ok(`${issuer}: keys for ${usable.map(([alg, count]) => `${alg} ${count}`).join(', ')}`)];
}

/** As the Worker chooses keys: named, for signatures, of the algorithm's kind, and strong enough. */
async function canVerify(jwk: JWK, alg: string): Promise<boolean> {
  const { kid, use, key_ops: ops } = jwk;
  if (typeof kid !== 'string' || (use !== undefined && use !== 'sig')) return false;
  if (ops !== undefined && !(Array.isArray(ops) && ops.includes('verify'))) return false;
  const named = alg === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [alg];
  if (jwk.alg !== undefined && !named.includes(jwk.alg)) return false;
  try {
    const key = await importJWK(jwk, alg);
    if (key instanceof Uint8Array || key.type !== 'public') return false;
    const bits = (key.algorithm as { modulusLength?: number }).modulusLength;
    return bits === undefined || bits >= MIN_RSA_BITS;
  } catch {
    return false;
  }
}

/** What the provider says of itself (OpenID Connect Discovery, RFC 8414), where it says anything. */
async function discovery({ issuer, jwks_url }: Issuer): Promise<Finding> {
  const { origin, pathname } = new URL(issuer);
  const addresses = [
    `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`,
  ];
  for (const address of addresses) {
    const answer = await get(address);
    if (answer.kind !== 'answer') {
      return unknown(
        `${issuer}: its discovery document cannot be read`,
        'See that the provider answers under its own name; tokens are compared with that name exactly.',
      );
    }
    const said = answer.status === 200 ? objectOf(answer.text) : undefined;
    if (said === undefined) continue;
    if (said.issuer !== issuer) {
      return failed(
        `${issuer}: its discovery document names another issuer`,
        'Set issuer in ISSUERS to the name in the document, character by character.',
      );
    }
    if (said.jwks_uri !== jwks_url) {
      return unknown(
        `${issuer}: its discovery document names another key set than jwks_url`,
        'Use jwks_uri of the document, unless the other address is meant.',
      );
    }
    return ok(`${issuer}: its discovery document agrees`);
  }
  return ok(`${issuer}: it has no discovery document`);
}
