import { verifyConsistency } from '../../../core/merkle.ts';
import { logName, parseLogName } from '../../../core/names.ts';
import { parseVerifierKey, type VerifierKey } from '../../../core/note.ts';
import { CommandError } from '../command.ts';
import { gatewayOrigin } from '../gateway-url.ts';
import { headOf } from './heads.ts';
import type { Head } from './sections.ts';

const TIMEOUT_MS = 30_000;

/** What a running gateway says of a tenant's logs. Its objects keep every log's hashes apart from the database. */
export interface Gateway {
  /** The keys that it says checkpoints are verified with. @throws CommandError */
  keys(): Promise<readonly VerifierKey[]>;
  /** A checkpoint signed now of each log that it knows; of a closed one where it can be had. @throws CommandError */
  heads(keys: readonly VerifierKey[]): Promise<readonly Head[]>;
  /** Whether a head begins with the tree `from`, by a proof of the gateway's. @throws CommandError */
  goesOn(from: { readonly size: number; readonly root: Uint8Array }, head: Head): Promise<boolean>;
}

/**
 * @param url the gateway's, with https or on this machine.
 * @param token an access token with `audit_read` in `tenant`, whatever other tenants it grants.
 * @throws CommandError for a URL over which a token cannot be sent.
 */
export function askGateway(url: string, token: string, tenant: string): Gateway {
  const origin = gatewayOrigin(url);
  const headers = { authorization: `Bearer ${token}`, 'x-tenant-id': tenant };
  const get = async (path: string): Promise<{ status: number; json: unknown }> => {
    const where = `${origin}${path}`;
    try {
      const response = await fetch(where, {
        headers,
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return { status: response.status, json: await response.json() };
    } catch (error) {
      throw new CommandError(`The gateway did not answer ${path}: ${(error as Error).message}.`, 2);
    }
  };
  const must = async (path: string): Promise<unknown> => {
    const { status, json } = await get(path);
    if (status === 200) return json;
    const remedy = status === 401 || status === 403 ? ' Its token needs `audit_read` in this tenant.' : '';
    throw new CommandError(`The gateway answered ${path} with ${status}.${remedy}`, 2);
  };

  const known = async () =>
    (await must('/.well-known/mem0-governance/audit-keys')) as {
      readonly verifiers: readonly string[];
      readonly witnesses: readonly string[];
      readonly shards: number;
    };

  return {
    async keys() {
      const { verifiers, witnesses } = await known();
      const keys = [...verifiers, ...witnesses].map(parseVerifierKey);
      if (keys.includes(undefined)) throw new CommandError('The gateway names a key that is none.', 2);
      return keys as VerifierKey[];
    },

    async heads(keys) {
      const { logs } = (await must('/governance/v1/audit/logs')) as {
        readonly logs: readonly { readonly log: string }[];
      };
      const listed = new Set(logs.map(({ log }) => log));
      // What the database does not have of another tenant's would look like tampering.
      if (logs.some(({ log }) => parseLogName(log)?.tenant !== tenant)) {
        throw new CommandError(`The token is of another tenant than ${tenant}.`, 2);
      }
      // What asks here is recorded, too, and may have begun a log that was not there to be listed.
      const { shards } = await known();
      const first = Array.from({ length: shards }, (_, shard) => logName({ tenant, shard, epoch: 1 }));
      const heads: Head[] = [];
      for (const log of new Set([...first, ...listed])) {
        const path = `/governance/v1/audit/${encodeURIComponent(log)}/checkpoint?fresh=true`;
        const { status, json } = await get(path);
        if (status === 200) {
          const head = headOf(JSON.stringify(json), 'the gateway', keys);
          if (head.log !== log) throw new CommandError('The gateway gave the checkpoint of another log.', 2);
          heads.push(head);
        } else if (!(status === 404 && !listed.has(log)) && !isClosed(log, listed)) {
          throw new CommandError(`The gateway answered ${path} with ${status}.`, 2);
        }
      }
      return heads;
    },

    async goesOn({ size, root }, head) {
      const log = encodeURIComponent(head.log);
      const path = `/governance/v1/audit/${log}/consistency?from=${size}&to=${head.size}`;
      const { proof } = (await must(path)) as { readonly proof: readonly string[] };
      const hashes = proof.map((hash) => new Uint8Array(Buffer.from(hash, 'hex')));
      return verifyConsistency({ size, root }, head, hashes);
    },
  };
}

/** Whether there is a later epoch, whose first record says what this one had, so that its own checkpoint can be missed. */
function isClosed(log: string, logs: ReadonlySet<string>): boolean {
  const name = parseLogName(log);
  return [...logs].map(parseLogName).some((each) => {
    return name && each && each.shard === name.shard && each.epoch > name.epoch;
  });
}
