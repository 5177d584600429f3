import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Unstable_Config } from 'wrangler';
import type { Given } from '../../scripts/lib/deploy/environment.ts';
import type { Finding, State } from '../../scripts/lib/doctor/finding.ts';

/** What the doctor is given, with nothing in it but what a test says. */
export function given(
  values: { readonly [name: string]: string },
  over: Partial<Omit<Given, 'config'>> & { readonly config?: object } = {},
): Given {
  return {
    env: 'dev',
    configFile: 'wrangler.toml',
    vars: {},
    source: 'a file',
    strangers: [],
    ...over,
    values,
    config: (over.config ?? {}) as Unstable_Config,
  };
}

/** The texts of findings in a state. */
export const texts = (found: readonly Finding[], state: State) =>
  found.filter((one) => one.state === state).map(({ what }) => what);

export interface Site {
  readonly url: string;
  /** Answers by path; an address alone redirects. What is not there is 404. */
  pages: { [path: string]: unknown };
  stop(): Promise<void>;
}

/** A small server that answers JSON by path. */
export async function startSite(): Promise<Site> {
  const site = { pages: {} as { [path: string]: unknown } };
  const server: Server = createServer((request, response) => {
    const page = site.pages[request.url ?? ''];
    if (typeof page === 'string') response.writeHead(302, { location: page }).end();
    else if (page === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(page));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(site, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
