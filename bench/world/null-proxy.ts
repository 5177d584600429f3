import { type BareWorker, startBare } from './bare.ts';

/** All that a Worker in front of Mem0 cannot do without: the call. */
const SOURCE = `export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    return fetch(env.UPSTREAM + pathname + search, request);
  },
};
`;

/** A Worker that only forwards. */
export function startNullProxy(upstream: string, folder: string): Promise<BareWorker> {
  return startBare({ name: 'the null proxy', source: SOURCE, upstream, folder });
}
