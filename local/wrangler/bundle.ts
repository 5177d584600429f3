import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Unstable_Config } from 'wrangler';
import { DEV_TENANTS, ROOT, tenantsArgs, WRANGLER, wranglerEnv } from './wrangler.ts';

/** What of wrangler.toml a bare workerd needs. */
export interface WorkerConfig {
  readonly name: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly vars: { readonly [name: string]: string };
  readonly objects: readonly {
    readonly binding: string;
    readonly className: string;
    readonly sqlite: boolean;
  }[];
}

export interface Bundle {
  /** Holds `index.js` and the modules that it imports. */
  readonly dir: string;
  /** The names of these modules, `index.js` first. */
  readonly modules: readonly string[];
  readonly config: WorkerConfig;
}

const CONFIG = 'worker.json';
/** Of what a bundle is made, beside its dependencies: these folders and files of a project. */
const SOURCES = [
  'core',
  'durable-objects',
  'worker',
  'policies',
  'config',
  'docs/openapi.json',
  'src',
  'wrangler.toml',
  'package.json',
];
const LOCKFILE = 'package-lock.json';
const STALE_MS = 60 * 60 * 1000;

/**
 * The bundle that a deploy of the `dev` environment would upload, built once for each state of the sources.
 * Several processes may ask at once: each builds beside its place and renames, and the first one's stays.
 *
 * @param tenants the tenants' document that goes into it.
 * @throws Error with wrangler's last words when the sources do not build.
 */
export async function bundle(project: string = ROOT, tenants: string = DEV_TENANTS): Promise<Bundle> {
  const cache = join(project, '.local', 'bundle');
  const dir = join(cache, await digest(project, tenants));
  if (!existsSync(dir)) {
    const part = join(cache, `part-${randomUUID()}`);
    await mkdir(part, { recursive: true, mode: 0o700 });
    try {
      await build(project, part, tenants);
      await writeFile(join(part, CONFIG), JSON.stringify(await readConfig(project)));
      await rename(part, dir).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(part, { recursive: true, force: true });
    }
    await removeStale(cache, dir);
  }
  const modules = (await readdir(dir)).filter((name) => name !== CONFIG && /\.(js|wasm|json)$/.test(name));
  modules.sort((a, b) => Number(b === 'index.js') - Number(a === 'index.js'));
  return { dir, modules, config: JSON.parse(await readFile(join(dir, CONFIG), 'utf8')) as WorkerConfig };
}

/** A profile wants the names and places of functions; `WORKER_BUNDLE=readable` keeps them. */
const isReadable = () => process.env.WORKER_BUNDLE === 'readable';

async function build(project: string, outdir: string, tenants: string): Promise<void> {
  const args = ['deploy', '--dry-run', '--env', 'dev', '--outdir', outdir, ...tenantsArgs(tenants)];
  if (isReadable()) args.push('--no-minify');
  const child = spawn(process.execPath, [WRANGLER, ...args, '--config', join(project, 'wrangler.toml')], {
    cwd: project,
    env: wranglerEnv(join(outdir, 'wrangler')) as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  await rm(join(outdir, 'wrangler'), { recursive: true, force: true });
  if (code !== 0) throw new Error(`The Worker does not build:\n${output.trim()}`);
}

async function readConfig(project: string): Promise<WorkerConfig> {
  const { unstable_readConfig } = await import('wrangler');
  const config: Unstable_Config = unstable_readConfig({ config: join(project, 'wrangler.toml'), env: 'dev' });
  const sqlite = new Set(config.migrations.flatMap((migration) => migration.new_sqlite_classes ?? []));
  return {
    name: config.name ?? 'worker',
    compatibilityDate: config.compatibility_date ?? '',
    compatibilityFlags: config.compatibility_flags,
    vars: Object.fromEntries(Object.entries(config.vars).map(([name, value]) => [name, String(value)])),
    objects: config.durable_objects.bindings.map(({ name, class_name }) => ({
      binding: name,
      className: class_name,
      sqlite: sqlite.has(class_name),
    })),
  };
}

async function digest(project: string, tenants: string): Promise<string> {
  const hash = createHash('sha256').update(isReadable() ? 'readable' : '');
  const files: string[] = [join(ROOT, LOCKFILE), ...(isAbsolute(tenants) ? [tenants] : [])];
  for (const source of SOURCES) {
    const path = join(project, source);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.push(path);
    if (!found?.isDirectory()) continue;
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    files.push(
      ...entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)),
    );
  }
  for (const file of files.filter((name) => !name.endsWith('.test.ts')).sort()) {
    const bytes = await readFile(file);
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex').slice(0, 32);
}

async function removeStale(cache: string, current: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    const found = await stat(path).catch(() => undefined);
    if (path === current || !found || Date.now() - found.mtimeMs < STALE_MS) continue;
    await rm(path, { recursive: true, force: true });
  }
}
