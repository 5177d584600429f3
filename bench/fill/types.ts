/** What a process that fills a log is told: first the log, then as often as it likes how far. */
export interface Fill {
  /** The storage of the log's object, which nobody else has open. */
  readonly file: string;
  readonly tenant: string;
  /** How Postgres is reached: as the gateway's writer, over HTTP. */
  readonly writerUrl: string;
  readonly endpoint: string;
  /** How many records there are to be, in the object and in Postgres. */
  readonly size: number;
}

export interface Filled {
  /** Records that were appended. */
  readonly appended: number;
}
