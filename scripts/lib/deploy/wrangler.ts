import { tenantsArgs } from '../../../local/wrangler/wrangler.ts';
import { type Ran, run } from '../run.ts';
import type { Deployment } from './environment.ts';

/** Given an input, wrangler reads it; what it prints is kept from the terminal. */
export type Wrangler = (args: readonly string[], input?: string) => Promise<Ran>;

/** wrangler for one environment. It gets no secret but by its input: not by arguments, not by variables, not by a file. */
export function wranglerFor({ env, configFile, tenantsFile, secrets }: Deployment): Wrangler {
  const hidden = [...secrets, 'AUDIT_OWNER_URL'];
  const variables = Object.entries(process.env).filter(([name]) => !hidden.includes(name));
  return (args, input) =>
    run(
      'wrangler',
      [
        ...args,
        ...(args[0] === 'deploy' ? tenantsArgs(tenantsFile) : []),
        '--config',
        configFile,
        ...envArgs(env),
      ],
      {
        env: {
          ...Object.fromEntries(variables),
          CI: '1',
          NO_COLOR: '1',
          WRANGLER_HIDE_BANNER: 'true',
          WRANGLER_SEND_METRICS: 'false',
        },
        ...(input === undefined ? {} : { input }),
      },
    );
}

/** How wrangler is told the environment; an empty one is the top level. */
export function envArgs(env: string): string[] {
  return [env === 'production' ? '--env=' : `--env=${env}`];
}

/** Why a wrangler command failed, as far as it says so in a way that can be told apart. */
export function whyFailed({
  code,
  stdout,
  stderr,
}: Ran): 'not_installed' | 'not_logged_in' | 'no_worker' | 'other' {
  const text = stdout + stderr;
  if (code === 127) return 'not_installed';
  if (/\[code: 10007\]/.test(text)) return 'no_worker';
  if (/CLOUDFLARE_API_TOKEN|not logged in|wrangler login|\[code: 10000\]|Authentication error/i.test(text)) {
    return 'not_logged_in';
  }
  return 'other';
}

/** The JSON value in what wrangler printed, which can begin with a remark; `undefined`: there is none. */
export function jsonOf(text: string): unknown {
  const from = text.search(/^[[{]/m);
  try {
    return from < 0 ? undefined : JSON.parse(text.slice(from));
  } catch {
    return undefined;
  }
}
