import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../core/checkpoint.ts';
import { EMPTY_ROOT, verifyConsistency, verifyInclusion } from '../../core/merkle.ts';
import {
  cosignNote,
  formatNote,
  formatSignature,
  formatSignerKey,
  formatVerifierKey,
  openNote,
  parseNote,
  parseVerifierKey,
  signerKey,
  type VerifierKey,
  verifierKey,
} from '../../core/note.ts';
import { leafHash } from '../../core/record.ts';
import { ANSWERS } from '../../worker/governance/openapi.ts';
import { type FakeMem0, startFakeMem0 } from '../fakes/mem0.ts';
import { type Answer, type Rig, startRig } from './rig.ts';

// Checkpoints, proofs and witnesses on the running gateway, over a real Postgres.

const WITNESS = { name: 'witness.example.net', seed: new Uint8Array(32).fill(8) };
const witnessKey = verifierKey(
  WITNESS.name,
  'cosignature',
  signerKey(WITNESS.name, WITNESS.seed).verifier.publicKey,
);
const OLD = signerKey('gateway.test', new Uint8Array(32).fill(1));
const NEW = signerKey('gateway.test', new Uint8Array(32).fill(2));

let mem0: FakeMem0;
let rig: Rig;
let reader: string;
let auditor: string;
let foreign: string;
let vkey: VerifierKey;

beforeAll(async () => {
  mem0 = await startFakeMem0();
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: {
      AUDIT_SIGNING_KEY: formatSignerKey(OLD),
      AUDIT_WITNESSES: formatVerifierKey(witnessKey),
      AUDIT_CHECKPOINT_INTERVAL_MS: '3600000',
    },
  });
  reader = await rig.token('acme', 'agent-reader', 'rita');
  auditor = await rig.token('acme', 'auditor', 'audrey');
  foreign = await rig.token('globex', 'admin', 'gus');
  const { json } = await rig.call('GET', '/.well-known/mem0-governance/audit-keys');
  vkey = parseVerifierKey(json.signing)!;
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const get = (path: string, token = auditor) => rig.call('GET', `/governance/v1/${path}`, token);
const placeOf = (answer: Answer) => answer.headers.get('audit-record')!.split(';')[0]!;
const leafOf = (answer: Answer) => answer.headers.get('audit-record')!.split(';')[1]!;
const LOG = 'acme~0~1';

function fits(operation: string, answer: Answer): void {
  expect(answer.status, JSON.stringify(answer.json)).toBe(200);
  ANSWERS[operation]!.schema.parse(answer.json);
}

/** The tree that a signed note speaks of. */
function opened(note: string, key = vkey) {
  const read = openNote(note, [key]);
  if (!read.ok) throw new Error(read.reason);
  return parseCheckpoint(read.text)!;
}

describe('a proof', () => {
  it('holds for a record that was made just now, by the hash that its caller was told', async () => {
    const listed = await rig.call('GET', '/memories?user_id=bob', reader);
    const answer = await get(`audit/${placeOf(listed)}/proof`);
    fits('governance.audit.proof', answer);
    const { index, leaf, canonical, proof, checkpoint } = answer.json;
    expect(leaf).toBe(leafOf(listed));
    expect(leafHash(Buffer.from(canonical))).toBe(leaf);
    const { origin, size, root } = opened(checkpoint.note);
    expect(origin).toBe('gateway.test/acme~0~1');
    expect(verifyInclusion({ index, size, root }, bytes(leaf), proof.map(bytes))).toBe(true);
  });

  it('of a record that a checkpoint covers is made against that checkpoint', async () => {
    const before = (await get(`audit/${LOG}/checkpoint`)).json;
    const { checkpoint } = (await get(`audit/${LOG}/0/proof`)).json;
    expect(checkpoint.size).toBe(before.size);
  });

  it('is the caller’s own to have, and nobody else’s without the right', async () => {
    const own = await rig.call('GET', '/memories?user_id=bob', reader);
    const answer = await get(`receipts/${placeOf(own)}/proof`, reader);
    fits('governance.receipts.proof', answer);
    const other = await get('whoami');
    expect((await get(`receipts/${placeOf(other)}/proof`, reader)).status).toBe(404);
    expect((await get(`audit/${placeOf(own)}/proof`, reader)).status).toBe(403);
  });
});

