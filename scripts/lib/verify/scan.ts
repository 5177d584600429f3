/**
 * Objects and lists in one another, the record itself with them. The gateway writes some five, and one more for each
 * fork in a row that a record met before the database had it (`was`): nothing that it wrote comes near. What is nested
 * so deeply that it would exhaust the stack is refused long before.
 */
export const MAX_DEPTH = 500;

/**
 * Looks over a record's bytes without making a value of them, several times faster than reading and writing it again.
 * It accepts canonical JSON (RFC 8785) of plain ASCII without escapes, whose numbers are integers of at most 15 digits:
 * nearly every record. Whatever else there is, it leaves to a slower look, and accepts nothing that is not canonical.
 */
export class Scanner {
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #depth = 0;
  /** Where the outermost object's members begin and end: name and value, four numbers each. */
  readonly #members: number[] = [];

  /** Whether the bytes are one object in that simple form. */
  scan(bytes: Uint8Array): boolean {
    this.#bytes = bytes;
    this.#at = 0;
    this.#depth = 1;
    this.#members.length = 0;
    return bytes[0] === OPEN_BRACE && this.#object(true) && this.#at === bytes.length;
  }

  /** Whether the outermost object has a member. */
  has(name: Uint8Array): boolean {
    return this.#find(name) >= 0;
  }

  /** Whether a member of the outermost object is exactly these bytes. */
  is(name: Uint8Array, value: Uint8Array): boolean {
    const at = this.#find(name);
    return at >= 0 && this.#same(this.#members[at + 2]!, this.#members[at + 3]!, value);
  }

  /** A member of the outermost object as it is written; `undefined` when there is none. */
  text(name: Uint8Array): string | undefined {
    const at = this.#find(name);
    if (at < 0) return undefined;
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length).toString(
      'latin1',
      this.#members[at + 2],
      this.#members[at + 3],
    );
  }

  /** A whole number that is not negative; -1 when the member is none. */
  number(name: Uint8Array): number {
    const at = this.#find(name);
    if (at < 0) return -1;
    let value = 0;
    for (let i = this.#members[at + 2]!; i < this.#members[at + 3]!; i++) {
      const digit = this.#bytes[i]! - ZERO;
      if (digit < 0 || digit > 9) return -1;
      value = value * 10 + digit;
    }
    return value;
  }

  #find(name: Uint8Array): number {
    const members = this.#members;
    for (let at = 0; at < members.length; at += 4) {
      if (this.#same(members[at]!, members[at + 1]!, name)) return at;
    }
    return -1;
  }

  #same(begin: number, end: number, wanted: Uint8Array): boolean {
    if (end - begin !== wanted.length) return false;
    for (let i = 0; i < wanted.length; i++) if (this.#bytes[begin + i] !== wanted[i]) return false;
    return true;
  }

  #value(): boolean {
    const first = this.#bytes[this.#at]!;
    if (first === QUOTE) return this.#string();
    if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      if (this.#depth === MAX_DEPTH) return false;
      this.#depth++;
      const simple = first === OPEN_BRACE ? this.#object(false) : this.#list();
      this.#depth--;
      return simple;
    }
    if (first === MINUS || (first >= ZERO && first <= NINE)) return this.#integer();
    return this.#word(TRUE) || this.#word(FALSE) || this.#word(NULL);
  }

  #word(word: Uint8Array): boolean {
    if (!this.#same(this.#at, this.#at + word.length, word)) return false;
    this.#at += word.length;
    return true;
  }

  #string(): boolean {
    const bytes = this.#bytes;
    for (let at = this.#at + 1; ; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.#at = at + 1;
        return true;
      }
      if (byte === undefined || byte < SPACE || byte === BACKSLASH || byte > LAST_ASCII) return false;
    }
  }

  #integer(): boolean {
    const negative = this.#bytes[this.#at] === MINUS;
    if (negative) this.#at++;
    const begin = this.#at;
    while (this.#bytes[this.#at]! >= ZERO && this.#bytes[this.#at]! <= NINE) this.#at++;
    const digits = this.#at - begin;
    const zero = this.#bytes[begin] === ZERO;
    return digits > 0 && digits <= MAX_DIGITS && !(zero && (digits > 1 || negative)) && !this.#goesOn();
  }

  /** A fraction or an exponent. */
  #goesOn(): boolean {
    const byte = this.#bytes[this.#at];
    return byte === DOT || byte === LOWER_E || byte === UPPER_E;
  }

  #list(): boolean {
    this.#at++;
    if (this.#bytes[this.#at] === CLOSE_BRACKET) {
      this.#at++;
      return true;
    }
    for (;;) {
      if (!this.#value()) return false;
      const byte = this.#bytes[this.#at++];
      if (byte === CLOSE_BRACKET) return true;
      if (byte !== COMMA) return false;
    }
  }

  #object(outermost: boolean): boolean {
    this.#at++;
    if (this.#bytes[this.#at] === CLOSE_BRACE) {
      this.#at++;
      return true;
    }
    let [before, beforeEnd] = [0, 0];
    for (;;) {
      if (this.#bytes[this.#at] !== QUOTE) return false;
      const begin = this.#at + 1;
      if (!this.#string()) return false;
      const end = this.#at - 1;
      if (before > 0 && !this.#ascends(before, beforeEnd, begin, end)) return false;
      [before, beforeEnd] = [begin, end];
      if (this.#bytes[this.#at++] !== COLON) return false;
      const value = this.#at;
      if (!this.#value()) return false;
      if (outermost) this.#members.push(begin, end, value, this.#at);
      const byte = this.#bytes[this.#at++];
      if (byte === CLOSE_BRACE) return true;
      if (byte !== COMMA) return false;
    }
  }

  /** Whether a name comes before another, and is not it. */
  #ascends(begin: number, end: number, next: number, nextEnd: number): boolean {
    const shorter = Math.min(end - begin, nextEnd - next);
    for (let i = 0; i < shorter; i++) {
      const difference = this.#bytes[begin + i]! - this.#bytes[next + i]!;
      if (difference !== 0) return difference < 0;
    }
    return end - begin < nextEnd - next;
  }
}

const code = (character: string) => character.charCodeAt(0);
const word = (text: string) => new Uint8Array(Buffer.from(text));

const [QUOTE, BACKSLASH, COMMA, COLON, MINUS, DOT] = [
  code('"'),
  code('\\'),
  code(','),
  code(':'),
  code('-'),
  code('.'),
];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [code('{'), code('}'), code('['), code(']')];
const [ZERO, NINE, LOWER_E, UPPER_E] = [code('0'), code('9'), code('e'), code('E')];
const [SPACE, LAST_ASCII, MAX_DIGITS] = [0x20, 0x7f, 15];
const [TRUE, FALSE, NULL] = [word('true'), word('false'), word('null')];
