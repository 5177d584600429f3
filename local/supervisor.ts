import { spawn } from 'node:child_process';
import { killGroup } from './process.ts';

/**
 * Runs one command and never outlives whoever started it. Started by child.ts as the leader of a process group,
 * with an IPC channel to its parent: `supervisor.ts GRACE_MS COMMAND ARGUMENT…`.
 *
 * The channel closes when the parent ends, however it ends; the command is then asked to stop, and after the
 * grace period the whole group is killed. When the command ends by itself, its exit is reported and whatever it
 * left behind in the group is killed too.
 */
const [grace, command, ...args] = process.argv.slice(2);
const graceMs = Number(grace);

const child = spawn(command as string, args, { stdio: ['ignore', 'inherit', 'inherit'] });

let stopping = false;
function stop(): void {
  if (stopping) return;
  stopping = true;
  child.kill('SIGTERM');
  setTimeout(() => killGroup(process.pid), graceMs);
}

/** Ends this process too: it belongs to the group. */
function report(exit: { code: number | null; signal: string | null; error?: string }): void {
  const end = () => killGroup(process.pid);
  if (!process.connected) end();
  else process.send?.(exit, end);
}

process.on('disconnect', stop);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);
child.on('error', (error) => report({ code: null, signal: null, error: error.message }));
child.on('exit', (code, signal) => report({ code, signal }));
