import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeMem0, startFakeMem0 } from '../fakes/mem0.ts';
import { type Answer, type Rig, startRig } from './rig.ts';

// Requests made from the description that the gateway itself serves, and its answers held against it.

interface Schema {
  readonly [member: string]: unknown;
  readonly type?: string;
  readonly properties?: { readonly [name: string]: Schema };
}
interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly schema: Schema;
}
interface Described {
  readonly operationId: string;
  readonly security: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: { readonly [type: string]: { readonly schema: Schema } } };
  readonly responses: {
    readonly [status: string]: { readonly content: { readonly [type: string]: { readonly schema: Schema } } };
  };
}
interface Document {
  readonly paths: { readonly [path: string]: { readonly [method: string]: Described } };
}

let mem0: FakeMem0;
let rig: Rig;
let token: string;
let document: Document;
const ajv = new Ajv2020({ strict: false, validateFormats: false });

beforeAll(async () => {
  mem0 = await startFakeMem0();
  rig = await startRig({ mem0: { url: mem0.url, apiKey: 'key' } });
  token = await rig.token('acme', ['admin'], 'ada');
  document = (await rig.call('GET', '/governance/v1/openapi.json')).json;
  ajv.addSchema(document, 'openapi.json');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

/** The answer is one that the description lists, of the type and shape that it says. */
function described({ responses, operationId }: Described, answer: Answer): void {
  const type = answer.headers.get('content-type')!.split(';')[0]!;
  const schema = responses[answer.status]?.content[type]?.schema;
  expect(schema, `${operationId} ${answer.status} ${type}`).toBeDefined();
  const pointer = schema!.$ref as string | undefined;
  const validate = ajv.compile(pointer ? { $ref: `openapi.json${pointer}` } : schema!);
  expect(validate(answer.json), `${operationId}: ${ajv.errorsText(validate.errors)}`).toBe(true);
}

/** Values that fit a schema of the kinds that the document has. */
function valuesFor(schema: Schema): fc.Arbitrary<unknown> {
  const { type, properties } = schema;
  if (Array.isArray(schema.anyOf)) return fc.oneof(...(schema.anyOf as Schema[]).map(valuesFor));
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
  switch (type) {
    case 'integer':
      return fc.integer({ min: Number(schema.minimum), max: Number(schema.maximum) });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valuesFor(schema.items as Schema), {
        minLength: Number(schema.minItems ?? 0),
        maxLength: Number(schema.maxItems ?? 3),
      });
    case 'object': {
      const model = Object.fromEntries(Object.entries(properties ?? {}).map(([k, v]) => [k, valuesFor(v)]));
      return fc.record(model, { requiredKeys: (schema.required ?? []) as string[] });
    }
    case 'string':
      return textOf(schema);
    default:
      return fc.jsonValue({ maxDepth: 3 });
  }
}

function textOf({ pattern, format, minLength = 0, maxLength = 64 }: Schema): fc.Arbitrary<string> {
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern));
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time') {
    const noInvalidDate = true;
    return fc
      .date({ noInvalidDate, min: new Date('2000-01-01'), max: new Date('2100-01-01') })
      .map((date) => date.toISOString());
  }
  const most = Math.min(Number(maxLength), 100);
  return fc.string({
    unit: fc.constantFrom(...'aZ9 /?&=%*\'"é{}$;-'),
    minLength: Number(minLength),
    maxLength: most,
  });
}

interface Made {
  readonly path: { readonly [name: string]: unknown };
  readonly query: { readonly [name: string]: unknown };
  readonly body: unknown;
}

function requestsOf({ parameters = [], requestBody }: Described): fc.Arbitrary<Made> {
  const of = (place: string) => {
    const own = parameters.filter((parameter) => parameter.in === place);
    const model = Object.fromEntries(own.map(({ name, schema }) => [name, valuesFor(schema)]));
    return fc.record(model, place === 'path' ? {} : { requiredKeys: [] });
  };
  const schema = requestBody?.content['application/json']?.schema;
  return fc.record({
    path: of('path'),
    query: of('query'),
    body: schema ? valuesFor(schema) : fc.constant(undefined),
  });
}

function targetOf(template: string, { path, query }: Made): string {
  const filled = template.replace(/\{([a-z]+)\}/g, (_, name: string) =>
    encodeURIComponent(String(path[name])),
  );
  const search = new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)]));
  return search.size === 0 ? filled : `${filled}?${search}`;
}

async function every(use: (template: string, method: string, operation: Described) => Promise<void>) {
  for (const [template, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      await use(template, method.toUpperCase(), operation);
    }
  }
}

describe('requests made from the description', () => {
  it('get answers that the description lists, and never a 5xx', async () => {
    const seen = new Set<string>();
    await every(async (template, method, operation) => {
      await fc.assert(
        fc.asyncProperty(requestsOf(operation), async (made) => {
          const answer = await rig.call(method, targetOf(template, made), token, made.body);
          expect(answer.status, JSON.stringify(answer.json)).toBeLessThan(500);
          seen.add(`${operation.operationId} ${answer.status}`);
          described(operation, answer);
        }),
        { numRuns: 60 },
      );
    });
    for (const id of ['audit.list', 'explain', 'whoami', 'health', 'ready', 'openapi']) {
      expect([...seen]).toContain(`governance.${id} 200`);
    }
  });

  it('with a parameter more are refused, as the description says', async () => {
    await every(async (template, method, operation) => {
      if (operation.security.length === 0) return;
      const [made] = fc.sample(requestsOf(operation), 1) as [Made];
      const target = targetOf(template, { ...made, query: { surplus: '1' } });
      const answer = await rig.call(method, target, token, made.body);
      expect(answer.status).toBe(400);
      described(operation, answer);
    });
  });

  it('without a token are refused, but for the public ones', async () => {
    await every(async (template, method, operation) => {
      const [made] = fc.sample(requestsOf(operation), 1) as [Made];
      const answer = await rig.call(method, targetOf(template, { ...made, query: {} }), undefined, made.body);
      expect(answer.status === 401).toBe(operation.security.length > 0);
      described(operation, answer);
    });
  });
});
