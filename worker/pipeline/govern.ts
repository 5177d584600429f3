import type { Operation } from '../mem0/catalogue/types.ts';
import { asProblem } from '../problem.ts';
import type { AdmitVars } from './admit.ts';
import type { AuditVars } from './audit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { AuthorizeVars } from './authorize.ts';
import type { Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

type Before = TransportVars & AuditVars & AuthenticateVars & ValidateVars & AdmitVars & AuthorizeVars;

/** What a handler of the gateway's own API is given: everything that the stages before have established. */
export type Governed = Readonly<Before> & {
  /**
   * Makes the intent of a change durable, with the ids that it will touch. Whoever changes anything calls it first.
   * @throws Problem when that cannot be done.
   */
  readonly begin: (touched: readonly string[]) => Promise<void>;
};

/** What a handler answers. It checks no role: the policy has. @throws Problem */
export type GovernedHandler = (governed: Governed) => Promise<GovernedAnswer> | GovernedAnswer;

export interface GovernedAnswer {
  readonly body: object;
  /** Ids that the record of this request names. */
  readonly touched?: readonly string[];
  /** Rows of other owners in what Mem0 said, which were left out. */
  readonly withheld?: number;
}

export type GovernedHandlers = { readonly [operation: string]: GovernedHandler };

export interface GovernVars {
  governed?: { readonly touched: readonly string[]; readonly withheld: number };
}

/** What the gateway answers by itself ends here, where the rest goes on to be scoped and forwarded. */
export function govern(handlers: GovernedHandlers): Stage<Before, GovernVars> {
  return async (c, next) => {
    const { operation, serve } = c.get('request');
    if (serve !== 'evaluate') return next();
    const begin = async (touched: readonly string[]) => {
      c.set('governed', { touched, withheld: 0 });
      await c.get('recordIntent')();
    };
    const { body, touched = [], withheld = 0 } = await handlerFor(handlers, operation)({ ...c.var, begin });
    c.set('governed', { touched, withheld });
    return c.json(body);
  };
}

function handlerFor(handlers: GovernedHandlers, { id }: Operation): GovernedHandler {
  const handler = Object.hasOwn(handlers, id) ? handlers[id] : undefined;
  if (!handler) throw asProblem(new Error(`no handler for ${id}`));
  return handler;
}
