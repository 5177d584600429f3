import type { Json } from '../../../core/canonical.ts';
import type { ValidRequest } from '../validate.ts';

/** What a translation knows beside the request. */
export interface Carried {
  /** Scheme and host of the gateway, for links. */
  readonly origin: string;
  /** Names what the request did, where the Platform's answer does. */
  readonly eventId: string;
}

/**
 * How an operation of the Platform's dialect is carried out by a self-hosted server: as one or several operations of
 * its own dialect, each of which is scoped, forwarded and checked like any other, and whose checked answers are put
 * into the Platform's form. Both directions are pure.
 */
export interface Translation {
  /** @throws Problem for what a self-hosted server cannot honour. */
  readonly toOss: (request: ValidRequest) => ValidRequest | readonly ValidRequest[];
  /** @throws Problem when the answer cannot be given in full. */
  readonly fromOss: (bodies: readonly Json[], request: ValidRequest, carried: Carried) => Json;
  /** The answer names an event: its id is the tenant's before the answer is released. */
  readonly event?: true;
}
