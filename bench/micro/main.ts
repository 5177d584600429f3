import { measure } from './measure.ts';
import { pureMicros } from './pure.ts';
import { recordMicros } from './records.ts';
import { tokenMicros } from './tokens.ts';
import type { MicroLine } from './types.ts';

// The micro-benches, in a process of their own: what the bench itself has run would have shaped the compiled code.

const lines: MicroLine[] = [];
for (const micro of [...(await tokenMicros()), ...pureMicros(), ...recordMicros()])
  lines.push(await measure(micro));
process.send?.({ lines });
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
