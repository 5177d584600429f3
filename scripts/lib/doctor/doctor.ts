import type { Given } from '../deploy/environment.ts';
import type { Wrangler } from '../deploy/wrangler.ts';
import { cloudflareChecks } from './cloudflare.ts';
import { databaseChecks } from './database.ts';
import type { Finding } from './finding.ts';
import { identityChecks } from './identity.ts';
import { mem0Checks } from './mem0.ts';
import { policyChecks } from './policies.ts';
import { settingsChecks } from './settings.ts';
import { transportChecks } from './transport.ts';

export interface DoctorParts {
  /** The folder of the policies. */
  readonly policies: string;
  /** Absent: what needs Cloudflare is left out. */
  readonly wrangler: Wrangler | undefined;
}

/** Checks all that a deployment needs, and gives each area's findings as soon as it has them. */
export async function* examine(given: Given, { policies, wrangler }: DoctorParts): AsyncGenerator<Finding> {
  const areas: readonly (() => Finding[] | Promise<Finding[]>)[] = [
    () => settingsChecks(given),
    ...(wrangler === undefined ? [] : [() => cloudflareChecks(given, wrangler)]),
    () => transportChecks(given),
    () => policyChecks(policies),
    () => identityChecks(given),
    () => databaseChecks(given),
    () => mem0Checks(given),
  ];
  for (const area of areas) yield* await area();
}
