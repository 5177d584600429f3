import { extname } from 'node:path';
import type { WorkerConfig } from './bundle.ts';

export interface WorkerdSettings {
  readonly config: WorkerConfig;
  /** The bundle's modules, `index.js` first, with the path to each from the configuration's folder. */
  readonly modules: readonly { readonly name: string; readonly path: string }[];
  readonly env: { readonly [name: string]: string };
  readonly port: number;
  /** An absolute path. */
  readonly storageDir: string;
}

/**
 * workerd's configuration for one Worker: a socket on loopback, SQLite-backed Durable Objects on disk, and an
 * outside world that is this machine only.
 */
export function workerdConfig({ config, modules, env, port, storageDir }: WorkerdSettings): string {
  const bindings = [
    ...Object.entries({ ...config.vars, ...env }).map(
      ([name, value]) => `(name = ${text(name)}, text = ${text(value)})`,
    ),
    ...config.objects.map(
      ({ binding, className }) => `(name = ${text(binding)}, durableObjectNamespace = ${text(className)})`,
    ),
  ];
  const namespaces = config.objects.map(
    ({ className, sqlite }) =>
      `(className = ${text(className)}, uniqueKey = ${text(`${config.name}-${className}`)}, enableSql = ${sqlite})`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "this-machine", network = (allow = ["local"])),
    (name = "storage", disk = (path = ${text(storageDir)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "worker")],
);

const worker :Workerd.Worker = (
  modules = [${list(modules.map(module))}],
  compatibilityDate = ${text(config.compatibilityDate)},
  compatibilityFlags = [${config.compatibilityFlags.map(text).join(', ')}],
  bindings = [${list(bindings)}],
  globalOutbound = "this-machine",
  durableObjectNamespaces = [${list(namespaces)}],
  durableObjectStorage = (localDisk = "storage"),
);
`;
}

const KINDS: { readonly [extension: string]: string } = {
  '.js': 'esModule',
  '.wasm': 'wasm',
  '.json': 'text',
};

function module({ name, path }: { readonly name: string; readonly path: string }): string {
  const kind = KINDS[extname(name)];
  if (kind === undefined) throw new Error(`no kind of module is known for ${name}`);
  return `(name = ${text(name)}, ${kind} = embed ${text(path)})`;
}

function list(items: readonly string[]): string {
  return items.map((item) => `\n    ${item},`).join('');
}

/** A text literal of Cap'n Proto: UTF-8, with everything but plain characters as \xHH. */
function text(value: string): string {
  const plain = /[A-Za-z0-9 !#-[\]-~]/;
  const bytes = [...Buffer.from(value)].map((byte) => {
    const character = String.fromCharCode(byte);
    return plain.test(character) ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `"${bytes.join('')}"`;
}
