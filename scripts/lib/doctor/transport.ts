import { type Given, settingOf } from '../deploy/environment.ts';
import { type Finding, findings } from './finding.ts';

const { ok, failed } = findings('transport');

/** Whether the gateway is reached, and reaches others, by https only, and under no address but its own. */
export function transportChecks(given: Given): Finding[] {
  const { env, vars, config } = given;
  if (vars.TRANSPORT !== 'edge') {
    return env === 'production'
      ? [failed('TRANSPORT is not edge', 'Set TRANSPORT = "edge" in [vars]: production is never loopback.')]
      : [ok('TRANSPORT is loopback: this environment is for one machine and is not reached from elsewhere')];
  }
  return [ok('TRANSPORT is edge'), ...urls(given), ...addresses(config)];
}

/** readConfig holds the other URLs to https; an issuer's own is only compared there, and fetched by the doctor. */
function urls(given: Given): Finding[] {
  return (settingOf(given, 'ISSUERS') ?? []).flatMap(({ issuer }, at) =>
    issuer.startsWith('https:')
      ? []
      : [
          failed(
            `issuer ${at + 1} of ISSUERS has a name that is not https`,
            'Use the provider by its https address.',
          ),
        ],
  );
}

function addresses({ workers_dev, preview_urls, route, routes }: Given['config']): Finding[] {
  const own = [...(route === undefined ? [] : [route]), ...(routes ?? [])];
  const found: Finding[] = [];
  if (workers_dev !== false) {
    found.push(
      failed('workers_dev is not off: the gateway has a second address', 'Set workers_dev = false.'),
    );
  }
  if (preview_urls !== false) {
    found.push(failed('preview_urls is not off: older versions stay reachable', 'Set preview_urls = false.'));
  }
  if (own.length === 0) {
    found.push(
      failed(
        'no route and no custom domain: nobody reaches the gateway',
        'Add routes = [{ pattern = "gateway.example.com", custom_domain = true }] with a domain of yours.',
      ),
    );
  }
  return found.length > 0
    ? found
    : [ok('workers_dev and preview_urls are off, and an address is configured')];
}
