import { parseArgs } from 'node:util';

/** A failure that the user can mend: printed as one line, exit code `exitCode` (default 1). */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly help: string;
  /** Shown in the usage, as in `--role ROLE`. */
  readonly value?: string;
  readonly default?: string | boolean;
  readonly multiple?: boolean;
}

export interface Io {
  /** Results: standard output. */
  out(line: string): void;
  /** Progress and remarks: standard error, nothing with --json. */
  note(line: string): void;
  /** `--json` was given: the result is one JSON value on standard output. */
  readonly json: boolean;
}

type Values = { readonly [name: string]: string | boolean | string[] | undefined };

export interface CommandSpec {
  /** As it is typed: `npm run -s token --`. */
  readonly usage: string;
  /** What it does, in a sentence or two. */
  readonly summary: string;
  readonly options?: { readonly [name: string]: OptionSpec };
  /** Names of positional arguments, shown in the usage; more than these is a usage error. */
  readonly positionals?: readonly string[];
  /** Said of an argument too many in place of the argument itself, which may be a secret. */
  readonly refusal?: string;
  /** Exit codes beyond 0 done, 1 failed, 2 wrong usage. */
  readonly exitCodes?: { readonly [code: number]: string };
  run(values: Values, positionals: string[], io: Io): Promise<number | undefined> | number | undefined;
}

/**
 * Runs a command: parses its arguments, answers `--help`, maps failures to exit codes (0 done, 1 failed,
 * 2 wrong usage) and prints each failure as one line. A stack is shown only for a bug of ours.
 */
export async function command(spec: CommandSpec, argv = process.argv.slice(2)): Promise<void> {
  // A reader that goes away, as `head` does, must not end a command halfway.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  const options = {
    ...spec.options,
    json: { type: 'boolean', help: 'print the result as JSON' },
    help: { type: 'boolean', help: 'show this text' },
  } as { [name: string]: OptionSpec };
  let values: Values;
  let positionals: string[];
  try {
    const parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      strict: true,
      options: Object.fromEntries(
        Object.entries(options).map(([name, { type, multiple }]) => [
          name,
          { type, multiple: multiple ?? false },
        ]),
      ),
    });
    values = parsed.values as Values;
    positionals = parsed.positionals;
    if (positionals.length > (spec.positionals?.length ?? 0)) {
      throw new Error(spec.refusal ?? `Unexpected argument '${positionals[spec.positionals?.length ?? 0]}'`);
    }
  } catch (error) {
    process.stderr.write(`${(error as Error).message.split('\n')[0]}\nTry \`${spec.usage} --help\`.\n`);
    process.exitCode = 2;
    return;
  }
  if (values.help === true) {
    process.stdout.write(helpText(spec, options));
    return;
  }
  const json = values.json === true;
  const withDefaults = { ...defaults(options), ...values };
  const io: Io = {
    json,
    out: (line) => process.stdout.write(`${line}\n`),
    note: (line) => {
      if (!json) process.stderr.write(`${line}\n`);
    },
  };
  try {
    process.exitCode = (await spec.run(withDefaults, positionals, io)) ?? 0;
  } catch (error) {
    if (error instanceof CommandError) {
      if (json) process.stdout.write(`${JSON.stringify({ error: error.message })}\n`);
      else process.stderr.write(`${error.message}\n`);
      process.exitCode = error.exitCode;
      return;
    }
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}

function defaults(options: { [name: string]: OptionSpec }): Values {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, o]) => o.default !== undefined)
      .map(([name, o]) => [name, o.default]),
  );
}

function helpText(spec: CommandSpec, options: { [name: string]: OptionSpec }): string {
  const rows = Object.entries(options).map(([name, o]) => {
    const left = `  --${name}${o.type === 'string' ? ` ${o.value ?? name.toUpperCase()}` : ''}`;
    const dflt = o.default === undefined || o.default === false ? '' : ` (default ${o.default})`;
    return `${left.padEnd(26)}  ${o.help}${dflt}`;
  });
  const positionals = (spec.positionals ?? []).map((p) => ` ${p}`).join('');
  const codes = Object.entries({ 0: 'done', 1: 'failed', 2: 'wrong usage', ...spec.exitCodes });
  return [
    `${spec.usage}${positionals} [options]`,
    '',
    spec.summary,
    '',
    ...rows,
    '',
    `Exit codes: ${codes.map(([c, t]) => `${c} ${t}`).join(', ')}.`,
    '',
  ].join('\n');
}
