import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CommandError } from './command.ts';

/**
 * Asks a question that `y` or `yes` confirms. Ctrl-C is a no.
 * @param instead what to do where nobody can be asked: "add `--yes` to clear".
 * @throws CommandError without a terminal.
 */
export async function confirmed(question: string, instead: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CommandError(`There is no terminal to ask at: ${instead}.`);
  const answer = await ask(`${question} [y/N] `, process.stderr);
  if (answer === undefined) process.stderr.write('\n');
  return /^y(es)?$/i.test(answer?.trim() ?? '');
}

/**
 * Asks for a secret, which is not shown while it is typed. Empty: none was given.
 * @throws CommandError on Ctrl-C, or without a terminal.
 */
export async function askSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY) throw new CommandError('There is no terminal to ask at.');
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const answer = await ask('', nowhere);
  process.stderr.write('\n');
  if (answer === undefined) throw new CommandError('Stopped at the question.');
  return answer.trim();
}

async function ask(question: string, output: NodeJS.WritableStream): Promise<string | undefined> {
  const terminal = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  // The end of the input answers nothing: without this the question would wait for ever.
  const ended = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)));
  try {
    return await Promise.race([terminal.question(question), ended]);
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error;
    return undefined;
  } finally {
    terminal.close();
  }
}

/**
 * Whether a word was typed once more, exactly. Ctrl-C is a no.
 * @throws CommandError without a terminal.
 */
export async function typed(question: string, word: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CommandError('There is no terminal to ask at: add `--yes`.');
  const answer = await ask(`${question}: `, process.stderr);
  if (answer === undefined) process.stderr.write('\n');
  return answer === word;
}
