/**
 * Runs one program for as long as the process that started this one lives: standard input is a pipe that nobody
 * writes to, and its end, however the other side came to die, stops the program. Started by `supervise`.
 */
import { spawn } from 'node:child_process';
import type { SupervisedProgram } from './supervise.ts';

const program = JSON.parse(process.argv[2]!) as SupervisedProgram;
const child = spawn(program.command, program.args, {
  cwd: program.cwd,
  env: program.env,
  ...(program.user && { uid: program.user.uid, gid: program.user.gid }),
  stdio: ['ignore', 'inherit', 'inherit'],
});

let stopping = false;
function stop(): void {
  if (stopping) return;
  stopping = true;
  child.kill(program.stopSignal);
  setTimeout(() => child.kill('SIGKILL'), program.graceMs).unref();
}

process.stdin.on('end', stop).on('error', stop).resume();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
// The pipes of the output break when the other side dies; the program must be stopped all the same.
process.stdout.on('error', stop);
process.stderr.on('error', stop);

child.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(127);
});
child.on('exit', (code) => process.exit(code ?? 1));
