import { ConfigError } from '../../../worker/config.ts';
import { SETTINGS } from '../../../worker/settings.ts';
import { readDeployed } from '../../../worker/tenants.ts';
import { type Given, OPTIONAL } from '../deploy/environment.ts';
import { type Finding, findings } from './finding.ts';

const { ok, failed, unknown } = findings('settings');

/** Cloudflare's limits of one Worker: secrets and variables, and bytes of each. */
const MAX_BINDINGS = 128;
const MAX_BYTES = 5 * 1024;

/** Whether the Worker would start with these settings, and whether they are where they belong. */
export function settingsChecks(given: Given): Finding[] {
  return [...good(given), environment(given), ...places(given), ...sizes(given)];
}

function good(given: Given): Finding[] {
  const absent = given.secrets.filter((name) => !given.values[name] && !OPTIONAL.includes(name));
  const found: Finding[] = [];
  const bad = problemsOf(given).filter((problem) => !absent.some((name) => problem === `${name} is missing`));
  for (const problem of bad) found.push(failed(problem, remedyFor(problem, given)));
  if (absent.length > 0) {
    found.push(
      unknown(
        `not in ${given.source}: ${absent.join(', ')}`,
        'Put the values there to have them checked; the check of their names at Cloudflare says whether they are set.',
      ),
    );
  }
  if (found.length === 0) found.push(ok('every setting is there and good'));
  return found;
}

function remedyFor(problem: string, { tenantsFile }: Given): string {
  return problem.startsWith('tenants')
    ? `Mend ${tenantsFile}: docs/tenants.md says what it takes.`
    : 'Mend it: docs/configuration.md says what it takes.';
}

function problemsOf({ values, tenants }: Given): readonly string[] {
  try {
    readDeployed(tenants, values);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function environment({ env, vars }: Given): Finding {
  return vars.ENVIRONMENT === env
    ? ok(`ENVIRONMENT is ${env}`)
    : failed(
        `ENVIRONMENT is not ${env}, which --env names`,
        'Set it in the [vars] of this environment in wrangler.toml.',
      );
}

function places({ vars, strangers, secrets }: Given): Finding[] {
  const secret = Object.keys(vars).filter((name) => secrets.includes(name));
  const unheard = Object.keys(vars).filter((name) => !Object.hasOwn(SETTINGS, name));
  const found = [
    ...secret.map((name) =>
      failed(
        `${name} is a secret and stands in [vars]`,
        'Take it out, give it another value, and set that with `npm run secrets`.',
      ),
    ),
    ...unheard
      .filter((name) => !secrets.includes(name))
      .map((name) =>
        failed(`${name} in [vars] is no setting`, 'Look for its right name in docs/configuration.md.'),
      ),
    ...strangers.map((name) =>
      failed(
        `${name} in the secrets file is no secret of the gateway`,
        'Look for its right name in docs/configuration.md; settings that are no secrets belong in [vars].',
      ),
    ),
  ];
  return found.length > 0 ? found : [ok('no secret stands in [vars], and every name is a setting')];
}

function sizes({ vars, values, secrets }: Given): Finding[] {
  const names = new Set([...Object.keys(vars), ...secrets]);
  const large = Object.entries(values).filter(([, value]) => Buffer.byteLength(value) > MAX_BYTES);
  const found = large.map(([name]) =>
    failed(`${name} has more than ${MAX_BYTES} bytes, which Cloudflare refuses`, 'Make it shorter.'),
  );
  if (names.size > MAX_BINDINGS) {
    found.push(failed(`${names.size} settings, of at most ${MAX_BINDINGS}`, 'Set fewer.'));
  }
  return found.length > 0 ? found : [ok(`${names.size} settings of at most ${MAX_BINDINGS}, none over 5 KB`)];
}
