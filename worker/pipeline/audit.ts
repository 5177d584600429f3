import type { Context } from 'hono';
import { parseLogName } from '../../core/names.ts';
import type { AppendEntry } from '../../core/rpc.ts';
import { breachEntry, type ClientTokens, intentEntry, type Known, outcomeEntry } from '../audit/entry.ts';
import { type Personal, tokensOf } from '../audit/personal.ts';
import { type LogTarget, NotRecorded, type Receipt } from '../audit/recorder.ts';
import { log } from '../log.ts';
import { Hold } from '../mem0/inflight.ts';
import { asProblem, Problem } from '../problem.ts';
import { Waits } from '../waits.ts';
import type { AdmitVars } from './admit.ts';
import { answerProblem } from './answer.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { AuthorizeVars } from './authorize.ts';
import type { ForwardVars } from './forward.ts';
import type { GovernVars } from './govern.ts';
import type { ResolveVars } from './resolve.ts';
import type { ScopeVars } from './scope.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { UnscopeVars } from './unscope.ts';

export interface AuditVars {
  /** Makes the intent of a change durable; `intent` is set then. @throws Problem when that cannot be done. */
  recordIntent: () => Promise<void>;
  /** The durable intent of a change; set before anything is changed. */
  intent?: Receipt;
  /** The bytes of Mem0's answers that this request holds. */
  hold: Hold;
  /** The bytes of its own body that this request holds. */
  bodyHold: Hold;
  /** What this request waits for within the gateway. */
  waits: Waits;
}

/** Everything that stages below may have added by the time a record is made. */
type Below = Partial<
  Pick<AuditVars, 'intent'> &
    AuthenticateVars &
    ResolveVars &
    AdmitVars &
    AuthorizeVars &
    GovernVars &
    ScopeVars &
    ForwardVars &
    UnscopeVars
>;

/**
 * Wraps everything below: the intent before a change, the outcome after it, and the release of the answer
 * only when its record is durable. Success, refusal and exception end alike.
 */
export function audit(parts: Parts): Stage<TransportVars & Below, AuditVars> {
  return async (c, next) => {
    const ended = parts.recorder.setOut();
    const waits = new Waits();
    const hold = new Hold(parts.inflight, waits);
    const bodyHold = new Hold(parts.bodies, waits);
    const records = new Records(parts, c, waits);
    c.set('waits', waits);
    c.set('hold', hold);
    c.set('bodyHold', bodyHold);
    c.set('recordIntent', () => records.intent());
    try {
      await records.outcome(await run(c, next));
    } finally {
      hold.release();
      bodyHold.release();
      waits.end();
      ended();
    }
  };
}

/** Runs everything below and says how it ended; by then the answer is in `c.res`. */
async function run(c: AuditContext, next: () => Promise<void>): Promise<Problem | undefined> {
  try {
    await next();
    if (c.error === undefined) return undefined;
  } catch (thrown) {
    // Hono hands only an Error to onError; libraries throw strings.
    answerProblem(c, asProblem(thrown));
  }
  const problem = asProblem(c.error);
  if (problem.code === 'internal') {
    log('internal_error', { request_id: c.get('transport').requestId, error: c.error?.name ?? 'no error' });
  }
  return problem;
}

/** What one request leaves in the log. */
class Records {
  readonly #parts: Parts;
  readonly #c: AuditContext;
  readonly #waits: Waits;
  /** Asked once: an outcome names the same client as its intent, and does not wait for a vault again. */
  #client: Promise<ClientTokens> | undefined;

  constructor(parts: Parts, c: AuditContext, waits: Waits) {
    this.#parts = parts;
    this.#c = c;
    this.#waits = waits;
  }

