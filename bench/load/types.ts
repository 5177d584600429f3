/** What every request of a job is, but for its token. */
export interface Shot {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

/** A stretch of load. */
export interface Job {
  readonly port: number;
  readonly shot: Shot;
  /** One for each actor, taken in turn; a request without one when there is none. */
  readonly tokens: readonly string[];
  /** The actor who begins; absent: the first. */
  readonly from?: number;
  readonly connections: number;
  /** Nothing is sent later than this many milliseconds after the first request. */
  readonly durationMs: number;
  /** Or after this many requests, whichever comes first. */
  readonly most?: number;
  /** Also say when each request that was answered 2xx was sent and answered, by actor. */
  readonly intervals?: boolean;
}

/** An answer of 2xx: whose, and between which two times (milliseconds of the wall clock) it was given. */
export type Interval = readonly [actor: number, sentMs: number, answeredMs: number];

/** What came of a job. Everything that was sent was answered, or `errors` says what was not. */
export interface Load {
  readonly answered: number;
  /** From the first request to the last answer, in milliseconds. */
  readonly elapsedMs: number;
  readonly statuses: { readonly [status: string]: number };
  /** Milliseconds from writing a request to the end of its answer. */
  readonly latency: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  /** What broke, each kind with its number. */
  readonly errors: { readonly [kind: string]: number };
  readonly intervals?: readonly Interval[];
}
