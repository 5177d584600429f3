import type { Json } from '../../core/canonical.ts';
import type { Namespace } from '../../core/ids.ts';
import type { Operation } from './catalogue/types.ts';

/** What is known of a request when its answer is checked. */
export interface AnswerContext {
  /** Memory ids whose owner was proven before the call. */
  readonly proven?: readonly string[];
  /** The memory that the path names: an answer about another one is nobody's. */
  readonly asked?: string | undefined;
  /** The fields of a memory that the client asked for; ids are asked for beside them. */
  readonly fields?: readonly string[] | undefined;
}

export type AnswerFault =
  /** The memory is not the tenant's, or there is none. */
  | 'owner_unproven'
  /** Mem0's answer does not have the shape of its operation. */
  | 'answer_malformed'
  /** Mem0 says, or it is its way, that there is more than it gave, and there is no asking for the rest. */
  | 'answer_incomplete';

export type CheckedAnswer =
  | {
      readonly ok: true;
      readonly body: Json;
      readonly rows: number;
      /** Rows that are not this tenant's and were left out. */
      readonly withheld: number;
      /** Ids of the memories in the answer. */
      readonly memoryIds: readonly string[];
    }
  | {
      readonly ok: false;
      readonly reason: AnswerFault;
      /** Rows that are another's, in an answer of which nothing is passed on; absent when there are none. */
      readonly withheld?: number;
    };

export const MALFORMED: CheckedAnswer = { ok: false, reason: 'answer_malformed' };
export const INCOMPLETE: CheckedAnswer = { ok: false, reason: 'answer_incomplete' };
export const UNPROVEN: CheckedAnswer = { ok: false, reason: 'owner_unproven' };

/** Checks an answer of one shape. */
export type Reader = (
  space: Namespace,
  answer: unknown,
  context: AnswerContext,
  operation: Operation,
) => CheckedAnswer;
