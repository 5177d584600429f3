import { describe, expect, it } from 'vitest';
import { checkContentEncoding, checkContentType, readBody, readWhole } from './body.ts';

/** A stream that hands out one piece per pull and notes whether it was cancelled. */
function pieces(parts: readonly unknown[], end: 'close' | 'error' | 'hang' = 'close') {
  const state = { cancelled: false, pulled: 0 };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const part = parts[state.pulled++];
        if (part !== undefined) return controller.enqueue(part as Uint8Array);
        if (end === 'close') return controller.close();
        if (end === 'error') return controller.error(new Error('reset'));
        return new Promise(() => {});
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, state };
}

describe('the content type', () => {
  it.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset=UTF-8',
    'application/json ; charset="utf-8"',
    'application/json;\tcharset=Utf-8 ',
  ])('%j is JSON', (value) => {
    expect(checkContentType(value)).toEqual({ ok: true });
  });

  it.each([
    'application/x+json',
    'application/vnd.api+json',
    'application/jsonp',
    'application/json5',
    'text/json',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'application/json; charset=utf8',
    'application/json; charset=iso-8859-1',
    "application/json; charset='utf-8'",
    'application/json; charset = utf-8',
    'application/json; charset=utf-8; charset=utf-16',
    'application/json; charset=utf-8; x=y',
    'application/json; x=y',
    'application/json;',
    'application/json, application/json',
    'application/json, text/plain',
    'text/plain, application/json',
    ' application/json',
    'application/json\n',
    '*/*',
  ])('%j is not', (value) => {
    expect(checkContentType(value)).toEqual({ ok: false, reason: 'content_type' });
  });

  it('must be there', () => {
    expect(checkContentType(null)).toEqual({ ok: false, reason: 'content_type_missing' });
    expect(checkContentType('')).toEqual({ ok: false, reason: 'content_type_missing' });
  });
});

describe('the content encoding', () => {
  it.each([null, '', 'identity', 'Identity'])('%j is none', (value) => {
    expect(checkContentEncoding(value)).toEqual({ ok: true });
  });
  it.each(['gzip', 'br', 'deflate', 'identity, gzip', 'identity, identity', 'aws-chunked', ' ', 'x'])(
    '%j is one',
    (value) => {
      expect(checkContentEncoding(value)).toEqual({ ok: false, reason: 'content_encoding' });
    },
  );
});

describe('reading a body', () => {
  it('puts the pieces together', async () => {
    const parts = [[1, 2], [], [3], [4, 5, 6]].map((part) => Uint8Array.from(part));
    const read = await readBody(pieces(parts).stream, 6);
    expect(read).toEqual({ ok: true, bytes: Uint8Array.from([1, 2, 3, 4, 5, 6]) });
  });

  it('takes no body for an empty one', async () => {
    expect(await readBody(null, 10)).toEqual({ ok: true, bytes: new Uint8Array(0) });
    expect(await readBody(pieces([]).stream, 0)).toEqual({ ok: true, bytes: new Uint8Array(0) });
  });

  it('keeps every byte of a body that outgrows the first buffer', async () => {
    const whole = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 31) & 255);
    const parts = Array.from({ length: 100 }, (_, at) => whole.slice(at * 1000, (at + 1) * 1000));
    const read = await readBody(pieces(parts).stream, 100_000);
    expect(read.ok && Buffer.compare(read.bytes, whole)).toBe(0);
  });

  it('stops at the bound and cancels the stream, without asking for the rest', async () => {
    const { stream, state } = pieces([new Uint8Array(60), new Uint8Array(41), new Uint8Array(10)], 'hang');
    expect(await readBody(stream, 100)).toEqual({ ok: false, reason: 'too_large' });
    expect(state).toEqual({ cancelled: true, pulled: 2 });
  });

  it('holds little more than the bound, however small the pieces are', async () => {
    const one = Uint8Array.of(7);
    const read = await readBody(pieces(new Array(70_000).fill(one)).stream, 80_000);
    expect(read.ok && read.bytes.length).toBe(70_000);
    expect(read.ok && read.bytes.buffer.byteLength).toBeLessThanOrEqual(80_000);
  });

  it('says broken for a stream that fails, is locked, or holds no bytes', async () => {
    const broken = { ok: false, reason: 'broken' };
    expect(await readBody(pieces([Uint8Array.of(1)], 'error').stream, 10)).toEqual(broken);
    const text = pieces(['text'], 'hang');
    expect(await readBody(text.stream, 10)).toEqual(broken);
    expect(text.state.cancelled).toBe(true);
    const locked = pieces([]).stream;
    locked.getReader();
    expect(await readBody(locked, 10)).toEqual(broken);
  });

  it('ends when the signal does, before or while waiting', async () => {
    const waiting = pieces([Uint8Array.of(1)], 'hang');
    const controller = new AbortController();
    const reading = readBody(waiting.stream, 10, controller.signal);
    setTimeout(() => controller.abort(), 5);
    expect(await reading).toEqual({ ok: false, reason: 'broken' });
    expect(waiting.state.cancelled).toBe(true);

    const early = pieces([Uint8Array.of(1)]);
    expect(await readBody(early.stream, 10, AbortSignal.abort())).toEqual({ ok: false, reason: 'broken' });
    expect(early.state).toEqual({ cancelled: true, pulled: 0 });
  });
});

describe('readWhole', () => {
  const broken = { ok: false, reason: 'broken' };
  const late = new AbortController().signal;
  const sent = (body: BodyInit | null) =>
    new Request('https://gateway/', { method: 'POST', body, duplex: 'half' } as RequestInit);

  it('reads what came, as far as its length', async () => {
    expect(await readWhole(sent('abc'), 3, late)).toEqual({ ok: true, bytes: Uint8Array.of(97, 98, 99) });
    expect(await readWhole(sent(null), 0, late)).toEqual({ ok: true, bytes: new Uint8Array(0) });
  });

  it('takes no body that is longer than it said', async () => {
    expect(await readWhole(sent('abcd'), 3, late)).toEqual(broken);
  });

  it('ends with a body that fails, one that was read before, and one that does not come in time', async () => {
    expect(await readWhole(sent(pieces([Uint8Array.of(1)], 'error').stream), 9, late)).toEqual(broken);
    const read = sent('abc');
    await read.text();
    expect(await readWhole(read, 3, late)).toEqual(broken);
    const stalled = sent(new ReadableStream({ pull: () => new Promise(() => {}) }));
    expect(await readWhole(stalled, 9, AbortSignal.timeout(20))).toEqual(broken);
    expect(
      await readWhole(
        sent(new ReadableStream({ pull: () => new Promise(() => {}) })),
        9,
        AbortSignal.abort(),
      ),
    ).toEqual(broken);
  });
});
