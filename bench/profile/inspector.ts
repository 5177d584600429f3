/** A sampled stack's frame as V8 gives it, in a `.cpuprofile`. */
export interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    /** From 0. */
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  /** The node that ran, at each sample. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

const INTERVAL_US = 200;

/** Profiles a workerd's JavaScript, through its inspector, while something runs. @throws Error when it cannot. */
export async function profiled(port: number, run: () => Promise<void>): Promise<CpuProfile> {
  const found = await fetch(`http://127.0.0.1:${port}/json`);
  const [target] = (await found.json()) as { webSocketDebuggerUrl: string }[];
  if (!target) throw new Error('the inspector knows of nothing to profile');
  const session = await connect(target.webSocketDebuggerUrl);
  try {
    await session.ask('Profiler.enable');
    await session.ask('Profiler.setSamplingInterval', { interval: INTERVAL_US });
    await session.ask('Profiler.start');
    await run();
    const { profile } = (await session.ask('Profiler.stop')) as { profile: CpuProfile };
    return profile;
  } finally {
    session.close();
  }
}

interface Session {
  ask(method: string, params?: object): Promise<unknown>;
  close(): void;
}

function connect(url: string): Promise<Session> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let last = 0;
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(String(data));
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(`the inspector refused: ${error.message}`));
    else resolve?.(result);
  };
  socket.onclose = () => {
    for (const { reject } of waiting.values()) reject(new Error('the inspector went away'));
  };
  return new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('the inspector did not answer'));
    socket.onopen = () =>
      resolve({
        ask(method, params = {}) {
          const answer = Promise.withResolvers<unknown>();
          waiting.set(++last, answer);
          socket.send(JSON.stringify({ id: last, method, params }));
          return answer.promise;
        },
        close: () => socket.close(),
      });
  });
}
