import type { ZodMiniType } from 'zod/mini';
import type { Action } from '../../../core/record.ts';

export type Dialect = 'oss' | 'platform' | 'governance';

/** `*` stands for every method, HEAD and OPTIONS included; only families that are denied have it. */
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | '*';

/** `public` rows are served without identity or record; `deny` rows are refused whatever a policy says. */
export type Access = 'governed' | 'deny' | 'public';

/** What a Mem0 is: a self-hosted server, or the hosted Platform. */
export type OriginKind = 'oss' | 'platform';

/** How an operation is served by an origin of a kind; `refuse` is answered 501. */
export type Serve = 'forward' | 'translate' | 'evaluate' | 'refuse';

/**
 * How a request is kept inside its tenant:
 * - `ids`: it names at least one entity id, and all of them are namespaced;
 * - `ids_listed`: the same, and what it will remove is listed first;
 * - `proven`: the owner of the memory in its path is proven first;
 * - `answer`: the row in the answer says whose it is;
 * - `export`: the export that it names was issued to the tenant;
 * - `none`: nothing in it is a tenant's.
 */
export type Scope = 'ids' | 'ids_listed' | 'proven' | 'answer' | 'export' | 'none';

/**
 * How the owner of an answer is known:
 * - `row`: at least one owner id is present and every one is in the tenant's namespace;
 * - `proven`: a row's memory id is the proven one, or the row has none;
 * - `issued`: the call was itself scoped, so what it made is the tenant's;
 * - `none`: a fixed shape that holds nothing of a tenant.
 */
export type OwnerRule = 'row' | 'proven' | 'issued' | 'none';

/**
 * The shape of Mem0's answer: one memory, `{results: [memory]}`, the results of an addition, rows of a
 * history, a list of entities, or `{message}`. The Platform's own: a `page` and a bare `list` of memories, an addition
 * that was `accepted`, a memory that was `changed` or `rated`, a `summary`, an `export` that was begun and one that is `exported`, an `entity` and an `entity_page`. `unread` where no answer of Mem0 is passed on.
 */
export type AnswerShape =
  | 'item'
  | 'items'
  | 'added'
  | 'history'
  | 'entities'
  | 'message'
  | 'page'
  | 'list'
  | 'accepted'
  | 'changed'
  | 'rated'
  | 'summary'
  | 'export'
  | 'exported'
  | 'entity'
  | 'entity_page'
  | 'unread';

/** What a query parameter may hold. `max` of text is in UTF-16 code units. */
export type QueryKind =
  | { readonly kind: 'id' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  /** Taken and left out: it is the operator's to say. */
  | { readonly kind: 'ignored' }
  /** RFC 3339 with an offset. */
  | { readonly kind: 'time' }
  /** Lower-case and canonical. */
  | { readonly kind: 'uuid' }
  | { readonly kind: 'text'; readonly max: number };

/** The query parameters that are known. `any`: the operation is never forwarded, so nothing depends on them. */
export type QuerySpec = { readonly [name: string]: QueryKind } | 'any';

/** The body's schema. `none`: a body is refused. `any`: never forwarded, so nothing depends on it. */
export type BodySpec = ZodMiniType | 'none' | 'any';

/** Where ids sit, as `place.member`: `query.user_id`, `body.filters`, `path.memory_id` … */
export type FieldPath = string;

/** One operation of a dialect. The rows are data: what a request may do follows from its row alone. */
export interface Operation {
  /** `<dialect>.<resource>.<verb>`; stable, because it is in audit records and policies. */
  readonly id: string;
  readonly dialect: Dialect;
  readonly method: Method;
  /**
   * Literal segments, `{class}` for one segment of a class, `{name=a|b}` for one of the words, and a last
   * `**` for everything below and the path itself. Trailing slashes count.
   */
  readonly path: string;
  readonly action: Action;
  readonly access: Access;
  readonly resource: string;
  readonly query: QuerySpec;
  readonly body: BodySpec;
  readonly ids: readonly FieldPath[];
  /** Where memory text sits, in the request and in the answer. */
  readonly phi: readonly FieldPath[];
  readonly scope: Scope;
  readonly serve: { readonly [K in OriginKind]: Serve };
  readonly answer: AnswerShape;
  readonly owner: OwnerRule;
  /** The owner may also be proven by what OwnerIndex knows of deleted memories. */
  readonly afterDelete?: true;
  /** What a `message` answer says: Mem0's own words are not passed on. */
  readonly says?: string;
  readonly summary: string;
}

/** A row that is refused, whatever its method, query and body. */
export function denied(
  dialect: Dialect,
  id: string,
  path: string,
  resource: string,
  summary: string,
  method: Method = '*',
): Operation {
  return {
    id,
    dialect,
    method,
    path,
    action: 'admin',
    access: 'deny',
    resource,
    query: 'any',
    body: 'any',
    ids: [],
    phi: [],
    scope: 'none',
    serve: { oss: 'refuse', platform: 'refuse' },
    answer: 'unread',
    owner: 'none',
    summary,
  };
}
