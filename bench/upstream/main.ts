import { createServer, type Socket } from 'node:net';
import { freePort } from '../../local/ports.ts';
import { MessageReader } from '../load/message.ts';
import { ANSWERS } from './answers.ts';

// Mem0 as it would be if it cost nothing: a constant answer for each request that the bench makes, a process of its own.

const MISSING = render('404 Not Found', '{}');
const ready = new Map(
  Object.entries(ANSWERS).map(([request, value]) => [request, render('200 OK', JSON.stringify(value))]),
);

function render(status: string, body: string): Buffer {
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  return Buffer.from(`${head}\r\n\r\n${body}`);
}

function serve(socket: Socket): void {
  const reader = new MessageReader();
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    try {
      const request = reader.push(chunk);
      if (request === undefined) return;
      // "GET /path?query HTTP/1.1"
      const line = request.toString('latin1', 0, request.indexOf(' HTTP/1.1')).split('?', 1)[0]!;
      socket.write(ready.get(line) ?? MISSING);
    } catch {
      socket.destroy();
    }
  });
}

const port = await freePort();
createServer(serve).listen(port, '127.0.0.1', () => process.send?.({ url: `http://127.0.0.1:${port}` }));
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
