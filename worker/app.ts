import { Hono } from 'hono';
import { admit } from './pipeline/admit.ts';
import { problemResponse } from './pipeline/answer.ts';
import { audit } from './pipeline/audit.ts';
import { authenticate } from './pipeline/authenticate.ts';
import { authorize } from './pipeline/authorize.ts';
import { forward } from './pipeline/forward.ts';
import { govern } from './pipeline/govern.ts';
import { meter } from './pipeline/meter.ts';
import { open } from './pipeline/open.ts';
import { resolve } from './pipeline/resolve.ts';
import { scope } from './pipeline/scope.ts';
import type { Parts } from './pipeline/stage.ts';
import { transport } from './pipeline/transport.ts';
import { unscope } from './pipeline/unscope.ts';
import { validate } from './pipeline/validate.ts';
import { asProblem } from './problem.ts';
import type { Handlers } from './routes/index.ts';

/**
 * The way of a request. Each stage adds one typed value and hands on; a refusal is a thrown Problem, which
 * becomes the answer at once and reaches `audit` on its way out like every other ending.
 */
export function createApp(parts: Parts, handlers: Handlers) {
  // Hono's router sees one path: matching is the catalogue's, on the raw target.
  return new Hono({ getPath: () => '/' })
    .use(transport(parts)) //          raw target, request id, connection
    .use(open(handlers.open)) //       health, readiness, description: no record
    .use(audit(parts)) //              intent before, outcome after; gates the release
    .use(meter(parts)) //              refusals before admit count in the second window
    .use(authenticate(parts)) //       credential → principal
    .use(resolve()) //                 target → one catalogue row, or none
    .use(validate(parts)) //           content type, size, JSON, schema
    .use(admit(parts)) //              the actor's gate
    .use(authorize(parts)) //          facts → policy → decision
    .use(govern(handlers.governed)) // our own operations end here
    .use(scope(parts)) //              ids into the tenant's namespace, owners proven
    .use(forward()) //                 the call to Mem0
    .use(unscope(parts)) //            rows checked, ids restored
    .onError((error, c) => problemResponse(c, asProblem(error)));
}
