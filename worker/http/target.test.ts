import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TARGET, parseTarget, type TargetFault } from './target.ts';

const at = (target: string, host = 'gateway.example') => parseTarget(`http://${host}${target}`, host);
const reason = (target: string) => {
  const parsed = at(target);
  return parsed.ok ? 'accepted' : parsed.reason;
};

describe('targets that are accepted', () => {
  const cases: [target: string, path: string, query: string][] = [
    ['/', '/', ''],
    ['/memories', '/memories', ''],
    ['/v1/memories/', '/v1/memories/', ''],
    ['/memories?user_id=a%20b', '/memories', 'user_id=a%20b'],
    ['/a?', '/a', ''],
    ['/a??b=/../c', '/a', '?b=/../c'],
    ['/entities/user/bob%40example.com', '/entities/user/bob%40example.com', ''],
    ["/entities/user/acme:bob@x,(1)!$&'*+=~", "/entities/user/acme:bob@x,(1)!$&'*+=~", ''],
    ['/entities/user/caf%C3%A9%E2%82%AC%F0%9F%98%80', '/entities/user/caf%C3%A9%E2%82%AC%F0%9F%98%80', ''],
    ['/entities/user/100%25', '/entities/user/100%25', ''],
    ['/entities/user/50%25off', '/entities/user/50%25off', ''],
    ['/entities/user/bob%2540example', '/entities/user/bob%2540example', ''],
    ['/.well-known/x', '/.well-known/x', ''],
    ['/a/...', '/a/...', ''],
    ['/a/..b', '/a/..b', ''],
    ['/a/b%2ec', '/a/b%2ec', ''],
    ['/%6demories', '/%6demories', ''],
    ['/a/b%3Bc', '/a/b%3Bc', ''],
  ];
  it.each(cases)('%s', (target, path, query) => {
    expect(at(target)).toEqual({ ok: true, path, query, host: 'gateway.example' });
  });

  it('as long as the bound allows', () => {
    expect(at(`/${'a'.repeat(MAX_TARGET - 1)}`).ok).toBe(true);
  });
});

describe('targets that are refused', () => {
  const cases: [target: string, expected: TargetFault][] = [
    ['*', 'target_form'],
    ['', 'target_form'],
    ['?a=b', 'target_form'],
    ['@evil.example/a', 'target_form'],
    [`/${'a'.repeat(MAX_TARGET)}`, 'target_too_long'],
    [`/a?${'a'.repeat(MAX_TARGET)}`, 'target_too_long'],
    ['/a#b', 'fragment'],
    ['/a?b=c#d', 'fragment'],
    ['/a b', 'control_character'],
    ['/a\tb', 'control_character'],
    ['/a\r\nb', 'control_character'],
    ['/a\0b', 'control_character'],
    ['/a\x7fb', 'control_character'],
    ['/a?b=\x01', 'control_character'],
    ['/café', 'non_ascii'],
    ['/a?b=é', 'non_ascii'],
    ['/a/．．/b', 'non_ascii'],
    ['//', 'empty_segment'],
    ['//evil.example/a', 'empty_segment'],
    ['/a//b', 'empty_segment'],
    ['/a//', 'empty_segment'],
    ['/.', 'dot_segment'],
    ['/..', 'dot_segment'],
    ['/a/../b', 'dot_segment'],
    ['/a/./b', 'dot_segment'],
    ['/a/..', 'dot_segment'],
    ['/a/../', 'dot_segment'],
    ['/a/%2e%2e/b', 'dot_segment'],
    ['/a/%2E%2E/b', 'dot_segment'],
    ['/a/.%2e/b', 'dot_segment'],
    ['/a/%2E./b', 'dot_segment'],
    ['/a/%2e', 'dot_segment'],
    ['/a/..%20/b', 'dot_segment'],
    ['/a/%20../b', 'dot_segment'],
    ['/a/..%C2%A0', 'dot_segment'],
    ['/a/..%3B/b', 'dot_segment'],
    ['/a/..%3bx=1/b', 'dot_segment'],
    ['/a/..;/b', 'path_parameter'],
    ['/a;b=c/d', 'path_parameter'],
    ['/a\\b', 'backslash'],
    ['/a/..\\..\\b', 'backslash'],
    ['/a%5cb', 'encoded_separator'],
    ['/a%5Cb', 'encoded_separator'],
    ['/a%2fb', 'encoded_separator'],
    ['/a%2Fb', 'encoded_separator'],
    ['/memories/x%2Fhistory', 'encoded_separator'],
    ['/a/..%2f..%2fb', 'encoded_separator'],
    ['/a%00b', 'control_character'],
    ['/a%0d%0ab', 'control_character'],
    ['/a%7f', 'control_character'],
    ['/a%C2%85', 'control_character'],
    ['/a%', 'malformed_escape'],
    ['/a%2', 'malformed_escape'],
    ['/a%2/b', 'malformed_escape'],
    ['/a%zz', 'malformed_escape'],
    ['/a%u002e', 'malformed_escape'],
    ['/a/%%32%65/b', 'malformed_escape'],
    ['/a/%c0%ae%c0%ae/b', 'invalid_utf8'],
    ['/a/%c0%af', 'invalid_utf8'],
    ['/a/%e0%80%af', 'invalid_utf8'],
    ['/a/%f0%80%80%af', 'invalid_utf8'],
    ['/a/%ed%a0%80', 'invalid_utf8'],
    ['/a/%ff', 'invalid_utf8'],
    ['/a/%c3', 'invalid_utf8'],
    ['/a/%f4%90%80%80', 'invalid_utf8'],
    ['/a/%252e%252e/b', 'nested_escape'],
    ['/a/%25%32%65/b', 'nested_escape'],
    ['/a/%25%32%66', 'nested_escape'],
    ['/a/%252f', 'nested_escape'],
    ['/a/%255c', 'nested_escape'],
    ['/a/%2500', 'nested_escape'],
    ['/a/%253b', 'nested_escape'],
    ['/a/%25c0%25ae', 'nested_escape'],
    ['/a/%2525', 'nested_escape'],
    ['/a/%25252e', 'nested_escape'],
    ['/a/%25%2532%2565', 'nested_escape'],
    ['/a/%25%25%33%32%65', 'nested_escape'],
    ['/a{b}', 'path_character'],
    ['/a|b', 'path_character'],
    ['/a"b', 'path_character'],
    ['/a<b>', 'path_character'],
    ['/a^b', 'path_character'],
    ['/a`b', 'path_character'],
    ['/a[b]', 'path_character'],
  ];
  it.each(cases)('%j: %s', (target, expected) => {
    expect(reason(target)).toBe(expected);
  });
});

