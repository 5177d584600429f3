import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeExit, type Exit, startChild } from './child.ts';

const MAIN = fileURLToPath(new URL('./mem0/main.ts', import.meta.url));
const MIN_NODE = 24;

export interface Mem0Options {
  /** Where memories and history are kept; the same folder brings them back. */
  readonly dir: string;
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** Absent: a random one. */
  readonly apiKey?: string;
  /** A real, OpenAI-compatible language model. Absent: the deterministic stand-in. */
  readonly languageModel?: { readonly baseUrl: string; readonly apiKey: string; readonly model?: string };
  readonly log: (line: string) => void;
}

export interface Mem0 {
  readonly url: string;
  readonly apiKey: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
}

/**
 * Starts Mem0's own engine behind the REST dialect of its self-hosted server, in a process of its own. Embeddings
 * are made locally from a text's words.
 *
 * @throws Error on a Node too old for the engine's database, or when the process does not come up.
 */
export async function startMem0({ dir, port = 0, apiKey, languageModel, log }: Mem0Options): Promise<Mem0> {
  // Under an older Node the database's native code ends the process without a word.
  if (Number(process.versions.node.split('.')[0]) < MIN_NODE) {
    throw new Error(`Mem0 needs Node ${MIN_NODE} but this is ${process.versions.node}`);
  }
  const key = apiKey ?? randomBytes(24).toString('base64url');
  let listening: (port: number) => void = () => {};
  const ready = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const child = startChild({
    argv: [process.execPath, MAIN],
    env: {
      PATH: process.env.PATH,
      MEM0_TELEMETRY: 'false',
      MEM0_DIR: join(dir, 'config'),
      MEM0_LOCAL_DIR: dir,
      MEM0_LOCAL_PORT: String(port),
      MEM0_LOCAL_API_KEY: key,
      OPENAI_BASE_URL: languageModel?.baseUrl,
      OPENAI_API_KEY: languageModel?.apiKey,
      OPENAI_MODEL: languageModel?.model,
    },
    onLine: (line) => {
      log(line);
      const chosen = /^listening (\d+)$/.exec(line)?.[1];
      if (chosen !== undefined) listening(Number(chosen));
    },
  });
  const actual = await Promise.race([ready, child.exited]);
  if (typeof actual !== 'number') throw new Error(`Mem0 ${describeExit(actual)}`);
  return {
    url: `http://127.0.0.1:${actual}`,
    apiKey: key,
    pid: child.pid,
    exited: child.exited,
    stop: () => child.stop(),
    kill: () => child.kill(),
  };
}
