import { Problem } from '../../problem.ts';
import type { ValidRequest } from '../validate.ts';
import { batchRemove, batchUpdate, get, history, remove, removeAll, removeEntity, update } from './by-id.ts';
import { listEntities } from './entities.ts';
import { add, list, plainList, plainSearch, search } from './memories.ts';
import type { Translation } from './types.ts';

/** How operations of the Platform's dialect are carried out by a self-hosted server, by their id in the catalogue. */
export const TRANSLATIONS: { readonly [operation: string]: Translation } = {
  'platform.memories.add': add,
  'platform.v1.memories.add': add,
  'platform.memories.list': list,
  'platform.v2.memories.list': plainList,
  'platform.v1.memories.list': plainList,
  'platform.v1.entities.memories': plainList,
  'platform.memories.search': search,
  'platform.v1.memories.search': plainSearch,
  'platform.v2.memories.search': plainSearch,
  'platform.memories.get': get,
  'platform.memories.update': update,
  'platform.memories.delete': remove,
  'platform.memories.history': history,
  'platform.memories.delete_all': removeAll,
  'platform.batch.update': batchUpdate,
  'platform.batch.delete': batchRemove,
  'platform.entities.delete': removeEntity,
  'platform.entities.list': listEntities,
};

export function translationOf({ operation, serve }: ValidRequest): Translation | undefined {
  return serve === 'translate' ? TRANSLATIONS[operation.id] : undefined;
}

/**
 * The request in the dialect of a self-hosted origin; several where it is a batch.
 * @throws Problem for what such an origin cannot honour.
 */
export function carriedBy(request: ValidRequest): readonly ValidRequest[] {
  if (request.serve === 'forward') return [request];
  const translation = translationOf(request);
  if (translation) return [translation.toOss(request)].flat();
  throw new Problem('not_served', {
    reason: 'not_served',
    detail:
      request.operation.dialect === 'platform'
        ? 'This operation is known, but it cannot be served on the Mem0 of this tenant.'
        : 'This tenant’s Mem0 is the hosted Platform, which does not know the dialect of the self-hosted server.',
  });
}
