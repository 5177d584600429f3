export type State = 'ok' | 'failed' | 'unknown';

/** What one check found. Neither text ever holds a secret's value, nor what a driver said: drivers quote connection strings. */
export interface Finding {
  readonly area: string;
  readonly state: State;
  readonly what: string;
  /** How to mend it; absent when there is nothing to mend. */
  readonly remedy?: string;
}

/** The three kinds of finding, for one area. */
export function findings(area: string) {
  return {
    ok: (what: string): Finding => ({ area, state: 'ok', what }),
    failed: (what: string, remedy: string): Finding => ({ area, state: 'failed', what, remedy }),
    unknown: (what: string, remedy: string): Finding => ({ area, state: 'unknown', what, remedy }),
  };
}

/** 0: all is well; 1: something failed; 3: nothing failed, but something could not be found out. */
export function exitCodeOf(all: readonly Finding[]): 0 | 1 | 3 {
  if (all.some(({ state }) => state === 'failed')) return 1;
  return all.some(({ state }) => state === 'unknown') ? 3 : 0;
}

const LABELS: { readonly [state in State]: string } = {
  ok: 'ok     ',
  failed: 'FAILED ',
  unknown: 'unknown',
};

/** A finding as lines of text: what, and the remedy below it. */
export function linesOf({ area, state, what, remedy }: Finding): string[] {
  const line = `${LABELS[state]} ${area.padEnd(10)} ${what}`;
  return remedy === undefined ? [line] : [line, `${' '.repeat(19)}${remedy}`];
}
