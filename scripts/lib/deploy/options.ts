import type { OptionSpec } from '../command.ts';

type Options = { readonly [name: string]: OptionSpec };

/** The options that the deployment commands share. */
export const ENV_OPTION: Options = {
  env: {
    type: 'string',
    value: 'NAME',
    default: 'production',
    help: 'the environment; production is the top level of wrangler.toml',
  },
};
export const CONFIG_OPTION: Options = {
  config: { type: 'string', value: 'FILE', default: 'wrangler.toml', help: 'another wrangler.toml' },
};
export const SECRETS_OPTION: Options = {
  secrets: {
    type: 'string',
    value: 'FILE',
    help: 'secret values, NAME=value lines; else .secrets/ENV.env, else the environment',
  },
};
