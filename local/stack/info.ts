import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IdentityClient } from '../identity.ts';
import { type Holder, lockHolder } from './lock.ts';

/** Where everything of a running stack is. It holds secrets: its file is the user's alone. */
export interface StackInfo {
  readonly holder: Holder;
  /** Absent when the stack was started without it. */
  readonly gateway?: { readonly url: string; readonly pid: number };
  readonly identity: {
    readonly issuer: string;
    readonly audience: string;
    readonly tokenUrl: string;
    readonly jwksUrl: string;
    readonly clients: readonly IdentityClient[];
  };
  readonly database: {
    /** Outside the checkout where the database's user cannot reach it. */
    readonly dir: string;
    readonly port: number;
    readonly name: string;
    /** The superuser's connection string, database `postgres`. */
    readonly adminUrl: string;
  };
  /** The connection strings of the audit database, by role. */
  readonly auditOwnerUrl: string;
  readonly auditWriterUrl: string;
  readonly auditReaderUrl: string;
  readonly mem0: {
    readonly url: string;
    readonly apiKey: string;
    readonly pid: number;
    /** The base URL of a real language model, or `stand-in`. */
    readonly languageModel: string;
  };
  readonly neon: { readonly url: string };
}

/** The files and folders of a checkout's local state. */
export function statePaths(root: string) {
  const local = join(root, '.local');
  return {
    local,
    lock: join(local, 'lock'),
    info: join(local, 'stack.json'),
    secrets: join(local, 'secrets.json'),
    logs: join(local, 'log'),
    gateway: join(local, 'gateway'),
    identity: join(local, 'identity'),
    mem0: join(local, 'mem0'),
  };
}

export async function writeInfo(root: string, info: StackInfo): Promise<void> {
  const { info: file } = statePaths(root);
  await writeFile(`${file}.part`, `${JSON.stringify(info, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.part`, file);
}

/** What runs now for this checkout: `undefined` when nothing does, or it is still starting. */
export async function readInfo(root: string): Promise<StackInfo | undefined> {
  const paths = statePaths(root);
  const holder = await lockHolder(paths.lock);
  if (holder === undefined) return undefined;
  try {
    const info = JSON.parse(await readFile(paths.info, 'utf8')) as StackInfo;
    // A file that an earlier, killed stack left behind names another process.
    return info.holder.pid === holder.pid && info.holder.started === holder.started ? info : undefined;
  } catch {
    return undefined;
  }
}
