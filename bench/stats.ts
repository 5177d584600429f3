/** The middle of the values; between two of them, their mean. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** The smallest value that at least the share `q` (0 < q ≤ 1) of a sorted list does not exceed. NaN of none. */
export function percentile(sorted: Float64Array | readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** The median of repeated measurements and how far apart they lay. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError of no values: a median of nothing is no figure. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('there is no value');
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}
