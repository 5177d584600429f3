import { parseIpv4, parseIpv6 } from './ip.ts';

/** Longest Host header, in characters: the longest domain name (RFC 1035 §2.3.4). */
export const MAX_HOST = 255;

/** Whether a Host header is exactly `name`, an IPv4 address or `[IPv6]`, with an optional port. */
export function isHost(host: string): boolean {
  return nameOf(host) !== undefined;
}

/** Whether a Host header names this machine: `localhost`, 127.0.0.0/8 or `[::1]`. */
export function isLoopbackHost(host: string): boolean {
  const name = nameOf(host);
  if (name === undefined) return false;
  if (name === 'localhost' || parseIpv4(name)?.[0] === 127) return true;
  return name.startsWith('[') && parseIpv6(name.slice(1, -1))!.join(':') === '0:0:0:0:0:0:0:1';
}

const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]+)(?::([1-9]\d{0,4}))?$/i;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** The last Host that was read, and its name: requests of one isolate nearly all have the same. */
let last: { readonly host: string; readonly name: string | undefined } = { host: '', name: undefined };

/** A Host's lower-case name or address, or `undefined` when it is none. */
function nameOf(host: string): string | undefined {
  if (host !== last.host) last = { host, name: readName(host) };
  return last.name;
}

function readName(host: string): string | undefined {
  if (host.length > MAX_HOST) return undefined;
  // Matched before it is lowered: U+212A would become a plain `k`.
  const match = HOST.exec(host);
  if (!match || Number(match[2] ?? 1) > 65_535) return undefined;
  const name = match[1]!.toLowerCase();
  if (name.startsWith('[')) return parseIpv6(name.slice(1, -1)) && name;
  const labels = name.split('.');
  if (!labels.every((label) => LABEL.test(label))) return undefined;
  // URL parsers take a name whose last label is a number for an address in one of its old spellings.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) return parseIpv4(name) && name;
  return name;
}
