/** How a request ended. `unreachable`: no whole answer came in time. */
export type Fetched =
  | { readonly kind: 'answer'; readonly status: number; readonly headers: Headers; readonly text: string }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'unreachable' };

const TIMEOUT_MS = 5000;
const MAX_BYTES = 256 * 1024;

/** Gets an address within 5 s and 256 KiB, without following a redirect. No failure tells what the address was. */
export async function get(
  url: string,
  headers: { readonly [name: string]: string } = {},
  send: typeof fetch = fetch,
): Promise<Fetched> {
  try {
    const response = await send(url, {
      redirect: 'manual',
      cache: 'no-store',
      headers: { accept: 'application/json', ...headers },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const decoder = new TextDecoder();
    let text = '';
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > MAX_BYTES) return { kind: 'too_large' };
      text += decoder.decode(chunk, { stream: true });
    }
    return { kind: 'answer', status: response.status, headers: response.headers, text };
  } catch {
    return { kind: 'unreachable' };
  }
}

/** The text's JSON object; `undefined`: it is none. */
export function objectOf(text: string): { readonly [name: string]: unknown } | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as { readonly [name: string]: unknown })
      : undefined;
  } catch {
    return undefined;
  }
}
