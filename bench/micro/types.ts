/** One small thing that the gateway does, on its own. */
export interface MicroLine {
  readonly name: string;
  /** Microseconds a call. */
  readonly p50Us: number;
  readonly p99Us: number;
}
