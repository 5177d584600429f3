import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import published from './ocsf-1.9.json' with { type: 'json' };

/** The parts of OCSF that events use, as the published schema has them. */
interface Enumeration {
  readonly sibling: string | null;
  readonly captions: { readonly [id: string]: string };
}
interface Described {
  readonly required: readonly string[];
  readonly constraints?: { readonly at_least_one?: readonly string[] };
  readonly enums?: { readonly [attribute: string]: Enumeration };
  /** Type by attribute: a scalar's, or an object's name; `[]` after it for a list. */
  readonly attributes: { readonly [attribute: string]: string };
}
interface DescribedClass extends Described {
  readonly class_uid: number;
  readonly class_name: string;
  readonly category_uid: number;
  readonly category_name: string;
}
interface Published {
  readonly source: { readonly version: string };
  readonly classes: { readonly [name: string]: DescribedClass };
  readonly objects: { readonly [name: string]: Described };
  readonly types: {
    readonly [name: string]: { readonly base: string; readonly regex?: string; readonly max_len?: number };
  };
}

export const OCSF = published as unknown as Published;

type Schema = { readonly [keyword: string]: unknown };

const BASES: { readonly [base: string]: Schema } = {
  string_t: { type: 'string' },
  integer_t: { type: 'integer' },
  long_t: { type: 'integer' },
  boolean_t: { type: 'boolean' },
  json_t: {},
  // The generic object, `unmapped`: whatever the source has.
  object: { type: 'object' },
};

function schemaOfType(type: string): Schema {
  if (type.endsWith('[]')) return { type: 'array', items: schemaOfType(type.slice(0, -2)) };
  if (type in OCSF.objects) return { $ref: `#/$defs/${type}` };
  const scalar = OCSF.types[type];
  const base = BASES[scalar?.base ?? type];
  // An object that is not described here is one that no event of ours has.
  if (base === undefined) return { not: {} };
  return {
    ...base,
    ...(scalar?.regex === undefined ? {} : { pattern: scalar.regex }),
    ...(scalar?.max_len === undefined ? {} : { maxLength: scalar.max_len }),
  };
}

/** Attributes that are not the schema's are refused: they belong into `unmapped`. */
function schemaOf({ required, constraints, enums, attributes }: Described, more: Schema = {}): Schema {
  const properties = Object.entries(attributes).map(([name, type]) => [name, schemaOfType(type)]);
  return {
    type: 'object',
    properties: { ...Object.fromEntries(properties), ...more },
    additionalProperties: false,
    allOf: [
      { required },
      ...(constraints?.at_least_one === undefined
        ? []
        : [{ anyOf: constraints.at_least_one.map((name) => ({ required: [name] })) }]),
      ...Object.entries(enums ?? {}).flatMap(([name, { sibling, captions }]) => [
        { properties: { [name]: { enum: Object.keys(captions).map(Number) } } },
        ...Object.entries(captions).map(([id, caption]) => captioned(name, Number(id), sibling, caption)),
      ]),
    ],
  };
}

/** The text beside a number is its caption; beside 99, Other, it is the source's own and must be there. */
function captioned(name: string, id: number, sibling: string | null, caption: string): Schema {
  if (sibling === null) return {};
  const isThis = { properties: { [name]: { const: id } }, required: [name] };
  const fits =
    id === 99
      ? { required: [sibling], properties: { [sibling]: { type: 'string', minLength: 1 } } }
      : { properties: { [sibling]: { const: caption } } };
  return { anyOf: [{ not: isThis }, fits] };
}

function validatorOf(kind: DescribedClass): ValidateFunction {
  const { class_uid, class_name, category_uid, category_name } = kind;
  const types = Object.keys(kind.enums!.activity_id!.captions).map((id) => class_uid * 100 + Number(id));
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  return ajv.compile({
    $defs: Object.fromEntries(Object.entries(OCSF.objects).map(([name, object]) => [name, schemaOf(object)])),
    ...schemaOf(kind, {
      class_uid: { const: class_uid },
      class_name: { const: class_name },
      category_uid: { const: category_uid },
      category_name: { const: category_name },
      type_uid: { enum: types },
    }),
  });
}

const VALIDATORS = new Map(
  Object.values(OCSF.classes).map((kind) => [kind.class_uid, validatorOf(kind)] as const),
);

/** What is wrong with an event by the published schema; empty: nothing. */
export function ocsfFaults(event: { readonly [attribute: string]: unknown }): string[] {
  const validate = VALIDATORS.get(Number(event.class_uid));
  if (!validate) return [`class_uid ${String(event.class_uid)} is not one of ours`];
  if (event.type_uid !== Number(event.class_uid) * 100 + Number(event.activity_id)) {
    return ['type_uid is not made of class_uid and activity_id'];
  }
  if (validate(event)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    [instancePath || '/', message, JSON.stringify(params)].join(' '),
  );
}
