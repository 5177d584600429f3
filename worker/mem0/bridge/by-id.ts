import type { Json } from '../../../core/canonical.ts';
import { isObject } from '../../../core/json.ts';
import type { ValidRequest } from '../validate.ts';
import { as } from './memories.ts';
import type { Translation } from './types.ts';

export const get: Translation = {
  toOss: (request) => as('oss.memories.get', request),
  fromOss: ([body]) => body ?? null,
};

/** The self-hosted server says only that it did; what was changed is what the client asked for. */
export const update: Translation = {
  toOss: (request) => {
    const { text, metadata, expiration_date: date } = request.body as { [name: string]: Json | undefined };
    return as('oss.memories.update', request, {
      body: {
        ...(text === undefined ? {} : { text }),
        ...(metadata === undefined ? {} : { metadata }),
        ...(date === undefined ? {} : { expiration_date: date }),
      },
    });
  },
  fromOss: ([body], { params, body: asked }) => ({
    id: params.memory_id!,
    ...(asked?.text === undefined ? {} : { memory: asked.text, text: asked.text }),
    ...(asked?.metadata === undefined ? {} : { metadata: asked.metadata }),
    ...(isObject(body) ? { message: (body as { message: Json }).message } : {}),
  }),
};

export const remove: Translation = {
  toOss: (request) => as('oss.memories.delete', request),
  fromOss: ([body]) => body ?? null,
};

export const history: Translation = {
  toOss: (request) => as('oss.memories.history', request),
  fromOss: ([body]) => body ?? null,
};

export const removeAll: Translation = {
  toOss: (request) => as('oss.memories.delete_all', request),
  fromOss: ([body]) => body ?? null,
};

export const removeEntity: Translation = {
  toOss: (request) => as('oss.entities.delete', request),
  fromOss: ([body]) => body ?? null,
};

/** A batch is a call for each memory: all are proven first, and the first failure ends it. */
function batch(id: string, verb: string): Translation {
  return {
    toOss: (request) =>
      memoriesOf(request).map(({ memory_id: memoryId, text }) => ({
        ...as(id, request, text === undefined ? {} : { body: { text } }),
        params: { memory_id: memoryId },
      })),
    fromOss: (bodies) => ({ message: `Successfully ${verb} ${bodies.length} memories` }),
  };
}

export const batchUpdate = batch('oss.memories.update', 'updated');
export const batchRemove = batch('oss.memories.delete', 'deleted');

interface Named {
  readonly memory_id: string;
  readonly text?: string;
}

function memoriesOf({ body }: ValidRequest): readonly Named[] {
  return (body as unknown as { readonly memories: readonly Named[] }).memories;
}
