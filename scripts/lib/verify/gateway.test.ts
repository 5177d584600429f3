import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { signedLog } from '../../../tests/fakes/signed-log.ts';
import { GOOD, KEYS, LOG } from '../../../tests/fakes/verified.ts';
import { askGateway } from './gateway.ts';

const SECOND = 'acme~0~2';
const NOTES = [GOOD, signedLog({ log: SECOND, records: 8, every: 8 })].map(
  (each) => each.checkpoints.at(-1)!.note,
);
const [NOTE, SECOND_NOTE] = NOTES as [string, string];

let server: Server | undefined;
afterEach(() => new Promise((resolve) => server?.close(resolve)));

/** The logs whose heads a gateway gives that lists some, and answers for checkpoints with a status or 200. */
async function headsOf(listed: readonly string[], answers: { readonly [log: string]: number | string }) {
  server = createServer(({ url = '' }, response) => {
    const log = decodeURIComponent(url.split('/').at(-2) ?? '');
    const say = (status: number, body: object) => response.writeHead(status).end(JSON.stringify(body));
    if (url.endsWith('/logs')) say(200, { logs: listed.map((each) => ({ log: each })) });
    else if (url.endsWith('/audit-keys')) say(200, { verifiers: [], witnesses: [], shards: 2 });
    else if (typeof answers[log] === 'string') say(200, { note: answers[log] });
    else say(answers[log] ?? 404, {});
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const heads = await askGateway(`http://127.0.0.1:${port}`, 'token', 'acme').heads(KEYS);
  return heads.map(({ log }) => log);
}

describe('the heads of a gateway', () => {
  it('are those of the logs that it lists, and of what its being asked has begun', async () => {
    expect(await headsOf([LOG], { [LOG]: NOTE })).toEqual([LOG]);
    expect(await headsOf([], { [LOG]: NOTE })).toEqual([LOG]);
    expect(await headsOf([], {})).toEqual([]);
  });

  it.each([404, 503])('want none of a closed epoch, which is answered with %i', async (status) => {
    expect(await headsOf([LOG, SECOND], { [LOG]: status, [SECOND]: SECOND_NOTE })).toEqual([SECOND]);
    await expect(headsOf([LOG, SECOND], { [LOG]: NOTE, [SECOND]: status })).rejects.toThrow(
      `${SECOND}/checkpoint?fresh=true with ${status}.`,
    );
  });

  it('are nothing to go by when the token is of another tenant', async () => {
    await expect(headsOf(['globex~0~1'], {})).rejects.toThrow('The token is of another tenant than acme.');
  });

  it('want one of each log that goes on', async () => {
    await expect(headsOf([LOG], {})).rejects.toThrow('with 404.');
    await expect(headsOf([], { [LOG]: 503 })).rejects.toThrow('with 503.');
  });
});
