import { type Forked, forkScript } from '../world/fork.ts';
import type { Job, Load } from './types.ts';

/** Makes load from a process of its own. */
export interface Generator {
  /** @throws Error when it cannot connect, or its process ends. */
  run(job: Job): Promise<Load>;
  /** Ends the job that runs, if one does, once what was sent is answered. */
  halt(): void;
  stop(): Promise<void>;
}

type Said = { readonly load?: Load; readonly failed?: string };

export async function startGenerator(): Promise<Generator> {
  const process: Forked<Said> = await forkScript<Said>('load/main.ts');
  return {
    async run(job) {
      const { load, failed } = await process.ask(job);
      if (load === undefined) throw new Error(`the load generator failed: ${failed}`);
      return load;
    },
    halt: () => process.tell({ halt: true }),
    stop: () => process.stop(),
  };
}
