/** The four octets of a dotted-quad address without leading zeros (RFC 3986 §3.2.2), or `undefined`. */
export function parseIpv4(text: string): readonly number[] | undefined {
  const match = DOTTED_QUAD.exec(text);
  if (!match) return undefined;
  const octets = match.slice(1).map(Number);
  return octets.every((octet) => octet <= 255) ? octets : undefined;
}

const OCTET = '(0|[1-9]\\d{0,2})';
const DOTTED_QUAD = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);

/** The eight 16-bit groups of an IPv6 address (RFC 4291 §2.2), or `undefined`. Zone ids are refused. */
export function parseIpv6(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]!, halves.length === 1);
  if (halves.length === 1) return head?.length === 8 ? head : undefined;
  const tail = groups(halves[1]!, true);
  if (!head || !tail || head.length + tail.length > 7) return undefined;
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** Groups between colons. Only the last of the whole address may be a dotted quad, which counts as two. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const words = text.split(':');
  for (const [at, word] of words.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(word)) {
      out.push(Number.parseInt(word, 16));
      continue;
    }
    const quad = last && at === words.length - 1 ? parseIpv4(word) : undefined;
    if (!quad) return undefined;
    out.push(quad[0]! * 256 + quad[1]!, quad[2]! * 256 + quad[3]!);
  }
  return out;
}
