import { Frontier, hashLeaf } from '../../../core/merkle.ts';
import { formatVerifierKey, type VerifierKey } from '../../../core/note.ts';
import { sectionLines } from './bundle.ts';
import { GrownTree } from './grown-tree.ts';
import type { Section } from './sections.ts';

/**
 * Hands sections on, and writes each as a bundle has it: with the keys that an auditor will want, and behind each
 * checkpoint the proof that it goes on from the one before. Nothing is handed on before it is written.
 */
export async function* writeBundle(
  sections: AsyncIterable<readonly Section[]>,
  keys: readonly VerifierKey[],
  write: (text: string) => Promise<void>,
): AsyncGenerator<readonly Section[], void> {
  const proofs = new Proofs();
  let log = '';
  for await (const batch of sections) {
    let text = '';
    for (const section of batch) {
      if (section.kind === 'log') log = section.log;
      text += sectionLines(section, log);
      if (section.kind === 'tenant') {
        text += sectionLines({ kind: 'keys', keys: keys.map(formatVerifierKey) }, log);
      }
      const proof = proofs.after(section);
      if (proof) text += sectionLines(proof, log);
    }
    await write(text);
    yield batch;
  }
}

class Proofs {
  #tree: GrownTree | undefined;
  #next = 0;
  #proven = 0;

  after(section: Section): Section | undefined {
    if (section.kind === 'log') {
      [this.#next, this.#proven] = [section.start, section.start];
      this.#tree = new GrownTree(new Frontier(section.start, section.frontier));
    }
    // Where a record is missing or doubled nothing can be proven any more.
    if (section.kind === 'leaves') {
      if (section.first !== this.#next) this.#tree = undefined;
      for (const bytes of section.leaves) this.#tree?.append(hashLeaf(bytes));
      this.#next = section.first + section.leaves.length;
    }
    if (section.kind !== 'checkpoint' || this.#tree === undefined || section.size !== this.#next)
      return undefined;
    const from = this.#proven;
    this.#proven = section.size;
    return { kind: 'consistency', from, to: section.size, proof: this.#tree.prove() };
  }
}
