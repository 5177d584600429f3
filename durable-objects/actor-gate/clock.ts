/**
 * The object's clock: the wall clock plus an offset, never going back. Every stamp is in its milliseconds;
 * only durations leave the object.
 */
export interface Clock {
  /** The latest time that the clock has shown. */
  readonly mark: number;
  /** What is added to the wall clock. It only grows. */
  readonly offset: number;
}

/**
 * The clock at wall time `wall`, going on from `last` (none: it starts with the wall clock).
 *
 * A wall clock that jumps back stops the clock for that one reading; from there it runs on at the wall
 * clock's rate, because the jump goes into the offset. A jump ahead cannot be told from time passing.
 *
 * A restart reads a stored clock that may be behind the one that was running. The new clock then is behind
 * the old one and never ahead of it, so a stamp stays in its window longer and never leaves sooner.
 */
export function clockAt(last: Clock | undefined, wall: number): Clock {
  if (last === undefined) return { mark: wall, offset: 0 };
  const offset = Math.max(last.offset, last.mark - wall);
  return { mark: wall + offset, offset };
}
