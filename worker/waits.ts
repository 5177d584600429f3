interface Wait {
  readonly until: number;
  readonly late: () => void;
}

/**
 * Several things that are waited for, and for how long. A timer costs about as much as the policy, and most that are
 * set never ring: all of these share one, which is set again only when it rings too early for those that are left. A
 * request shares one among its body, its gate, its records and Mem0; who asks owners or vaults or reads a log makes
 * another.
 */
export class Waits {
  readonly #waiting = new Set<Wait>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer rings; only `#arm` and `#ring` change the two. */
  #rings = Number.POSITIVE_INFINITY;

  /** Runs `late` in `ms` milliseconds. Returns a function that cancels it. */
  after(ms: number, late: () => void): () => void {
    const wait = { until: Date.now() + ms, late };
    this.#waiting.add(wait);
    if (wait.until < this.#rings) this.#arm(wait.until);
    return () => {
      this.#waiting.delete(wait);
    };
  }

  /** The promise's value, or `undefined` when it takes longer than `ms`. */
  async within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
    let over: (() => void) | undefined;
    const late = new Promise<undefined>((resolve) => {
      over = this.after(ms, () => resolve(undefined));
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      over?.();
    }
  }

  /** A signal that is aborted in `ms` milliseconds, and never once nothing is waited for any more. */
  signal(ms: number): AbortSignal {
    const controller = new AbortController();
    this.after(ms, () => controller.abort(new DOMException('It took too long.', 'TimeoutError')));
    return controller.signal;
  }

  /** Nothing is waited for any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
    this.#rings = Number.POSITIVE_INFINITY;
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#rings = at;
    this.#timer = setTimeout(() => this.#ring(), Math.max(0, at - Date.now()));
  }

  #ring(): void {
    this.#rings = Number.POSITIVE_INFINITY;
    const now = Date.now();
    for (const wait of [...this.#waiting].filter(({ until }) => until <= now)) {
      this.#waiting.delete(wait);
      wait.late();
    }
    if (this.#waiting.size > 0) this.#arm(Math.min(...[...this.#waiting].map(({ until }) => until)));
  }
}

/** `Waits.within` for whoever waits for one thing. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const waits = new Waits();
  try {
    return await waits.within(ms, promise);
  } finally {
    waits.end();
  }
}
