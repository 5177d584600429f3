import { fire } from './fire.ts';
import type { Job } from './types.ts';

// The load generator, a process of its own: a job comes in, what came of it goes out.

let running: AbortController | undefined;

process.on('message', (said: Job | { readonly halt: true }) => {
  if ('halt' in said) return running?.abort();
  running = new AbortController();
  void fire(said, running.signal).then(
    (load) => process.send?.({ load }),
    (error: unknown) => process.send?.({ failed: String(error) }),
  );
});
// Ends with who started it, and not on a Ctrl-C that is meant for that one.
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
process.send?.({ ready: true });
