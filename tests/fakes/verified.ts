import { canonical, type Json } from '../../core/canonical.ts';
import { Frontier, hashLeaf } from '../../core/merkle.ts';
import type { Head, Section } from '../../scripts/lib/verify/sections.ts';
import { type Report, type Source, verify } from '../../scripts/lib/verify/verify.ts';
import { SIGNER, type SignedLog, sectionsOf, signedLog, WITNESS } from './signed-log.ts';

export const LOG = 'acme~0~1';
export const [RECORDS, EVERY] = [40, 8];
export const GOOD = signedLog({ log: LOG, records: RECORDS, every: EVERY });
export const OTHER = signedLog({ log: 'acme~1~1', records: 17, every: EVERY });
export const FOREIGN = signedLog({ log: 'globex~0~1', records: RECORDS, every: EVERY });
export const KEYS = [SIGNER.verifier, WITNESS];

export function treeOf(texts: readonly string[]): Frontier {
  const tree = new Frontier();
  for (const text of texts) tree.append(hashLeaf(Buffer.from(text)));
  return tree;
}

export const headOf = ({ log, texts }: SignedLog, size = texts.length): Head => ({
  ...{ log, size, root: treeOf(texts.slice(0, size)).root, by: 'the auditor' },
});

export function sourceOf(sections: readonly Section[], current = true): Source {
  return {
    ...{ name: 'the source', current },
    async *sections() {
      yield sections;
    },
  };
}

export const check = (
  logs: readonly SignedLog[],
  heads: readonly Head[] = [],
  keys = KEYS,
): Promise<Report> => verify({ sources: [sourceOf(sectionsOf('acme', logs))], keys, heads });

/** The log with other texts, under the checkpoints that it had. */
export const withTexts = (texts: readonly string[]): SignedLog => ({ ...GOOD, texts });

/** A record changed, and its text canonical again. */
export function edited(text: string, change: (record: { [member: string]: Json }) => void): string {
  const record = JSON.parse(text) as { [member: string]: Json };
  change(record);
  return canonical(record);
}
