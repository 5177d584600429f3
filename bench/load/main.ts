import { fire } from './fire.ts';
import type { Job } from './types.ts';

// The load generator, a process of its own: a job comes in, what came of it goes out.

process.on('message', (job: Job) => {
  void fire(job).then(
    (load) => process.send?.({ load }),
    (error: unknown) => process.send?.({ failed: String(error) }),
  );
});
// Ends with who started it, and not on a Ctrl-C that is meant for that one.
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
process.send?.({ ready: true });
