import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppendEntry } from '../../core/rpc.ts';
import { Checkpointer } from '../../durable-objects/audit-log/checkpoints.ts';
import { Flusher } from '../../durable-objects/audit-log/flush.ts';
import { AuditMachine } from '../../durable-objects/audit-log/machine.ts';
import { neonSink } from '../../durable-objects/audit-log/neon.ts';
import { SETTINGS } from '../../durable-objects/audit-log/testing/entries.ts';
import { leafAt } from '../../durable-objects/audit-log/tree.ts';
import { MemoryStore } from '../../durable-objects/storage/testing/store.ts';

/**
 * What becomes of a call. All but `refuse` let it through, `late` after 300 ms and `overdue` after two seconds; then nobody hears of it (`lose`), nobody in time (`slow`, and
 * `drip`, which sends a byte now and then), or half of it is heard (`reset`).
 */
export type Answer =
  | 'pass'
  | 'lose'
  | 'slow'
  | 'drip'
  | 'reset'
  | 'refuse'
  | 'late'
  | 'overdue'
  | {
      readonly status: number;
      readonly body: string;
      readonly headers?: { readonly [name: string]: string };
    };

export interface SpoilingProxy {
  readonly url: string;
  /** Taken from the front, one a call; then all pass. */
  answers: Answer[];
  /** Whether the next quarantine's answer is lost. */
  loseQuarantine: boolean;
  stop(): Promise<void>;
}

/** Stands before a SQL endpoint and spoils its answers. */
export async function startProxy(target: () => string): Promise<SpoilingProxy> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    let answer = proxy.answers.shift() ?? 'pass';
    if (proxy.loseQuarantine && body.includes('audit.quarantine')) {
      proxy.loseQuarantine = false;
      answer = 'lose';
    }
    if (typeof answer === 'object') {
      response.writeHead(answer.status, answer.headers).end(answer.body);
      return;
    }
    if (answer === 'refuse') response.destroy();
    else await pass(response, answer, target(), request.headers, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: SpoilingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sql`,
    answers: [],
    loseQuarantine: false,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return proxy;
}

async function pass(
  response: ServerResponse,
  how: Exclude<Answer, object | 'refuse'>,
  target: string,
  headers: NodeJS.Dict<string | string[]>,
  body: string,
): Promise<void> {
  const neon = Object.entries(headers).filter(([name]) => name.startsWith('neon-')) as [string, string][];
  try {
    if (how === 'late') await sleep(300);
    if (how === 'overdue') await sleep(2000);
    const answer = await fetch(target, { method: 'POST', headers: Object.fromEntries(neon), body });
    const text = await answer.text();
    if (how === 'lose') response.destroy();
    if (how === 'slow') await sleep(600);
    if (how === 'reset') {
      response.writeHead(answer.status, { 'content-length': String(Buffer.byteLength(text)) });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
      return;
    }
    if (how === 'drip') {
      response.writeHead(answer.status);
      for (const byte of text) {
        if (response.destroyed) return;
        response.write(byte);
        await sleep(50);
      }
      response.end();
      return;
    }
    if (!response.destroyed) response.writeHead(answer.status).end(text);
  } catch {
    response.destroy();
  }
}

/** A log's object in Node, with the real way to Postgres. */
export function auditRig(writerUrl: string, endpoint: string, timeoutMs = 10_000) {
  const store = new MemoryStore();
  const logged: [string, object][] = [];
  let url = writerUrl;
  let skewMs = 0;
  const now = () => Date.now() + skewMs;
  const start = () => {
    const machine = new AuditMachine(store, SETTINGS, { tenant: 'acme', shard: 0 });
    const flusher = new Flusher({
      machine,
      sink: neonSink(url, endpoint, timeoutMs),
      log: (event, fields) => logged.push([event, fields]),
      now,
      batchRows: SETTINGS.batchRows,
      intervalMs: SETTINGS.flushIntervalMs,
      random: () => 0.5,
    });
    const checkpointer = new Checkpointer({
      ...{ machine, sink: neonSink(url, endpoint, timeoutMs), now: Date.now },
      log: (event, fields) => logged.push([event, fields]),
      flush: () => flusher.flush(),
      compare: (state) => flusher.compare(state),
      origin: SETTINGS.origin,
      signer: SETTINGS.signer,
      intervalMs: SETTINGS.checkpointIntervalMs,
      newId: randomUUID,
    });
    return { machine, flusher, checkpointer };
  };
  let running = start();
  return {
    logged,
    get machine() {
      return running.machine;
    },
    get flusher() {
      return running.flusher;
    },
    get checkpointer() {
      return running.checkpointer;
    },
    get events() {
      return logged.map(([event]) => event);
    },
    /** The leaf hashes that the callers are told. @throws when one is refused */
    append(...entries: AppendEntry[]): string[] {
      return running.machine.append(entries, now()).map((answer) => {
        if (!answer.ok) throw new Error(answer.code);
        return answer.leaf;
      });
    },
    restart() {
      running = start();
    },
    /** Moves the object's clock. */
    pass(ms: number) {
      skewMs += ms;
    },
    snapshot: () => store.snapshot(),
    /** The object's storage as it was, and a new start over it. */
    goBack(to: ReturnType<typeof store.snapshot>) {
      store.restore(to);
      running = start();
    },
    /** Another database, as after a change of settings and the restart that it brings. */
    connect(to: string) {
      url = to;
      running = start();
    },
    held: () =>
      store
        .exec<{ epoch: number; idx: number; text: string }>('SELECT * FROM record ORDER BY idx')
        .map(({ epoch, idx, text }) => ({ text, leaf: leafAt(store, epoch, idx) })),
  };
}
