import type { Config } from '../config.ts';
import { checkContentEncoding, checkContentType, readBody, readWhole } from '../http/body.ts';
import { JSON_FAULTS, parseJson } from '../http/json.ts';
import type { Hold } from '../mem0/inflight.ts';
import { invalid, understand } from '../mem0/understand.ts';
import type { ValidRequest } from '../mem0/validate.ts';
import { Problem } from '../problem.ts';
import type { AuditVars } from './audit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { ResolveVars } from './resolve.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';

export interface ValidateVars {
  request: ValidRequest;
}

const BROKEN = 'The body did not come whole, or not in time.';

const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Content type, size, JSON, then an unknown path, then query and the operation's own schema. The body is
 * parsed once, here.
 */
export function validate({
  config,
}: Parts): Stage<TransportVars & AuditVars & AuthenticateVars & ResolveVars, ValidateVars> {
  return async (c, next) => {
    const { target } = c.get('transport');
    const body = await bodyOf(c.req.raw, config, c.get('bodyHold'));
    const request = understand(c.get('match'), target.ok ? target.query : '', body, c.get('home').kind);
    const { memories } = request.body ?? {};
    if (Array.isArray(memories) && memories.length > config.MAX_BATCH_IDS) {
      throw invalid('invalid_body', 'too_many', {
        detail: `A batch has at most ${config.MAX_BATCH_IDS} memories.`,
        pointer: '/memories',
      });
    }
    c.set('request', request);
    return next();
  };
}

/** The body's JSON value, or `undefined` when there is none. */
async function bodyOf(request: Request, config: Config, hold: Hold): Promise<unknown> {
  const max = config.MAX_BODY_SIZE_BYTES;
  const expected = BODY_METHODS.has(request.method);
  if (!expected && request.body === null) return undefined;
  const type = checkContentType(request.headers.get('content-type'));
  const encoding = checkContentEncoding(request.headers.get('content-encoding'));
  if (expected && !type.ok) throw invalid('unsupported_media_type', type.reason);
  if (!encoding.ok) throw invalid('unsupported_media_type', encoding.reason);
  // Chunks overrule a length (RFC 9112 §6.3).
  const length = request.headers.has('transfer-encoding') ? null : request.headers.get('content-length');
  const declared = Number(length ?? max);
  if (!(declared <= max)) throw tooLarge(max);
  // Taken before a byte is read: many slow bodies must not add up to more than the isolate has.
  if (!hold.take(declared)) throw new Problem('busy', { reason: 'bodies_busy' });
  const signal = hold.waits.signal(config.BODY_TIMEOUT_MS);
  const read = await (length === null
    ? readBody(request.body, max, signal)
    : readWhole(request, declared, signal));
  if (!read.ok && read.reason === 'too_large') throw tooLarge(max);
  if (!read.ok) throw invalid('invalid_body', 'body_broken', { detail: BROKEN });
  if (read.bytes.length === 0 && !expected) return undefined;
  if (!type.ok) throw invalid('unsupported_media_type', type.reason);
  const json = parseJson(read.bytes);
  if (!json.ok) throw invalid('invalid_body', json.reason, { ...json, detail: JSON_FAULTS[json.reason] });
  return json.value;
}

function tooLarge(max: number): Problem {
  return invalid('payload_too_large', 'body_too_large', { detail: `The body is larger than ${max} bytes.` });
}
