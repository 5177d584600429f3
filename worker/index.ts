import tenants from '#tenants';
import openapi from '../docs/openapi.json?raw';
import { ActorGateObject } from '../durable-objects/actor-gate/actor-gate.ts';
import { AuditLogObject } from '../durable-objects/audit-log/audit-log.ts';
import { classify } from '../durable-objects/audit-log/neon.ts';
import { OwnerIndexObject } from '../durable-objects/owner-index/owner-index.ts';
import { PersonalVaultObject } from '../durable-objects/personal-vault/personal-vault.ts';
import { createApp } from './app.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { log, logNamed } from './log.ts';
import { auditLogSettings, buildParts, OWNER_RETENTION_MS, personalVaultSettings } from './parts.ts';
import { Problem, renderProblem } from './problem.ts';
import { wakeVaults } from './rekey.ts';
import { handlers } from './routes/index.ts';
import { ensurePartitions, probes } from './routes/probes.ts';
import { readDeployed } from './tenants.ts';

const DEPS = { log: logNamed };

export class ActorGate extends ActorGateObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, { reservationSlots: config(env).RATE_LIMIT_RESERVATION });
  }
}

export class AuditLog extends AuditLogObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, auditLogSettings(config(env)), DEPS);
  }
}

export class OwnerIndex extends OwnerIndexObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, { retentionMs: OWNER_RETENTION_MS });
  }
}

export class PersonalVault extends PersonalVaultObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, personalVaultSettings(config(env)), DEPS);
  }
}

type Settings = { readonly [name: string]: unknown };
type App = ReturnType<typeof createApp>;
let built: { readonly env: Env; readonly app: App } | undefined;

let read: { readonly env: Env; readonly config: Config } | undefined;

/** The settings, read once per isolate: each object asks for them when it starts. @throws ConfigError */
function config(env: Env): Config {
  if (read?.env !== env) read = { env, config: readConfig(env as unknown as Settings) };
  return read.config;
}

/** The app of this isolate, built with its first request. @throws ConfigError */
function appFor(env: Env): App {
  if (built?.env !== env) {
    const { config, silos } = readDeployed(tenants, env as unknown as Settings);
    const parts = buildParts(config, silos, env);
    built = { env, app: createApp(parts, handlers(parts, probes(parts, env), openapi)) };
  }
  return built.app;
}

/** Tells the operator why nothing can be done for this environment. */
function logMisconfigured(error: unknown): void {
  const problems =
    error instanceof ConfigError ? error.problems.join('; ') : 'the gateway could not be built';
  log('misconfigured', { problems });
}

export default {
  async fetch(request, env, ctx) {
    let app: App;
    try {
      app = appFor(env);
    } catch (error) {
      logMisconfigured(error);
      const answer = renderProblem(new Problem('misconfigured', { reason: 'misconfigured' }), '', true);
      answer.headers.set('cache-control', 'no-store');
      return answer;
    }
    const answer = Promise.resolve(app.fetch(request, env, ctx));
    // A client that goes away does not end its request: its outcome is still recorded.
    ctx.waitUntil(answer.catch(() => undefined));
    return answer;
  },

  /** Months ahead, so that no insert ever meets a missing partition; and values that an old key still encrypts. */
  async scheduled(_controller, env) {
    let settings: Config;
    try {
      settings = config(env);
    } catch (error) {
      logMisconfigured(error);
      return;
    }
    try {
      await ensurePartitions(settings);
    } catch (error) {
      log('partitions_failed', { failure: classify(error).label });
    }
    try {
      await wakeVaults(settings, env);
    } catch {
      log('rekey_failed', {});
    }
  },
} satisfies ExportedHandler<Env>;
