import { measureAll } from './measure.ts';
import { pureMicros } from './pure.ts';
import { recordMicros } from './records.ts';
import { tokenMicros } from './tokens.ts';

// The micro-benches, in a process of their own: what the bench itself has run would have shaped the compiled code.

const lines = await measureAll([...(await tokenMicros()), ...pureMicros(), ...recordMicros()]);
process.send?.({ lines });
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
