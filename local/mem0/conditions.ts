/** What SQL makes of a condition: `null` where a row has no such key, and neither a thing nor its negation holds. */
type Truth = boolean | null;

interface Payload {
  readonly [key: string]: unknown;
}

/**
 * Whether a row fulfils a filter as the real server's store decides it: `payload->>'key'` compared as text, with
 * Postgres' three-valued logic. The engine's own local store compares values, and takes a row without the key for one
 * that differs.
 * @throws Error where Postgres or Python would: an order asked of what is no number.
 */
export function fulfils(payload: Payload, filters: object | undefined): boolean {
  return all(payload, filters ?? {}) === true;
}

function all(payload: Payload, filters: object): Truth {
  return conjunction(
    Object.entries(filters).map(
      ([key, value]) =>
        () =>
          one(payload, key, value),
    ),
  );
}

function one(payload: Payload, key: string, value: unknown): Truth {
  switch (key) {
    case '$and':
    case 'AND':
      return conjunction(groups(value).map((group) => () => all(payload, group)));
    case '$or':
    case 'OR':
      return disjunction(payload, value);
    case '$not':
    case 'NOT':
      return not(disjunction(payload, value));
    default:
      return field(payload, key, value);
  }
}

function field(payload: Payload, key: string, value: unknown): Truth {
  if (value === '*') return Object.hasOwn(payload, key);
  const text = asText(payload[key]);
  if (Array.isArray(value)) return isIn(text, value);
  if (typeof value === 'object' && value !== null) {
    return conjunction(
      Object.entries(value).map(
        ([operator, operand]) =>
          () =>
            compared(text, operator, operand),
      ),
    );
  }
  return text === null ? null : text === (typeof value === 'boolean' ? String(value) : spelt(value));
}

function compared(text: string | null, operator: string, operand: unknown): Truth {
  switch (operator) {
    case 'eq':
      return text === null ? null : text === spelt(operand);
    case 'ne':
      return text === null ? null : text !== spelt(operand);
    case 'in':
      return isIn(text, operand as unknown[]);
    case 'nin':
      return not(isIn(text, operand as unknown[]));
    case 'contains':
      return text === null ? null : text.includes(spelt(operand));
    case 'icontains':
      return text === null ? null : text.toLowerCase().includes(spelt(operand).toLowerCase());
    default:
      return ordered(text, operator, operand);
  }
}

function ordered(text: string | null, operator: string, operand: unknown): Truth {
  const bound = typeof operand === 'number' ? operand : Number(String(operand).trim() || Number.NaN);
  if (Number.isNaN(bound)) throw new Error(`could not convert string to float: '${spelt(operand)}'`);
  if (text === null) return null;
  const number = Number(text.trim() || Number.NaN);
  if (Number.isNaN(number)) throw new Error('invalid input syntax for type numeric');
  switch (operator) {
    case 'gt':
      return number > bound;
    case 'gte':
      return number >= bound;
    case 'lt':
      return number < bound;
    case 'lte':
      return number <= bound;
    default:
      throw new Error(`Unsupported metadata filter operator: ${operator}`);
  }
}

function isIn(text: string | null, list: readonly unknown[]): Truth {
  return text === null ? null : list.map(spelt).includes(text);
}

/** Stops at the first that is not true, as Postgres does, so that what comes later is not asked of a foreign row. */
function conjunction(conditions: readonly (() => Truth)[]): Truth {
  for (const condition of conditions) {
    const truth = condition();
    if (truth !== true) return truth;
  }
  return true;
}

function disjunction(payload: Payload, value: unknown): Truth {
  const truths = groups(value).map((group) => all(payload, group));
  if (truths.includes(true)) return true;
  return truths.includes(null) ? null : false;
}

function not(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

function groups(value: unknown): readonly object[] {
  if (!Array.isArray(value)) throw new Error('Invalid filter: a list of conditions is needed');
  return value;
}

/** `payload->>'key'`. */
function asText(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A value as Python's `str` spells it. */
function spelt(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return value === null ? 'None' : String(value);
}
