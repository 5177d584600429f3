import fc from 'fast-check';
import type { Rig } from '../integration/rig.ts';
import type { Condition, Ids, Model } from './model.ts';

export const TENANTS = ['acme', 'globex', 'initech'] as const;
type Tenant = (typeof TENANTS)[number];
const COLOURS = ['red', 'green', 'blue'];

/** The same few names in every tenant, and names that look like another tenant's, a wildcard or a path. */
const NAMES = [
  'ann',
  'acme:ann',
  'globex:ann',
  'a/b',
  '*x',
  '%2A',
  'ä ö'.replace(' ', '_'),
  'Ann',
  'ann~0',
  '..',
];

export type Step =
  | { readonly do: 'add'; readonly tenant: Tenant; readonly ids: Ids; readonly colour: string }
  | {
      readonly do: 'list' | 'search' | 'delete all';
      readonly tenant: Tenant;
      readonly dialect: 'oss' | 'platform';
      readonly ids: Ids;
      readonly condition: Condition;
    }
  | {
      readonly do: 'get' | 'change' | 'delete' | 'history';
      readonly tenant: Tenant;
      readonly dialect: 'oss' | 'platform';
      /** Which of the memories that there are, whoever's. */
      readonly which: number;
    }
  | { readonly do: 'batch'; readonly tenant: Tenant; readonly which: readonly number[] };

const tenant = fc.constantFrom(...TENANTS);
const dialect = fc.constantFrom('oss' as const, 'platform' as const);
const name = fc.constantFrom(...NAMES);
const ids: fc.Arbitrary<Ids> = fc
  .record({ user_id: name, agent_id: name, run_id: name }, { requiredKeys: [] })
  .filter((each) => Object.keys(each).length > 0);
const colour = fc.constantFrom(...COLOURS);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.constant({ is: 'any' as const }),
  fc.record({ is: fc.constantFrom('equal' as const, 'different' as const), colour }),
  fc.record({
    is: fc.constantFrom('one of' as const, 'none of' as const),
    colours: fc.uniqueArray(colour, { minLength: 1 }),
  }),
);
const which = fc.nat({ max: 30 });

export const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), tenant, ids, colour }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('list' as const, 'search' as const, 'search' as const, 'delete all' as const),
        ...{ tenant, dialect, ids, condition },
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('get' as const, 'change' as const, 'delete' as const, 'history' as const),
        ...{ tenant, dialect, which },
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('batch' as const),
        tenant,
        which: fc.uniqueArray(which, { minLength: 1, maxLength: 3 }),
      }),
    },
  ),
  { minLength: 4, maxLength: 24 },
);

/** What a step came to, where that is not what the model says: one line for a person. */
export type Difference = string | undefined;

interface Row {
  readonly id: string;
  readonly memory: string;
  readonly user_id?: string;
  readonly agent_id?: string;
  readonly run_id?: string;
}

/** Carries steps out on the gateway, and holds each answer against the model. */
export class Walker {
  readonly #rig: Rig;
  readonly #model: Model;
  readonly #tokens: { readonly [tenant in Tenant]: string };
  /** Put behind every name, so that walks do not meet. */
  readonly #suffix: string;
  #texts = 0;

  constructor(rig: Rig, model: Model, tokens: { readonly [tenant in Tenant]: string }, suffix: string) {
    this.#rig = rig;
    this.#model = model;
    this.#tokens = tokens;
    this.#suffix = suffix;
  }

  async take(step: Step): Promise<Difference> {
    switch (step.do) {
      case 'add':
        return this.#add(step);
      case 'list':
      case 'search':
        return this.#look(step);
      case 'delete all':
        return this.#deleteAll(step);
      case 'batch':
        return this.#batch(step);
      default:
        return this.#byId(step);
    }
  }