describe('properties', () => {
  const piece = fc.constantFrom(
    ...[
      '/',
      '.',
      '%',
      '%2',
      '%25',
      '%2e',
      '%2F',
      '%5c',
      '%C3%A9',
      '%c0',
      'e',
      '5',
      '2',
      'f',
      '\\',
      ';',
      '?',
      ':',
      '@',
    ],
    ...[
      'a',
      '#',
      ' ',
      '\0',
      '%00',
      '%20',
      '%3b',
      "'",
      '"',
      '{',
      'é',
      '\ud800',
      '~',
      '*',
      '%F0%9F%98%80',
      '^',
      '|',
    ],
  );
  const target = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
  );
  const host = fc.oneof(
    fc.constant('gateway.example'),
    fc.string(),
    fc.domain(),
    fc.ipV4(),
    fc.ipV6().map((ip) => `[${ip}]`),
  );

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.option(host), target, (url, name, text) => {
        parseTarget(url, name);
        parseTarget(`http://${name}${text}`, name);
      }),
      { numRuns: 3000 },
    );
  });

  it('what is accepted is the same to a URL parser', () => {
    let accepted = 0;
    fc.assert(
      fc.property(target, host, (text, name) => {
        const parsed = at(text, name);
        if (!parsed.ok) return;
        accepted++;
        expect(new URL(`http://${name}${text}`).pathname).toBe(parsed.path);
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('what is accepted brings out nothing in any number of decodings', () => {
    fc.assert(
      fc.property(target, (text) => {
        const parsed = at(text);
        if (!parsed.ok) return;
        const slashes = parsed.path.split('/').length;
        let path = parsed.path;
        for (let level = 0; level < 6; level++) {
          // The most lenient decoder there is: byte by byte, leaving alone what is no escape.
          path = path.replace(/%([0-9A-Fa-f]{2})/g, (_, hex) =>
            String.fromCharCode(Number.parseInt(hex, 16)),
          );
          expect(path.split(/[/\\]/).length).toBe(slashes);
          expect(path.split('/').some((segment) => segment === '.' || segment === '..')).toBe(false);
          expect(path).not.toContain('\0');
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