describe('a checkpoint', () => {
  it('is the last one, until a fresh one is asked for', async () => {
    const first = await get(`audit/${LOG}/checkpoint`);
    fits('governance.audit.checkpoint', first);
    expect((await get(`audit/${LOG}/checkpoint`)).json).toEqual(first.json);
    const fresh = await get(`audit/${LOG}/checkpoint?fresh=true`);
    fits('governance.audit.checkpoint', fresh);
    expect(fresh.json.size).toBeGreaterThan(first.json.size);
    const [from, to] = [first.json, fresh.json].map(({ note }) => opened(note));
    const answer = await get(`audit/${LOG}/consistency?from=${from!.size}&to=${to!.size}`);
    fits('governance.audit.consistency', answer);
    expect(verifyConsistency(from!, to!, answer.json.proof.map(bytes))).toBe(true);
  });

  it('begins with nothing', async () => {
    const { size, root } = opened((await get(`audit/${LOG}/checkpoint`)).json.note);
    const { proof } = (await get(`audit/${LOG}/consistency?from=0&to=${size}`)).json;
    const nothing = { size: 0, root: EMPTY_ROOT };
    expect(verifyConsistency(nothing, { size, root }, proof.map(bytes))).toBe(true);
  });

  it.each([
    ['?from=1', '/to'],
    ['?to=1', '/from'],
    ['?from=2&to=1', '/from'],
    ['?from=x&to=1', '/from'],
  ])('has no consistency with %s', async (query, pointer) => {
    expect(await get(`audit/${LOG}/consistency${query}`)).toMatchObject({ status: 400, json: { pointer } });
  });

  it('of a size that the log has not reached is none', async () => {
    expect((await get(`audit/${LOG}/consistency?from=1&to=999999999999999`)).status).toBe(404);
    expect((await get(`audit/${LOG}/999999/proof`)).status).toBe(404);
  });

  it('is 503 while the database is away, and well again after', async () => {
    await rig.neon.stop();
    for (const path of ['checkpoint', 'checkpoint?fresh=true', 'consistency?from=1&to=2']) {
      expect(await get(`audit/${LOG}/${path}`)).toMatchObject({
        status: 503,
        json: { code: 'proof_unavailable' },
      });
    }
    expect((await get('audit/logs')).status).toBe(503);
    await rig.restartNeon();
    fits('governance.audit.checkpoint', await get(`audit/${LOG}/checkpoint?fresh=true`));
  });
});

describe('the logs of a tenant', () => {
  it('are listed, and nobody else’s', async () => {
    await rig.call('GET', '/memories?user_id=bob', foreign);
    await get(`audit/${LOG}/checkpoint?fresh=true`);
    const answer = await get('audit/logs');
    fits('governance.audit.logs', answer);
    const [{ size, checkpoint }] = answer.json.logs;
    expect(answer.json.logs).toMatchObject([{ log: LOG, shard: 0, epoch: 1, quarantined: 0 }]);
    expect(checkpoint).toBeLessThanOrEqual(size);
  });

  it.each(['checkpoint', 'checkpoint?fresh=true', 'consistency?from=0&to=1', '0/proof'])(
    'of another one and those that are not there are answered alike: %s',
    async (path) => {
      const answers = await Promise.all(
        ['globex~0~1', 'nobody~0~1', 'acme~0~2', 'acme~7~1'].map((log) => get(`audit/${log}/${path}`)),
      );
      const bodies = answers.map(({ status, json: { request_id: _, ...body } }) => ({ status, body }));
      expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
      expect(bodies[0]!.status).toBe(404);
    },
  );
});

