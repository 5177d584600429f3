import { parseIpv4, parseIpv6 } from './ip.ts';

/** What stands for an address that cannot be read. All such callers share one key. */
export const UNKNOWN_ADDRESS = 'unknown';

/**
 * The key under which a stranger's refusals are counted: an IPv4 address whole, of IPv6 the /64 that one
 * subscriber usually holds. Equal addresses give equal keys, however they are spelt.
 */
export function addressKey(ip: string): string {
  const address = read(ip);
  if (!address) return UNKNOWN_ADDRESS;
  return address.length === 4 ? address.join('.') : prefix(address, 4);
}

/** The address as a record may hold it: cut to /24 for IPv4, to /48 for IPv6. */
export function cutAddress(ip: string): string {
  const address = read(ip);
  if (!address) return UNKNOWN_ADDRESS;
  return address.length === 4 ? `${address.slice(0, 3).join('.')}.0/24` : prefix(address, 3);
}

/** The whole address in one spelling; it goes into a vault and nowhere else. */
export function wholeAddress(ip: string): string {
  const address = read(ip);
  if (!address) return UNKNOWN_ADDRESS;
  return address.length === 4 ? address.join('.') : address.map((group) => group.toString(16)).join(':');
}

/** Four octets, or eight groups. An IPv4-mapped address (RFC 4291 §2.5.5.2) is the IPv4 address in it. */
function read(ip: string): readonly number[] | undefined {
  const four = parseIpv4(ip);
  if (four) return four;
  const six = parseIpv6(ip);
  if (!six) return undefined;
  const mapped = six[5] === 0xffff && six.slice(0, 5).every((group) => group === 0);
  return mapped ? [six[6]! >> 8, six[6]! & 255, six[7]! >> 8, six[7]! & 255] : six;
}

/** RFC 5952 text of the first `kept` (at most 4) groups: the zeros behind them are the longest run. */
function prefix(address: readonly number[], kept: number): string {
  let end = kept;
  while (end > 0 && address[end - 1] === 0) end--;
  const words = address.slice(0, end).map((group) => group.toString(16));
  return `${words.join(':')}::/${kept * 16}`;
}
