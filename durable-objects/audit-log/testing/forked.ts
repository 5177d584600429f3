import type { AuditRecord } from '../../../core/record.ts';
import { allLogs, checkEpochs, type Told } from './check-epochs.ts';
import { DAY, intent, MINUTE, outcome, read } from './entries.ts';
import { World } from './world.ts';

export const reads = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => read(`r${from + i}`));

/** A world that remembers what was told before its storage went back. */
export class Forked {
  readonly world = new World({ keepFlushedMs: 7 * DAY });
  readonly told: Told[] = [];

  append(...entries: Parameters<World['appended']>): Told[] {
    const told = this.world.appended(...entries);
    this.told.push(...told);
    return told;
  }

  objectBack(to: ReturnType<World['store']['snapshot']>): void {
    this.world.store.restore(to);
    this.world.sent.clear();
    this.world.restart();
  }

  /** Lets time pass, flush by flush, until the log acknowledges again. */
  async recover(): Promise<void> {
    const { world } = this;
    for (let turn = 0; turn < 60; turn++) {
      await world.flush();
      world.clock += MINUTE;
      if (world.machine.state.fork === null && turn > 0) break;
    }
    await world.settle();
    checkEpochs(world, this.told);
  }

  records(log: string): AuditRecord[] {
    return (allLogs(this.world).get(log) ?? []).map((text) => JSON.parse(text));
  }
}

/** The object is put back to three records, and Postgres holds six. */
export async function wentBack(): Promise<Forked> {
  const forked = new Forked();
  const { world } = forked;
  forked.append(...reads(0, 3), intent('open'), intent('done'));
  await world.settle();
  const before = world.store.snapshot();
  forked.append(outcome('done'), intent('later'), ...reads(3, 5));
  await world.settle();
  forked.objectBack(before);
  return forked;
}
