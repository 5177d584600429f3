import { open, rm } from 'node:fs/promises';
import { CommandError } from './command.ts';

/**
 * Writes a new file, for its owner alone to read, that is there only when `run` has ended well, and then whole.
 * @throws CommandError when the file is there already, or cannot be written.
 */
export async function writeNewFile<T>(
  file: string,
  run: (write: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const handle = await open(file, 'wx', 0o600).catch((error) => {
    throw cannotWrite(file, error);
  });
  let whole = false;
  try {
    const result = await run(async (text) => {
      await handle.appendFile(text).catch((error) => {
        throw cannotWrite(file, error);
      });
    });
    await handle.sync();
    whole = true;
    return result;
  } finally {
    await handle.close();
    if (!whole) await rm(file, { force: true });
  }
}

function cannotWrite(file: string, error: NodeJS.ErrnoException): CommandError {
  if (error.code === 'EEXIST') return new CommandError(`${file} exists already: choose another.`);
  return new CommandError(`${file} cannot be written (${error.code ?? error.message}).`);
}
