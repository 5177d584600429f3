import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type LanguageModel, openEngine } from './engine.ts';
import { createHandler, type Served } from './http.ts';
import { startStandIn } from './language-model.ts';
import { createRoutes } from './routes.ts';

/**
 * The process of the local Mem0, started by ../mem0.ts. Its environment holds all it needs: MEM0_LOCAL_DIR,
 * MEM0_LOCAL_PORT, MEM0_LOCAL_API_KEY, MEM0_TELEMETRY and MEM0_DIR, and OPENAI_BASE_URL, OPENAI_API_KEY and
 * OPENAI_MODEL when a real language model is wanted.
 */
const env = process.env;
const dir = env.MEM0_LOCAL_DIR as string;
mkdirSync(dir, { recursive: true, mode: 0o700 });
mkdirSync(join(dir, 'config'), { recursive: true, mode: 0o700 });

// The engine writes texts of memories and answers of the language model to the console.
for (const name of ['debug', 'error', 'info', 'log', 'warn'] as const) console[name] = () => {};

let languageModel: LanguageModel = env.OPENAI_BASE_URL
  ? {
      baseUrl: env.OPENAI_BASE_URL,
      apiKey: env.OPENAI_API_KEY ?? 'none',
      ...(env.OPENAI_MODEL ? { model: env.OPENAI_MODEL } : {}),
    }
  : { ...(await startStandIn()), apiKey: 'none' };
let engine = await openEngine(dir, languageModel);

const served: Served[] = [];
const routes = createRoutes({
  engine: () => engine,
  languageModel: () => languageModel,
  configure: async (chosen) => {
    languageModel = chosen;
    engine = await openEngine(dir, chosen);
  },
  served,
});
const server = createServer(createHandler(env.MEM0_LOCAL_API_KEY as string, served, routes));
server.on('error', (error) => {
  process.stdout.write(`failed ${error.message}\n`);
  process.exit(1);
});
server.listen(Number(env.MEM0_LOCAL_PORT), '127.0.0.1', () => {
  process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