  /** Makes the intent of a change durable. @throws Problem when that cannot be done. */
  async intent(): Promise<void> {
    const c = this.#c;
    const known = { ...this.#known(c.var), client: await this.#clientOf(c.var) };
    try {
      c.set('intent', await this.#append(intentEntry(known), undefined));
    } catch (error) {
      throw unrecorded(error, known);
    }
  }

  /** Makes durable how the request ended; without that the answer becomes another. */
  async outcome(refused: Problem | undefined): Promise<void> {
    const c = this.#c;
    // Hono makes them anew for each look.
    const vars = c.var;
    const { intent } = vars;
    let problem = refused;
    let client: ClientTokens = {};
    try {
      client = await this.#clientOf(vars);
    } catch (error) {
      // What was going to be answered is not; that is recorded without the client.
      problem ??= asProblem(error);
      answerProblem(c, problem);
    }
    const known = { ...this.#known(vars, problem, c.res.status), client };
    const entries = [outcomeEntry(known), ...(known.withheld > 0 ? [breachEntry(known)] : [])];
    if (known.withheld > 0) {
      const { requestId } = known.transport;
      log('isolation_breach', {
        request_id: requestId,
        operation: known.operation?.id ?? '',
        rows: known.withheld,
      });
    }
    try {
      // All have ended before the request has: nobody would send one again whose batch was lost.
      const ended = await Promise.allSettled(entries.map((entry) => this.#append(entry, intent)));
      for (const each of ended) if (each.status === 'rejected') throw each.reason;
      const [outcome] = ended;
      if (known.identity && outcome?.status === 'fulfilled') nameRecord(c, outcome.value);
    } catch (error) {
      answerProblem(c, unrecorded(error, known));
      if (intent) nameRecord(c, intent);
    }
  }

  #append(entry: AppendEntry, intent: Receipt | undefined): Promise<Receipt> {
    const { recorder, patience } = this.#parts;
    const target = intent ? targetOf(intent) : recorder.target(entry.members.tenant);
    const patienceMs = intent ? patience.outcomeMs : patience.recordMs;
    const waitUntil = (promise: Promise<unknown>) => this.#c.executionCtx.waitUntil(promise);
    return recorder.append(target, entry, waitUntil, patienceMs, this.#waits);
  }

  #known(vars: Vars, problem?: Problem, status?: number): Known {
    return whatIsKnown(vars, this.#parts.gate.windowMs, problem, status);
  }

  #clientOf(vars: Vars): Promise<ClientTokens> {
    this.#client ??= clientTokens(this.#parts.personal, vars);
    return this.#client;
  }
}

type AuditContext = Context<{ Variables: TransportVars & Below & AuditVars }>;

/** What the stages have said so far. */
type Vars = Readonly<TransportVars & Below>;

/** An outcome goes to its intent's log, whatever shard this isolate writes to now. */
function targetOf(intent: Receipt): LogTarget {
  const name = parseLogName(intent.log);
  if (!name) throw new Error('a receipt names no log');
  return { tenant: name.tenant, shard: name.shard };
}

function whatIsKnown(vars: Vars, rateWindowMs: number, problem?: Problem, status?: number): Known {
  return {
    transport: vars.transport,
    identity: vars.identity,
    session: vars.principal?.session,
    operation: vars.match?.kind === 'row' ? vars.match.operation : undefined,
    decision: vars.decision,
    touched: [
      ...(vars.scoped?.touched ?? []),
      ...(vars.checked?.memoryIds ?? []),
      ...(vars.governed?.touched ?? []),
    ],
    cut: vars.scoped?.cut ?? false,
    problem,
    status,
    upstream: vars.upstream ?? [],
    calls: vars.scoped?.calls.map(({ request }) => request.params.memory_id) ?? [],
    intent: vars.intent,
    withheld: [vars.scoped, vars.checked, vars.governed].reduce(
      (sum, each) => sum + (each?.withheld ?? 0),
      0,
    ),
    admitted: vars.admission?.admitted === true,
    rateWindowMs,
  };
}

/** The problem that a missing record is; the caller of a forwarded change learns that it may have happened. */
function unrecorded(error: unknown, { transport, intent }: Known): Problem {
  const code = error instanceof NotRecorded ? error.code : 'internal';
  log('audit_append_failed', { request_id: transport.requestId, code });
  if (!intent) return new Problem('audit_unavailable', { reason: `audit_${code}` });
  log('audit_outcome_lost', { request_id: transport.requestId, log: intent.log, index: intent.index });
  return new Problem('audit_outcome_unrecorded', { reason: `audit_${code}` });
}

/** Every governed answer names its record. */
function nameRecord(c: AuditContext, { log: name, index, leaf }: Receipt): void {
  c.res.headers.set('audit-record', `${name}/${index};${leaf}`);
}

/** Address and user agent of an admitted request. Whoever is not admitted may send any number of them. @throws Problem */
async function clientTokens(
  personal: Personal,
  { transport, identity, admission }: Vars,
): Promise<ClientTokens> {
  if (identity === undefined || admission?.admitted !== true) return {};
  const { address, userAgent } = transport;
  const values = [
    ...(address.whole === undefined ? [] : [{ kind: 'address', value: address.whole }]),
    ...(userAgent === undefined ? [] : [{ kind: 'agent', value: userAgent }]),
  ];
  const tokens = await tokensOf(personal, identity.tenant, values);
  const of = (kind: string) => tokens[values.findIndex((value) => value.kind === kind)];
  const [client, agent] = [address.whole === undefined ? address.cut : of('address'), of('agent')];
  return { ...(client === undefined ? {} : { client }), ...(agent === undefined ? {} : { agent }) };
}
