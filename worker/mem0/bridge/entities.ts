import type { Json } from '../../../core/canonical.ts';
import { isObject, type JsonObject } from '../../../core/json.ts';
import { OSS_ENTITIES } from '../catalogue/oss.ts';
import { linkTo, pageOf } from './pages.ts';
import type { Translation } from './types.ts';

/**
 * The tenant's users, agents and runs. The self-hosted server lists those of everybody; what is not the tenant's is
 * taken out before anything else looks at it, so the operation stays denied in its own dialect.
 */
export const listEntities: Translation = {
  toOss: (request) => ({ ...request, operation: OSS_ENTITIES, serve: 'forward', query: {}, body: undefined }),
  fromOss: ([body], request, { origin }) => {
    const all = rowsOf(body).map((row) => ({ ...row, name: row.id ?? null }));
    const { page, size } = pageOf(request);
    const end = page * size;
    const of = (type: string) => all.filter((row) => (row as JsonObject).type === type).length;
    return {
      ...{
        count: all.length,
        total_users: of('user'),
        total_agents: of('agent'),
        total_apps: 0,
        total_runs: of('run'),
      },
      next: end < all.length ? linkTo(origin, request, page + 1, size) : null,
      previous: page > 1 ? linkTo(origin, request, page - 1, size) : null,
      results: all.slice(end - size, end),
    };
  },
};

function rowsOf(body: Json | undefined): readonly JsonObject[] {
  return Array.isArray(body) ? (body.filter(isObject) as JsonObject[]) : [];
}
