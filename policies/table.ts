import { readFileSync } from 'node:fs';
import type { Json } from '../core/canonical.ts';

type Members = { readonly [name: string]: Json };

interface Expected {
  readonly allow: boolean;
  readonly reasons: readonly string[];
}

/** How an input differs from the base: members laid over it (objects are merged), then paths taken away. */
interface Change {
  readonly set?: Members;
  readonly unset?: readonly string[];
  /** The whole input instead. */
  readonly input?: Json;
}

interface Table {
  readonly base: Members;
  /** By role, then by whose tenant is asked for. */
  readonly matrix: {
    readonly [role: string]: {
      readonly [relation in 'own' | 'other']: readonly (Expected & { readonly action: string })[];
    };
  };
  readonly cases: readonly (Expected & { readonly inputs: readonly Change[] })[];
  /** Of every decision in the table. */
  readonly obligations: Members;
}

/** One row of the decision table: an input, and the decision that is due. */
export interface Row {
  readonly title: string;
  readonly input: Json;
  readonly decision: Expected & { readonly obligations: Members };
}

/** The decision table of `policies/tests/decisions.json`, the same that OPA's own tests run. */
export function decisionTable(): { readonly base: Members; readonly rows: readonly Row[] } {
  const url = new URL('tests/decisions.json', import.meta.url);
  // Parsed, not imported: as source text, a member named `__proto__` would set a prototype.
  const { decisions } = JSON.parse(readFileSync(url, 'utf8')) as { decisions: Table };
  const { base, matrix, cases, obligations } = decisions;
  const rows: Row[] = [];
  for (const [role, relations] of Object.entries(matrix)) {
    for (const [relation, expected] of Object.entries(relations)) {
      for (const { action, allow, reasons } of expected) {
        const resource_tenant = relation === 'own' ? base.tenant! : 'globex';
        const input = { ...base, action, roles: [role], resource_tenant };
        rows.push({
          title: `${role}, ${action}, ${relation} tenant`,
          input,
          decision: { allow, reasons, obligations },
        });
      }
    }
  }
  for (const { allow, reasons, inputs } of cases) {
    for (const change of inputs) {
      const input = changed(base, change);
      rows.push({ title: JSON.stringify(change), input, decision: { allow, reasons, obligations } });
    }
  }
  return { base, rows };
}

function changed(base: Members, change: Change): Json {
  if (change.input !== undefined) return change.input;
  let input = merged(base, change.set ?? {});
  for (const path of change.unset ?? []) input = without(input, path.split('/'));
  return input;
}

function merged(base: Members, over: Members): Members {
  const entries = Object.entries(over).map(([name, value]) => {
    const below = Object.hasOwn(base, name) ? base[name]! : null;
    return [name, isMembers(below) && isMembers(value) ? merged(below, value) : value] as const;
  });
  return Object.fromEntries([...Object.entries(base), ...entries]);
}

function without(members: Members, [name, ...rest]: readonly string[]): Members {
  const { [name as string]: value, ...others } = members;
  if (rest.length === 0 || value === undefined || !isMembers(value)) return others;
  return { ...others, [name as string]: without(value, rest) };
}

function isMembers(value: Json): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
