import { en } from 'zod/locales';
import * as z from 'zod/mini';
import { vaultKey } from '../core/personal.ts';
import { issuersSchema } from './auth/issuers.ts';
import { gatewayOrigin, signingKeys, witnessKeys } from './signing.ts';

// zod/mini, which starts in half the time of zod, has no words of its own for what is wrong; operators read them.
z.config(en());

/**
 * A row is a setting: how its text is read, its default (none: required),
 * whether it is a secret, and what it is for. docs/configuration.md and .dev.vars.example are made from it.
 */
export interface Setting<T> {
  /** How the documentation names its type. */
  readonly type: string;
  readonly schema: z.ZodMiniType<T, string>;
  /** Absent: the setting is required. `null`: it may be left out and is then `undefined`. */
  readonly default?: string | null;
  readonly secret?: true;
  /** The setting holds a URL that must be https on the edge and loopback on the loopback transport. */
  readonly url?: true;
  readonly text: string;
}

const setting = <T>(row: Setting<T>): Setting<T> => row;

const wholeNumber = z.pipe(
  z.string().check(z.regex(/^\d{1,15}$/, 'is not a whole number')),
  z.transform(Number),
);
const integer = (min: number, max: number) =>
  z.pipe(wholeNumber, z.number().check(z.minimum(min, `is below ${min}`), z.maximum(max, `is above ${max}`)));
const choice = <const V extends readonly [string, ...string[]]>(values: V) =>
  z.pipe(z.string(), z.enum(values, `is none of ${values.join(', ')}`));
const yesNo = z.pipe(
  choice(['true', 'false']),
  z.transform((value) => value === 'true'),
);
const url = (protocols: readonly string[], what: string) =>
  z.string().check(
    z.refine((value) => {
      const parsed = URL.parse(value);
      return parsed !== null && protocols.includes(parsed.protocol);
    }, `is not ${what}`),
  );
const origin = z.pipe(
  url(['https:', 'http:'], 'an http(s) origin').check(
    z.refine((value) => {
      const { pathname, search, hash, username } = URL.parse(value) ?? new URL('http://x/x');
      return pathname === '/' && !search && !hash && !username;
    }, 'has more than scheme, host and port'),
  ),
  z.transform((value) => new URL(value).origin),
);
const postgresUrl = url(['postgres:', 'postgresql:'], 'a postgresql:// URL');
const parsed = z.pipe(
  z.string(),
  z.transform((value, { issues }): unknown => {
    try {
      return JSON.parse(value);
    } catch {
      issues.push({ code: 'custom', message: 'is not JSON', input: value });
      return z.NEVER;
    }
  }),
);
const json = <T>(schema: z.ZodMiniType<T>) => z.pipe(parsed, schema as z.ZodMiniType<T, unknown>);
const namedKey = z.pipe(
  z
    .string()
    .check(
      z.regex(/^[A-Za-z0-9_-]{1,16}:[A-Za-z0-9_-]{43,}$/, 'is not `<key id>:<32 or more bytes, base64url>`'),
    ),
  z.transform((value) => {
    const colon = value.indexOf(':');
    return {
      id: value.slice(0, colon),
      key: new Uint8Array(Buffer.from(value.slice(colon + 1), 'base64url')),
    };
  }),
);

const words = z.pipe(
  z.string(),
  z.transform((text) => text.split(/\s+/).filter((word) => word !== '')),
);

/** Keys of the vaults, the current one first; no id twice. */
const vaultKeys = z.pipe(
  z.pipe(
    words,
    z.array(namedKey).check(
      z.minLength(1, 'holds no key'),
      z.maxLength(8, 'holds more than 8 keys'),
      z.refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, 'has two keys of one id'),
    ),
  ),
  z.transform((keys) => keys.map(({ id, key }) => vaultKey(id, key))),
);

export const MINUTE = 60_000;

