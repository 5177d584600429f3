import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The name that the stand-in gives as its model, so that nobody takes its answers for a model's. */
export const STAND_IN = 'stand-in-language-model';

interface Fact {
  readonly id: string;
  readonly text: string;
  readonly attributed_to: 'user';
}

/**
 * What the stand-in remembers of a conversation: every sentence of the user's of at least three words that asks
 * nothing. `prompt` is Mem0's own, which holds the conversation as lines `role: text` under "New Messages".
 */
export function extractFacts(prompt: string): Fact[] {
  const start = prompt.indexOf('## New Messages\n');
  const end = prompt.lastIndexOf('\n\n## Observation Date');
  if (start < 0 || end < start) return [];
  const facts = new Set<string>();
  let role = '';
  for (const line of prompt.slice(start + '## New Messages\n'.length, end).split('\n')) {
    const turn = /^(user|assistant|system|tool): (.*)$/s.exec(line);
    role = turn?.[1] ?? role;
    if (role !== 'user') continue;
    for (const sentence of (turn?.[2] ?? line).split(/(?<=[.!?])\s+/)) {
      const text = sentence.trim();
      if (!text.endsWith('?') && text.split(/\s+/).length >= 3) facts.add(text);
    }
  }
  return [...facts].map((text, i) => ({ id: String(i), text, attributed_to: 'user' }));
}

/**
 * Serves the stand-in as `POST /v1/chat/completions` on a free loopback port. It is deterministic and knows one
 * task only, Mem0's extraction of facts; to anything else it answers that it is a stand-in.
 */
export async function startStandIn(): Promise<{ baseUrl: string }> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const known = request.method === 'POST' && request.url === '/v1/chat/completions';
    const answer = known ? complete(Buffer.concat(chunks).toString()) : undefined;
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { error: { message: 'not found' } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

function complete(body: string): object | undefined {
  let messages: { role?: string; content?: unknown }[];
  try {
    messages = JSON.parse(body).messages ?? [];
  } catch {
    return undefined;
  }
  const prompt = messages.findLast(({ role }) => role === 'user')?.content;
  const text = typeof prompt === 'string' ? prompt : '';
  const content = text.includes('## New Messages\n')
    ? JSON.stringify({ memory: extractFacts(text) })
    : 'A stand-in answers here: no language model is configured.';
  return {
    id: 'chatcmpl-stand-in',
    object: 'chat.completion',
    created: 0,
    model: STAND_IN,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  };
}
