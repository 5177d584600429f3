import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';

/** Puts a style around text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/**
 * Colours for a terminal, none for a file or a pipe, and none where NO_COLOR is set (https://no-color.org) or the
 * user does not want any.
 */
export function paintFor(
  stream: { readonly isTTY?: boolean },
  { wanted, env = process.env }: { readonly wanted: boolean; readonly env?: NodeJS.ProcessEnv },
): Paint {
  const on = wanted && stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return on ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text;
}