  async #add({
    tenant: of,
    ids: given,
    colour: metadata,
  }: Extract<Step, { do: 'add' }>): Promise<Difference> {
    const own = this.#named(given);
    const text = `memory ${++this.#texts} of ${of}`;
    const { status, json } = await this.#call(of, 'POST', '/memories', {
      messages: [{ role: 'user', content: text }],
      ...own,
      infer: false,
      metadata: { colour: metadata },
    });
    if (status !== 200) return `an addition was answered ${status}`;
    this.#model.add({ id: json.results[0].id, tenant: of, ids: own, text, colour: metadata });
    return undefined;
  }

  async #look(step: Extract<Step, { do: 'list' | 'search' | 'delete all' }>): Promise<Difference> {
    const own = this.#named(step.ids);
    const whole = step.do === 'list' && step.dialect === 'oss';
    const asked = whole ? { is: 'any' as const } : step.condition;
    const { status, json } = await this.#ask(step, own, asked);
    if (status !== 200) return `${step.do} was answered ${status}: ${JSON.stringify(json)}`;
    const rows = json.results as Row[];
    const expected = this.#model.visible(step.tenant, own, asked);
    for (const row of rows) {
      const memory = this.#model.own(step.tenant, row.id);
      if (!memory) return `${step.do} of ${step.tenant} gave a memory that is not its own`;
      if (row.memory !== memory.text) return `${step.do} gave another text than the memory has`;
      for (const kind of ['user_id', 'agent_id', 'run_id'] as const) {
        if (row[kind] !== memory.ids[kind]) return `${step.do} gave ${kind} as ${row[kind]}`;
      }
    }
    const [found, meant] = [rows.map(({ id }) => id).sort(), expected.map(({ id }) => id).sort()];
    if (found.join() === meant.join()) return undefined;
    return `${step.do} of ${step.tenant} gave ${found.length} memories and not ${meant.length}`;
  }

  #ask(step: Extract<Step, { do: 'list' | 'search' | 'delete all' }>, own: Ids, asked: Condition) {
    const bound = { top_k: 1000, threshold: 0 };
    if (step.dialect === 'platform') {
      const filters = {
        AND: [...Object.entries(own).map(([kind, id]) => ({ [kind]: id })), ...platform(asked)],
      };
      return step.do === 'list'
        ? this.#call(step.tenant, 'POST', '/v3/memories/', { filters, page_size: 200 })
        : this.#call(step.tenant, 'POST', '/v3/memories/search/', { query: 'memory', filters, ...bound });
    }
    if (step.do === 'list') {
      const query = new URLSearchParams({ ...own, top_k: '1000' });
      return this.#call(step.tenant, 'GET', `/memories?${query}`);
    }
    const filters = { ...own, ...oss(asked) };
    return this.#call(step.tenant, 'POST', '/search', { query: 'memory', filters, ...bound });
  }

  async #deleteAll(step: Extract<Step, { do: 'list' | 'search' | 'delete all' }>): Promise<Difference> {
    const own = this.#named(step.ids);
    const path = step.dialect === 'oss' ? '/memories' : '/v1/memories/';
    const { status } = await this.#call(step.tenant, 'DELETE', `${path}?${new URLSearchParams({ ...own })}`);
    this.#model.remove(this.#model.visible(step.tenant, own));
    return status === 200 ? undefined : `a delete by ids was answered ${status}`;
  }

  async #byId(step: Extract<Step, { which: number }>): Promise<Difference> {
    const all = this.#model.all();
    const target = all[step.which % Math.max(all.length, 1)];
    if (!target) return undefined;
    const path = step.dialect === 'oss' ? `/memories/${target.id}` : `/v1/memories/${target.id}/`;
    const own = this.#model.own(step.tenant, target.id);
    const expected = own ? 200 : 404;
    const text = `changed ${++this.#texts} by ${step.tenant}`;
    const { status, json } = await this.#one(step.do, step.tenant, path, text);
    if (status !== expected)
      return `${step.do} by ${step.tenant} of ${target.tenant}’s was answered ${status}`;
    if (!own) return JSON.stringify(json).includes(target.text) ? 'a refusal held the text' : undefined;
    if (step.do === 'get' && json.memory !== own.text) return 'get gave another text';
    if (step.do === 'change') this.#model.change(step.tenant, target.id, text);
    if (step.do === 'delete') this.#model.remove([own]);
    return undefined;
  }

  #one(what: 'get' | 'change' | 'delete' | 'history', of: Tenant, path: string, text: string) {
    switch (what) {
      case 'get':
        return this.#call(of, 'GET', path);
      case 'change':
        return this.#call(of, 'PUT', path, { text });
      case 'delete':
        return this.#call(of, 'DELETE', path);
      case 'history':
        return this.#call(of, 'GET', path.endsWith('/') ? `${path}history/` : `${path}/history`);
    }
  }

  /** All or nothing: one memory of somebody else, and none is changed. */
  async #batch({ tenant: of, which: chosen }: Extract<Step, { do: 'batch' }>): Promise<Difference> {
    const all = this.#model.all();
    if (all.length === 0) return undefined;
    const targets = [...new Set(chosen.map((at) => all[at % all.length]!))];
    const text = `batched ${++this.#texts} by ${of}`;
    const memories = targets.map(({ id }) => ({ memory_id: id, text }));
    const { status } = await this.#call(of, 'PUT', '/v1/batch/', { memories });
    const allowed = targets.every(({ tenant: owner }) => owner === of);
    if (status !== (allowed ? 200 : 404)) return `a batch by ${of} was answered ${status}`;
    if (allowed) for (const { id } of targets) this.#model.change(of, id, text);
    return undefined;
  }

  /** Every memory as its owner sees it, at the end: nobody else has changed one. */
  async settle(): Promise<Difference> {
    for (const memory of this.#model.all()) {
      const { status, json } = await this.#call(memory.tenant as Tenant, 'GET', `/memories/${memory.id}`);
      if (status !== 200 || json.memory !== memory.text)
        return `a memory of ${memory.tenant} was lost or changed`;
    }
    return undefined;
  }

  #named(given: Ids): Ids {
    return Object.fromEntries(Object.entries(given).map(([kind, id]) => [kind, `${id}${this.#suffix}`]));
  }

  #call(of: Tenant, method: string, path: string, body?: unknown) {
    return this.#rig.call(method, path, this.#tokens[of], body);
  }
}

function oss(condition: Condition): object {
  switch (condition.is) {
    case 'any':
      return {};
    case 'equal':
      return { colour: condition.colour };
    case 'different':
      return { NOT: [{ colour: condition.colour }] };
    case 'one of':
      return { OR: condition.colours.map((each) => ({ colour: each })) };
    case 'none of':
      return { colour: { nin: condition.colours } };
  }
}

function platform(condition: Condition): readonly object[] {
  switch (condition.is) {
    case 'any':
      return [];
    case 'equal':
      return [{ metadata: { colour: condition.colour } }];
    case 'different':
      return [{ NOT: [{ metadata: { colour: condition.colour } }] }];
    case 'one of':
      return [{ OR: condition.colours.map((each) => ({ metadata: { colour: each } })) }];
    case 'none of':
      return [{ metadata: { colour: { nin: condition.colours } } }];
  }
}
