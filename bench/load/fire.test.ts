import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { fire } from './fire.ts';
import { MessageReader, statusOf } from './message.ts';

let server: Server;

afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

function listen(answer: Parameters<typeof createServer>[1]): Promise<number> {
  server = createServer(answer as never);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

const shot = { method: 'POST', path: '/x', body: '{"a":"ü"}' };

it('sends each actor’s token in turn, on as many connections as it is told, and counts every answer', async () => {
  const seen = new Map<string | undefined, number>();
  const sockets = new Set<unknown>();
  const bodies = new Set<string>();
  const port = await listen(async (request, response) => {
    sockets.add(request.socket);
    const { authorization } = request.headers;
    seen.set(authorization, (seen.get(authorization) ?? 0) + 1);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    bodies.add(body);
    response.writeHead(seen.get(authorization) === 1 ? 200 : 429).end('{}');
  });
  const tokens = ['a', 'b', 'c'];
  const load = await fire({
    port,
    shot,
    tokens,
    connections: 4,
    durationMs: 5000,
    most: 12,
    intervals: true,
  });
  expect(load).toMatchObject({ answered: 12, statuses: { 200: 3, 429: 9 }, errors: {} });
  expect([...seen]).toEqual(tokens.map((token) => [`Bearer ${token}`, 4]));
  expect(sockets.size).toBe(4);
  expect([...bodies]).toEqual([shot.body]);
  expect(load.intervals?.map(([actor]) => actor).sort()).toEqual([0, 1, 2]);
  for (const [, sent, answered] of load.intervals!) expect(answered).toBeGreaterThan(sent);
});

it('begins with the actor that it is told, and says of each answer whose it is', async () => {
  const seen: (string | undefined)[] = [];
  const port = await listen(({ headers }, response) => {
    seen.push(headers.authorization);
    response.end('{}');
  });
  const job = { port, shot, tokens: ['a', 'b', 'c'], from: 2, connections: 1, durationMs: 5000, most: 4 };
  const { intervals } = await fire({ ...job, intervals: true });
  expect(seen).toEqual(['Bearer c', 'Bearer a', 'Bearer b', 'Bearer c']);
  expect(intervals?.map(([actor]) => actor)).toEqual([2, 0, 1, 2]);
});

it('measures the time until the end of an answer, not its beginning', async () => {
  const port = await listen((_, response) => {
    response.writeHead(200, { 'content-length': 4 }).write('ab');
    setTimeout(() => response.end('cd'), 60);
  });
  const { latency } = await fire({ port, shot, tokens: [], connections: 1, durationMs: 1000, most: 1 });
  expect(latency.p50).toBeGreaterThan(55);
});

it('says which connections broke, and does not count what they were not given', async () => {
  let requests = 0;
  const port = await listen((_, response) => {
    if (++requests === 2) response.destroy();
    else response.end('{}');
  });
  const load = await fire({ port, shot, tokens: [], connections: 1, durationMs: 1000, most: 5 });
  expect(load.answered).toBe(1);
  expect(Object.values(load.errors)).toEqual([1]);
});

it('finds the end of answers by length and by chunks, however they are cut', () => {
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell0\r\n0\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
  ];
  const reader = new MessageReader();
  for (const answer of answers) {
    const bytes = Buffer.from(answer);
    for (let cut = 1; cut < bytes.length; cut++) {
      expect(reader.push(bytes.subarray(0, cut))).toBeUndefined();
      const whole = reader.push(bytes.subarray(cut));
      expect(whole?.toString()).toBe(answer);
      expect(statusOf(whole!)).toBe(Number(answer.slice(9, 12)));
    }
  }
  expect(() => reader.push(Buffer.from(`${answers[0]}more`))).toThrow('more than one');
});