export const SETTINGS = {
  ENVIRONMENT: setting({
    type: 'word',
    schema: z.string().check(z.regex(/^[a-z][a-z0-9-]{0,31}$/, 'is not a lower-case word')),
    text: 'The name of this deployment: `production`, `dev` or another.',
  }),
  TRANSPORT: setting({
    type: '`edge` or `loopback`',
    schema: choice(['edge', 'loopback']),
    text: '`edge`: https with TLS 1.2 or later, and https for every configured URL. `loopback`: plain http on this machine only; refused in production.',
  }),
  ISSUERS: setting({
    type: 'JSON',
    schema: json(issuersSchema),
    text: 'The identity providers: issuer, audience, key set, algorithms, claim paths, and the tenants and roles that each may assert.',
  }),
  REQUIRE_CONTEXT_HEADERS: setting({
    type: 'boolean',
    schema: yesNo,
    default: 'false',
    text: 'Whether X-Tenant-Id and X-User-Role must be present on every request.',
  }),
  JWKS_MAX_STALE_SECONDS: setting({
    type: 'seconds',
    schema: integer(0, 86_400),
    default: '3600',
    text: 'How long a key set that cannot be fetched again is still used.',
  }),
  MEM0_ORIGIN: setting({
    type: 'origin',
    schema: origin,
    secret: true,
    url: true,
    text: 'Where Mem0 listens: scheme, host and port.',
  }),
  MEM0_API_KEY: setting({
    type: 'text',
    schema: z
      .string()
      .check(
        z.minLength(1, 'is empty'),
        z.regex(/^[\x21-\x7e]+$/, 'has characters that no header can carry'),
      ),
    secret: true,
    text: "Mem0's key. The gateway is the only one that holds it.",
  }),
  MEM0_KIND: setting({
    type: '`oss` or `platform`',
    schema: choice(['oss', 'platform']),
    default: 'oss',
    text: 'What Mem0 is: a self-hosted server, or the hosted Platform.',
  }),
  UPSTREAM_TIMEOUT_MS: setting({
    type: 'milliseconds',
    schema: integer(100, 10 * MINUTE),
    default: '60000',
    text: 'How long Mem0 may take for one call, its whole answer included.',
  }),
  MAX_BODY_SIZE_BYTES: setting({
    type: 'bytes',
    schema: integer(1, 32 * 1024 * 1024),
    default: '1048576',
    text: 'The largest request body.',
  }),
  BODY_TIMEOUT_MS: setting({
    type: 'milliseconds',
    schema: integer(100, 10 * MINUTE),
    default: '30000',
    text: 'How long a client may take to send a request body.',
  }),
  MAX_INFLIGHT_BODY_BYTES: setting({
    type: 'bytes',
    schema: integer(1024, 100 * 1024 * 1024),
    default: '33554432',
    text: 'How many bytes of request bodies one isolate takes in at a time, of one tenant at most three quarters; past it requests get 503 `busy`.',
  }),
  MAX_BATCH_IDS: setting({
    type: 'memories',
    schema: integer(1, 400),
    default: '400',
    text: 'The most memories in one batch. Each takes two calls to Mem0, and a request may make a thousand.',
  }),
  MAX_ANSWER_BYTES: setting({
    type: 'bytes',
    schema: integer(1024, 64 * 1024 * 1024),
    default: '10485760',
    text: 'The largest answer of Mem0 that is passed on.',
  }),
  MAX_INFLIGHT_ANSWER_BYTES: setting({
    type: 'bytes',
    schema: integer(1024, 100 * 1024 * 1024),
    default: '33554432',
    text: "How many bytes of Mem0's answers one isolate holds at a time, of one tenant at most three quarters; past it requests get 503 `busy`.",
  }),
  RATE_LIMIT_REQUESTS: setting({
    type: 'requests',
    schema: integer(1, 100_000),
    default: '100',
    text: 'Requests that an actor may make in one window.',
  }),
  RATE_LIMIT_ADMIN_REQUESTS: setting({
    type: 'requests',
    schema: integer(1, 100_000),
    default: '500',
    text: 'The same for an actor whose effective roles include `admin`.',
  }),
  RATE_LIMIT_WINDOW_SECONDS: setting({
    type: 'seconds',
    schema: integer(1, 3600),
    default: '60',
    text: 'The length of the sliding window.',
  }),
  RATE_LIMIT_RESERVATION: setting({
    type: 'requests',
    schema: integer(1, 100),
    default: '5',
    text: 'Requests admitted per durable write; after restarts an actor may be refused early by at most this many. Where a five-hundredth of the limit is more, each write admits that, and a fiftieth of the limit is the most that is refused early.',
  }),
  AUDIT_WRITER_URL: setting({
    type: 'postgresql URL',
    schema: postgresUrl,
    secret: true,
    url: true,
    text: 'The role that may only call the append functions of the audit schema.',
  }),
  AUDIT_READER_URL: setting({
    type: 'postgresql URL',
    schema: postgresUrl,
    secret: true,
    url: true,
    text: "The role that may only read, within one tenant's rows.",
  }),
  AUDIT_SQL_ENDPOINT: setting({
    type: 'URL',
    schema: url(['https:', 'http:'], 'an http(s) URL'),
    default: null,
    url: true,
    text: "Where SQL over HTTP is answered, when it is not at Neon's own address for the host of the connection string.",
  }),
  AUDIT_VAULT_KEYS: setting({
    type: '`<key id>:<base64url>` …',
    schema: vaultKeys,
    secret: true,
    text: 'The keys, at least 32 bytes each, under which the personal vaults keep what the tokens of the audit log stand for, separated by spaces. The first one encrypts; the others open what it has not yet encrypted again.',
  }),
  AUDIT_PSEUDONYM_KEY: setting({
    type: '`<key id>:<base64url>`',
    schema: namedKey,
    default: null,
    secret: true,
    text: 'The key of the pseudonyms that stood for entity ids in records before there were vaults; with it those records are found by value. Without any, leave it out.',
  }),
  AUDIT_ORIGIN: setting({
    type: 'host and path',
    schema: gatewayOrigin,
    text: 'What the world calls this gateway’s logs, without a scheme: `audit.example.com`. A checkpoint’s origin is this, a slash and the log. Choose it once; it never changes, and no other gateway has it.',
  }),
  AUDIT_SIGNING_KEY: setting({
    type: 'keys',
    schema: signingKeys,
    secret: true,
    text: 'The Ed25519 key that signs checkpoints, as `PRIVATE+KEY+<AUDIT_ORIGIN>+<hash>+<key>`. Behind it, separated by spaces, the verifier keys that signed before or will sign next: all are published.',
  }),
  AUDIT_WITNESSES: setting({
    type: 'keys',
    schema: witnessKeys,
    default: '',
    text: 'The verifier keys (cosignature/v1) of the witnesses whose signatures are taken, separated by spaces.',
  }),
  AUDIT_CHECKPOINT_INTERVAL_MS: setting({
    type: 'milliseconds',
    schema: integer(1000, 24 * 60 * MINUTE),
    default: '60000',
    text: 'How often a log that has grown gets a signed checkpoint.',
  }),
  AUDIT_SHARDS: setting({
    type: 'logs',
    schema: integer(1, 64),
    default: '1',
    text: 'How many logs a tenant writes to at a time; one takes about a thousand records a second.',
  }),
  AUDIT_FLUSH_INTERVAL_MS: setting({
    type: 'milliseconds',
    schema: integer(10, MINUTE),
    default: '1000',
    text: 'How long a record waits in its log before it is sent to Postgres.',
  }),
  AUDIT_KEEP_FLUSHED_DAYS: setting({
    type: 'days',
    schema: integer(1, 30),
    default: '7',
    text: 'How long a log keeps records that Postgres has confirmed, so that a database restored from a backup can be filled again.',
  }),
  AUDIT_MAX_UNFLUSHED_BYTES: setting({
    type: 'bytes',
    schema: integer(65_536, 8 * 1024 ** 3),
    default: '1073741824',
    text: 'How much one log holds while Postgres does not take it; past it requests get 503.',
  }),
  ORPHAN_AFTER_MS: setting({
    type: 'milliseconds',
    schema: integer(1000, 24 * 60 * MINUTE),
    default: '180000',
    text: 'When an intent without an outcome is closed as `unknown`: at least UPSTREAM_TIMEOUT_MS + 60,000.',
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;
type ValueOf<S> = S extends Setting<infer T> ? (S extends { default: null } ? T | undefined : T) : never;
export type Values = { readonly [K in SettingName]: ValueOf<(typeof SETTINGS)[K]> };
