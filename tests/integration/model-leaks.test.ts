import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { extractFacts } from '../../local/mem0/language-model.ts';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// What reaches the language model: with inference Mem0 shows it memories that are there already. On a bare engine those
// of another tenant are among them; through the gateway the caller's own alone.

const SECRET = 'The launch code of acme is heliotrope.';

let prompts: string[];
let model: Server;
let dir: string;
let mem0: Mem0;
let rig: Rig;

/** The deterministic stand-in, which keeps what it was shown. */
function answer(body: string): object {
  const { messages } = JSON.parse(body) as { messages: { role: string; content: string }[] };
  const prompt = messages.map(({ content }) => content).join('\n');
  prompts.push(prompt);
  const memory = extractFacts(messages.at(-1)?.content ?? '');
  const message = { role: 'assistant', content: JSON.stringify({ memory }) };
  return { id: 'x', object: 'chat.completion', created: 0, model: 'x', choices: [{ index: 0, message }] };
}

beforeAll(async () => {
  model = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer(body)));
  });
  await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(model.address() as AddressInfo).port}/v1`;
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-model-'));
  mem0 = await startMem0({ dir, languageModel: { baseUrl, apiKey: 'x' }, log: () => undefined });
  rig = await startRig({ mem0 });
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  model.close();
  await rm(dir, { recursive: true, force: true });
});

beforeEach(async () => {
  await fetch(`${mem0.url}/reset`, { method: 'POST', headers: { 'x-api-key': mem0.apiKey } });
  prompts = [];
});

const body = (content: string, infer: boolean) => ({
  messages: [{ role: 'user', content }],
  agent_id: 'bot',
  infer,
});

async function throughGateway(tenant: string, content: string, infer: boolean) {
  const token = await rig.token(tenant, 'agent-writer');
  const { status, json } = await rig.call('POST', '/memories', token, body(content, infer));
  expect(status, JSON.stringify(json)).toBe(200);
  return json.results as { id: string; memory: string; event: string }[];
}

async function bare(content: string, infer: boolean): Promise<void> {
  const headers = { 'x-api-key': mem0.apiKey, 'content-type': 'application/json' };
  const sent = { method: 'POST', headers, body: JSON.stringify(body(content, infer)) };
  expect((await fetch(`${mem0.url}/memories`, sent)).status).toBe(200);
}

describe('adding with inference under an agent that both tenants name alike', () => {
  const ASKING = 'What is the launch code of acme?';

  it('shows the model the other’s memories on a bare engine', async () => {
    await bare(SECRET, false);
    await bare(ASKING, true);
    expect(prompts.join()).toContain('heliotrope');
  });

  it('shows it the caller’s own alone through the gateway', async () => {
    await throughGateway('acme', SECRET, false);
    await throughGateway('globex', 'The launch code of globex is mauve.', false);
    await throughGateway('globex', ASKING, true);
    expect(prompts.length).toBeGreaterThan(0);
    expect(prompts.join()).toContain('mauve');
    expect(prompts.join()).not.toContain('heliotrope');
    await throughGateway('acme', ASKING, true);
    expect(prompts.join()).toContain('heliotrope');
  });

  it('answers alike whether or not another tenant has the same memory', async () => {
    const shape = (rows: readonly { memory: string; event: string }[]) =>
      rows.map(({ memory, event }) => `${event} ${memory}`);
    const alone = shape(await throughGateway('globex', 'I am allergic to penicillin.', true));
    await fetch(`${mem0.url}/reset`, { method: 'POST', headers: { 'x-api-key': mem0.apiKey } });
    await throughGateway('acme', 'I am allergic to penicillin.', true);
    expect(shape(await throughGateway('globex', 'I am allergic to penicillin.', true))).toEqual(alone);
    expect(alone).toHaveLength(1);
    // Of its own it does know.
    expect(await throughGateway('globex', 'I am allergic to penicillin.', true)).toEqual([]);
  });
});
