import { CommandError } from './command.ts';

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/**
 * The moment that an option names, in milliseconds since the epoch; `undefined` when it was not given.
 * @throws CommandError for what is no RFC 3339 time with an offset.
 */
export function timeOption(option: string, text: unknown): number | undefined {
  if (text === undefined) return undefined;
  const time = RFC_3339.test(String(text)) ? Date.parse(String(text)) : Number.NaN;
  if (Number.isNaN(time))
    throw new CommandError(`${option} is RFC 3339 with an offset, as 2026-11-01T00:00:00Z.`, 2);
  return time;
}
