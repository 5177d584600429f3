import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, type EntityIdKind, type Namespace, namespaced } from '../../core/ids.ts';
import { type JsonObject, objectOf } from '../../core/json.ts';
import type { Condition } from './filters.ts';
import { conditionValue } from './filters.ts';
import { type FilterNode, idNodes } from './platform-filter.ts';
import type { ValidRequest } from './validate.ts';

/**
 * The filter that the Platform gets: `{"AND": [scope, tree]}`, made from the parsed tree alone.
 *
 * Why nothing in the tree can widen it. The scope is one id node of the tenant, or an OR of such nodes and of nothing
 * else, and stands as the first child of an AND that has no sibling, so neither the rule that lets an AND drop the OR
 * beside it nor anything inside the second child touches it. Each value in it is namespaced: it begins with
 * `tenant:` and has no wildcard, so the Platform takes it literally, and no other tenant's row has it. Whatever the
 * second child means to the Platform, also where it reads NOT, `memory_ids` or a metadata operator more widely than we
 * do, an AND with the scope gives a subset of the tenant's rows. Should the Platform take a branch out of the AND all
 * the same, as its reading by `memory_ids` might, each row of the answer is still held against its own owner ids.
 *
 * Why nothing of the tenant's is lost. A filter is accepted only if `isBound`: every memory that fulfils it has one of
 * the ids that it names outside of NOT, and the scope is the OR of all of these.
 */
export function platformFilter({ tree, ids }: ValidRequest, space: Namespace): JsonObject {
  const beside = ENTITY_IDS.flatMap((kind) => {
    const id = ids[kind];
    return id === undefined ? [] : [idFilter(space, kind, [id])];
  });
  // Ids that every result has bound it already, and more tightly than those that one of them has.
  const scope = beside.length > 0 ? beside : [oneOf(named(tree!, space))];
  return { AND: [...scope, ...(tree ? [rebuilt(tree, space)] : [])] as Json };
}

function named(tree: FilterNode, space: Namespace): readonly JsonObject[] {
  const nodes = idNodes(tree).map(({ field, oneOf: ids }) => idFilter(space, field, ids));
  return [...new Map(nodes.map((node) => [JSON.stringify(node), node])).values()];
}

function oneOf(nodes: readonly JsonObject[]): JsonObject {
  return nodes.length === 1 ? nodes[0]! : { OR: nodes as Json };
}

function idFilter(space: Namespace, kind: EntityIdKind, ids: readonly string[]): JsonObject {
  const scoped = ids.map((id) => namespaced(space, id));
  return { [kind]: scoped.length === 1 ? scoped[0]! : { in: scoped } };
}

function rebuilt(node: FilterNode, space: Namespace): JsonObject {
  switch (node.kind) {
    case 'AND':
    case 'OR':
    case 'NOT':
      return { [node.kind]: node.of.map((each) => rebuilt(each, space)) as Json };
    case 'id':
      return idFilter(space, node.field, node.oneOf);
    case 'memory_ids':
      return { memory_ids: [...node.ids] };
    case 'time':
      return { [node.field]: objectOf(node.by.map(([operator, { text }]) => [operator, text])) as Json };
    case 'words':
      return { [node.field]: conditionValue(node.test) };
    case 'metadata':
      return { metadata: objectOf(node.conditions.map(entryOf)) as Json };
  }
}

function entryOf({ key, test }: Condition): readonly [string, Json] {
  return [key, conditionValue(test)];
}

/** A client may leave the owners out of what it asks for; the gateway needs them to know whose a row is. */
export function withOwners(body: JsonObject): JsonObject {
  const { fields } = body;
  if (!Array.isArray(fields)) return body;
  return { ...body, fields: [...new Set([...fields, 'id', ...ENTITY_IDS])] as Json };
}
