import { createHash, createHmac, randomBytes } from 'node:crypto';

const STEP_SECONDS = 30;

/** A time-based code (RFC 6238): SHA-1, six digits. */
function totp(secret: string, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const offset = mac.at(-1)! & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** A person's second factor. Each step's code is given once: the realm takes none twice. At most two in half a minute. */
class Phone {
  readonly secret: string;
  #last = 0;

  constructor(secret: string) {
    this.secret = secret;
  }

  code(): string {
    const now = Math.floor(Date.now() / 1000 / STEP_SECONDS);
    this.#last = Math.max(this.#last + 1, now);
    // The realm's window reaches one step ahead and no further.
    if (this.#last > now + 1) throw new Error('the next code is not valid yet');
    return totp(this.secret, this.#last);
  }
}

export interface Client {
  readonly clientId: string;
  readonly redirectUri: string;
}

export interface Tokens {
  readonly access: string;
  readonly id: string;
}

/** What the authorization endpoint said: a page to fill in, or a redirect back to the client. */
export interface Step {
  readonly html: string;
  readonly back: URL | undefined;
}

/** A person at a browser that logs in by the pages of the realm. */
export class Person {
  readonly #base: string;
  readonly #username: string;
  readonly #password: string;
  #phone: Phone | undefined;
  /** Which pages the last login showed, in order. */
  pages: string[] = [];

  constructor(realmUrl: string, username: string, password: string) {
    this.#base = `${realmUrl}/protocol/openid-connect`;
    this.#username = username;
    this.#password = password;
  }

  /**
   * Logs in, sets the second factor up when asked to, and exchanges the code. A browser that has a session already
   * sees no page.
   *
   * @throws Error at a page that is none of the expected, or that comes again.
   */
  async login(client: Client, browser = new Browser()): Promise<Tokens> {
    const verifier = randomBytes(32).toString('base64url');
    let step = await this.open(browser, client, {
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    this.pages = [];
    while (step.back === undefined) step = await this.#fill(browser, step.html);
    const code = step.back.searchParams.get('code');
    if (code === null) throw new Error(`no code: ${step.back.searchParams}`);
    const response = await fetch(`${this.#base}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        ...{ grant_type: 'authorization_code', client_id: client.clientId, code },
        ...{ redirect_uri: client.redirectUri, code_verifier: verifier },
      }),
    });
    const answer = (await response.json()) as { access_token: string; id_token: string };
    if (!response.ok) throw new Error(`the code was refused: ${response.status}`);
    return { access: answer.access_token, id: answer.id_token };
  }

  /** The authorization request alone. */
  open(browser: Browser, client: Client, more: { readonly [name: string]: string }): Promise<Step> {
    const query = new URLSearchParams({
      ...{ response_type: 'code', client_id: client.clientId, redirect_uri: client.redirectUri },
      ...{ scope: 'openid', state: randomBytes(8).toString('hex'), ...more },
    });
    return browser.go(`${this.#base}/auth?${query}`, client.redirectUri);
  }

  /** Sends the password with a wrong code. @returns the page that comes back */
  async loginWithWrongCode(client: Client): Promise<Step> {
    const browser = new Browser();
    const pkce = { code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' };
    const { html } = await this.open(browser, client, pkce);
    this.pages = [];
    const second = await this.#fill(browser, html);
    return browser.submit(second.html, { otp: totp(this.#phone!.secret, 0) });
  }

  #fill(browser: Browser, html: string): Promise<Step> {
    if (this.pages.length > 2) throw new Error(`the pages do not end: ${this.pages.join(', ')}`);
    if (html.includes('name="totpSecret"')) {
      this.pages.push('set up a code');
      this.#phone = new Phone(/name="totpSecret" value="([^"]+)"/.exec(html)![1]!);
      const totpSecret = this.#phone.secret;
      return browser.submit(html, { totpSecret, totp: this.#phone.code(), userLabel: 'phone' });
    }
    if (html.includes('name="otp"')) {
      this.pages.push('code');
      return browser.submit(html, { otp: this.#phone!.code() });
    }
    if (html.includes('name="password"')) {
      this.pages.push('password');
      return browser.submit(html, { username: this.#username, password: this.#password });
    }
    throw new Error(`an unexpected page: ${/<title>([^<]*)/.exec(html)?.[1]?.trim()}`);
  }
}

/** Cookies, forms and redirects, as far as the pages need them. */
export class Browser {
  readonly #cookies = new Map<string, string>();
  #redirectUri = '';

  /** Follows redirects until a page, or until one leads to the client's `redirectUri`, which is not fetched. */
  go(url: string, redirectUri: string): Promise<Step> {
    this.#redirectUri = redirectUri;
    return this.#follow(url, {});
  }

  /** Sends the page's form with these fields. */
  submit(html: string, fields: { readonly [name: string]: string }): Promise<Step> {
    const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
    if (action === undefined) throw new Error('the page has no form');
    return this.#follow(action, { method: 'POST', body: new URLSearchParams(fields) });
  }

  async #follow(url: string, init: RequestInit): Promise<Step> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0]!.split('=', 2) as [string, string];
      this.#cookies.set(name, value);
    }
    const html = await response.text();
    const location = response.headers.get('location');
    if (location === null) return { html, back: undefined };
    const next = new URL(location, url);
    if (next.href.startsWith(this.#redirectUri)) return { html, back: next };
    return this.#follow(next.href, {});
  }
}
