import type { Context } from 'hono';
import { type Problem, renderProblem } from '../problem.ts';
import type { TransportVars } from './transport.ts';

/** The gateway's own paths answer with problem+json; on Mem0's the SDKs need plain JSON. */
const OWN_PATHS = /^\/(governance|health|ready|\.well-known)(\/|$)/;

// biome-ignore lint/suspicious/noExplicitAny: Hono's contexts of different variables do not convert into each other
type AnyContext = Context<any>;

/** Makes a problem the answer, in place of whatever answer there was. */
export function answerProblem(c: AnyContext, problem: Problem): void {
  dropAnswer(c);
  c.res = problemResponse(c, problem);
}

/** Drops the answer that there is: Hono would merge its headers into the next one. */
export function dropAnswer(c: AnyContext): void {
  c.res = undefined;
}

export function problemResponse(c: AnyContext, problem: Problem): Response {
  const { transport } = c.var as Partial<TransportVars>;
  const own = transport?.target.ok === true && OWN_PATHS.test(transport.target.path);
  return renderProblem(problem, transport?.requestId ?? '', !own && transport?.acceptsProblem !== true);
}
