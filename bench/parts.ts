import type { Spread } from './stats.ts';

/** The flush of a log beside a bare batched insert through the same SQL endpoint. */
export interface Sink {
  readonly rowsPerSecond: Spread;
  readonly barePerSecond: Spread;
  /** Of an insert into a table with the columns, constraints, indexes and row trigger of the audit log's. */
  readonly shapedPerSecond: Spread;
  /** Of the flush to the insert, each round with its own two neighbours. */
  readonly ratio: Spread;
  readonly rowsPerCall: Spread;
}

/** What a deploy uploads, and what it takes to be ready. */
export interface Build {
  readonly bytes: number;
  readonly gzipBytes: number;
  /** CPU from nothing to the first answer, above that of the null proxy. */
  readonly startupMs: Spread;
  /** What of it is spent before the first request: compiling and evaluating the bundle. */
  readonly evaluatedMs: Spread;
}

/** The verification of a log, offline, from a bundle. */
export interface Verification {
  readonly records: number;
  readonly seconds: number;
  readonly residentBytes: number;
}

/** What a read costs when there is much. */
export interface Scale {
  readonly name: 'tenants' | 'records' | 'spread';
  /** Of what there was how many. */
  readonly size: number;
  /** CPU of a request as a multiple of the null proxy's. */
  readonly ratio: number;
  /** That as a multiple of the same with one of them. */
  readonly beside: number;
}

/** What the platform itself takes for a part of what the gateway does. */
export interface Floor {
  /** What a Worker does that does this and what the steps before it do. */
  readonly text: string;
  readonly connections: number;
  /** Microseconds of CPU for each request. */
  readonly cpuUs: Spread;
  /** As a multiple of forwarding alone. */
  readonly ratio: Spread;
  /** Milliseconds above those of forwarding alone. */
  readonly addedP50: Spread;
  readonly addedP99: Spread;
}