describe('a witness', () => {
  const submit = (note: string, log = LOG) =>
    rig.call('POST', `/governance/v1/audit/${log}/cosignatures`, undefined, { note });
  const cosigned = (note: string, seed = WITNESS.seed, name = WITNESS.name) => {
    const { text } = parseNote(note)!;
    return formatNote({ text, signatures: [cosignNote(text, name, seed, 1_800_000_000)] });
  };

  it('adds its signature to the checkpoint, once, in a record of its own', async () => {
    const { note, size } = (await get(`audit/${LOG}/checkpoint?fresh=true`)).json;
    const answer = await submit(cosigned(note));
    fits('governance.audit.cosign', answer);
    expect(answer.json).toEqual({ status: 'stored' });
    expect((await submit(cosigned(note))).json).toEqual({ status: 'known' });
    const signed = (await get(`audit/${LOG}/checkpoint`)).json;
    expect(signed).toMatchObject({ size });
    const line = formatSignature(parseNote(cosigned(note))!.signatures[0]!);
    expect(signed.note).toBe(note + line);
    expect(openNote(signed.note, [vkey, witnessKey])).toMatchObject({
      ok: true,
      by: [{ key: vkey }, { seconds: 1_800_000_000 }],
    });
    const events = (
      await rig.recorded((all) => all.some(({ reasons }) => reasons[0] === 'cosignature_accepted'))
    )
      .filter(({ reasons }) => reasons[0] === 'cosignature_accepted')
      .map(({ phase, detail }) => ({ phase, detail }));
    const { name: witness, hash: key } = witnessKey;
    expect(events).toEqual([
      { phase: 'event', detail: { log: LOG, size, witness, key, seconds: 1_800_000_000 } },
    ]);
  });

  it('that is not configured is a stranger, recorded as one, and learns nothing', async () => {
    const { note } = (await get(`audit/${LOG}/checkpoint?fresh=true`)).json;
    const bad = [
      cosigned(note, new Uint8Array(32).fill(9)),
      cosigned(note, WITNESS.seed, 'other.example.net'),
      cosigned(note).replace('gateway.test', 'gateway.best'),
      note,
      'x',
      'x'.repeat(5000),
    ];
    for (const each of bad) {
      expect(await submit(each)).toMatchObject({ status: 403, json: { code: 'not_a_witness' } });
      expect(await submit(each, 'nobody~0~1')).toMatchObject({ status: 403 });
    }
    // A token makes it no witness either.
    const path = `/governance/v1/audit/${LOG}/cosignatures`;
    expect((await rig.call('POST', path, auditor, { note })).status).toBe(403);
    const records = await rig.recorded((all) => all.some(({ reasons }) => reasons[0] === 'not_a_witness'));
    expect(records.find(({ reasons }) => reasons[0] === 'not_a_witness')).toMatchObject({
      tenant: '~strangers',
      decision: 'unauthenticated',
    });
  });

  it('that signed more than the checkpoint’s own text has proven nothing, and may sign that text still', async () => {
    const { note } = (await get(`audit/${LOG}/checkpoint?fresh=true`)).json;
    const { text } = parseNote(note)!;
    for (const more of ['an extension line\n', 'an extension line\nanother\n']) {
      const extended = formatNote({ text: text + more, signatures: [] });
      expect(await submit(cosigned(`${extended}${note.slice(text.length + 1)}`))).toMatchObject({
        ...{ status: 403, json: { code: 'not_a_witness' } },
      });
    }
    expect((await get(`audit/${LOG}/checkpoint`)).json.note).toBe(note);
    expect((await submit(cosigned(note))).json).toEqual({ status: 'stored' });
    expect(openNote((await get(`audit/${LOG}/checkpoint`)).json.note, [witnessKey])).toMatchObject({
      ok: true,
    });
  });

  it('gets the same answer for another log’s checkpoint as for one that was never signed', async () => {
    const { note } = (await get(`audit/${LOG}/checkpoint`)).json;
    const elsewhere = await submit(cosigned(note), 'globex~0~1');
    const unsigned = await submit(cosigned(note.replace(/\n\d+\n/, '\n1\n')));
    const nowhere = await submit(cosigned(note.replace('acme', 'nobody')), 'nobody~0~1');
    for (const answer of [elsewhere, unsigned, nowhere]) {
      expect(answer).toMatchObject({ status: 404, json: { code: 'not_found' } });
    }
  });
});

it('another key is published beside the old one, recorded, and signs from then on', async () => {
  const before = (await get(`audit/${LOG}/checkpoint`)).json;
  await rig.restartGateway({
    AUDIT_SIGNING_KEY: `${formatSignerKey(NEW)} ${formatVerifierKey(OLD.verifier)}`,
  });
  const keys = await rig.call('GET', '/.well-known/mem0-governance/audit-keys');
  fits('governance.audit.keys', keys);
  expect(keys.json).toEqual({
    origin: 'gateway.test',
    signing: formatVerifierKey(NEW.verifier),
    verifiers: [NEW.verifier, OLD.verifier].map(formatVerifierKey),
    witnesses: [formatVerifierKey(witnessKey)],
    shards: 1,
  });
  const after = (await get(`audit/${LOG}/checkpoint?fresh=true`)).json;
  const [from, to] = [opened(before.note, OLD.verifier), opened(after.note, NEW.verifier)];
  const { proof } = (await get(`audit/${LOG}/consistency?from=${from.size}&to=${to.size}`)).json;
  expect(verifyConsistency(from, to, proof.map(bytes))).toBe(true);
  const changes = (await rig.records()).filter(
    ({ tenant, reasons }) => tenant === 'acme' && reasons[0] === 'signing_key_changed',
  );
  expect(changes.map(({ detail }) => detail)).toEqual([{ from: OLD.verifier.hash, to: NEW.verifier.hash }]);
  expect(changes[0]!.index).toBeLessThan(to.size);
});
