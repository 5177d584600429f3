import type { FilterNode } from '../platform-filter.ts';
import { type Fault, fault } from '../reasons.ts';
import type { ValidRequest } from '../validate.ts';

/** `always`: an option that cannot be honoured. `true`: one that can be left out unless it is asked for. */
type Unserved = 'always' | 'true';

/**
 * What of the Platform's dialect a self-hosted server cannot honour, by the member of the body. It is refused and not
 * left out, because without it the result would be another one.
 */
const OPTIONS: { readonly [member: string]: Unserved } = {
  custom_categories: 'always',
  timestamp: 'always',
  immutable: 'true',
  includes: 'always',
  excludes: 'always',
  enable_graph: 'true',
  keywords: 'always',
  categories: 'always',
  start_date: 'always',
  end_date: 'always',
  rerank: 'true',
  keyword_search: 'true',
  filter_memories: 'true',
};

/** The names of those that are left out of what a self-hosted server is asked. */
export const LEFT_OUT_OPTIONS: readonly string[] = Object.keys(OPTIONS);

/** Fields of a filter that nothing of a self-hosted server answers to. */
const FIELDS: ReadonlySet<string> = new Set([
  'app_id',
  'categories',
  'expiration_date',
  'keywords',
  'keywords_search',
  'text',
  'timestamp',
]);

/** The first thing in a request that a self-hosted server cannot honour. */
export function unservedIn({ body = {}, ids, tree }: ValidRequest): Fault | undefined {
  const option = Object.keys(OPTIONS).find((name) => {
    return OPTIONS[name] === 'always' ? body[name] !== undefined : body[name] === true;
  });
  if (option !== undefined) return fault(`/${option}`, 'option_unserved');
  const node = tree && unservedNode(tree);
  if (node) return fault(node, 'filter_unserved');
  return ids.app_id === undefined ? undefined : fault('/app_id', 'option_unserved');
}

/** Where the first such node of a filter stands. */
function unservedNode(node: FilterNode): string | undefined {
  if ('of' in node) {
    for (const each of node.of) {
      const found = unservedNode(each);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return 'field' in node && FIELDS.has(node.field) ? node.at : undefined;
}
