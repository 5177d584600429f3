import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const WRANGLER = join(ROOT, 'node_modules', 'wrangler', 'bin', 'wrangler.js');

/**
 * What tells `wrangler deploy` which tenants' document to bundle, by an absolute path or one in the project, in place
 * of production's, which package.json names. An alias in wrangler.toml would be the same for every environment.
 */
export function tenantsArgs(path: string): string[] {
  return ['--alias', `#tenants:${path.startsWith('/') ? path : `./${path}`}`];
}

/** The tenants' document of the local stack, in its project. */
export const DEV_TENANTS = 'config/tenants.dev.json';

/** The environment of a wrangler that writes only below `dir`, reports nothing and asks nobody. */
export function wranglerEnv(dir: string): { [name: string]: string | undefined } {
  return {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    TMPDIR: process.env.TMPDIR,
    CI: '1',
    NO_COLOR: '1',
    XDG_CONFIG_HOME: join(dir, 'config'),
    WRANGLER_CACHE_DIR: join(dir, 'cache'),
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_LOG_PATH: join(dir, 'logs'),
    WRANGLER_REGISTRY_PATH: join(dir, 'registry'),
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    MINIFLARE_CACHE_DIR: join(dir, 'cache'),
    X_LOCAL_EXPLORER: 'false',
    X_LOCAL_OBSERVABILITY: 'false',
  };
}

/** A setting's value as a dotenv file spells it, safe from its expansion of `$`. */
export function envLine(name: string, value: string): string {
  const quote = ["'", '"', '`'].find((mark) => !value.includes(mark));
  if (quote === undefined || /[\r\n\\]/.test(value))
    throw new Error(`${name} cannot be written to an env file`);
  return `${name}=${quote}${value.replaceAll('$', '\\$')}${quote}`;
}
