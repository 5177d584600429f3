import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Rig, startRig } from '../../tests/integration/rig.ts';
import { type Generator, startGenerator } from '../load/generator.ts';
import type { Job } from '../load/types.ts';
import { LOW_LIMIT, type Scenario, TENANT } from '../scenarios.ts';
import { type Forked, forkScript } from './fork.ts';
import { Ledger } from './ledger.ts';
import { startNullProxy } from './null-proxy.ts';
import { coreCount, inGroup, pin } from './processes.ts';

export const WINDOW_MS = 60_000;

/** Something that requests are sent to, and the process of workerd that answers them. */
export interface Target {
  readonly port: number;
  readonly pid: number;
}

/** Everything that a measurement needs, running. */
export interface World {
  readonly gateway: Target;
  readonly proxy: Target;
  readonly generator: Generator;
  readonly ledger: Ledger;
  readonly rig: Rig;
  /** Who asks in a scenario, at most so many: a token for each, valid for an hour. */
  tokens(scenario: Scenario, most: number): Promise<string[]>;
  /** Ends the gateway, runs something while nobody else has its storage, and starts it again. */
  pause(run: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  /** Settings of the gateway beyond the bench's own. */
  readonly env?: { readonly [name: string]: string } | undefined;
  readonly tenants?: readonly string[];
  /** Where V8's inspector of the gateway listens; absent: nowhere. */
  readonly inspectorPort?: number;
}

/**
 * Starts the upstream, Postgres, the SQL endpoint, the gateway and the null proxy. With two cores or more, both workerds
 * get the first and everything else, this process too, the others.
 */
export async function startWorld({
  env = {},
  tenants = [TENANT],
  inspectorPort,
}: WorldOptions = {}): Promise<World> {
  coreCount();
  pin(process.pid, 'others');
  const parts: { stop(): Promise<void> }[] = [];
  const started = async <P extends { stop(): Promise<void> }>(starting: Promise<P>): Promise<P> => {
    const part = await starting;
    parts.unshift(part);
    return part;
  };
  const stop = async () => {
    for (const part of parts.splice(0)) await part.stop();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'mem0-governance-bench-'));
    parts.push({ stop: () => rm(folder, { recursive: true, force: true }) });
    const upstream: Forked<{ url: string }> = await started(forkScript('upstream/main.ts'));
    const { url } = upstream.ready;
    const rig = await started(
      startRig({
        mem0: { url, apiKey: 'upstream-key' },
        tenants,
        inspectorPort,
        env: {
          // The production's own, where the rig has a shorter one for tests that wait.
          AUDIT_FLUSH_INTERVAL_MS: '1000',
          RATE_LIMIT_REQUESTS: '100000',
          RATE_LIMIT_ADMIN_REQUESTS: String(LOW_LIMIT),
          RATE_LIMIT_WINDOW_SECONDS: String(WINDOW_MS / 1000),
          ...env,
        },
      }),
    );
    const proxy = await started(startNullProxy(url, folder));
    const generator = await started(startGenerator());
    const owner = await rig.database.as('audit_owner');
    const targetOf = (port: number, group: number): Target => {
      const pid = inGroup(group, 'workerd');
      pin(pid, 'measured');
      return { port, pid };
    };
    let gateway = targetOf(rig.port, rig.gateway.pid);
    return {
      get gateway() {
        return gateway;
      },
      proxy: targetOf(proxy.port, proxy.pid),
      generator,
      ledger: new Ledger(owner, join(rig.dir, 'objects', 'objects')),
      rig,
      tokens: ({ name, actors }, most) =>
        Promise.all(
          Array.from({ length: Math.min(most, actors?.count ?? 0) }, (_, i) =>
            rig.token(TENANT, actors!.role, `${name}-${i}`),
          ),
        ),
      async pause(run) {
        await rig.restartGateway({}, run);
        gateway = targetOf(rig.port, rig.gateway.pid);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The load of a scenario on a target. */
export function jobOf(
  scenario: Scenario,
  target: Target,
  load: Pick<Job, 'tokens' | 'from' | 'connections' | 'durationMs'> & { readonly most?: number },
): Job {
  return {
    port: target.port,
    shot: scenario.shot,
    ...load,
    ...(scenario.status === 429 ? { intervals: true } : {}),
  };
}
