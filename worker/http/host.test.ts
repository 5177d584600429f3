import { describe, expect, it } from 'vitest';
import { isLoopbackHost, parseTarget } from './target.ts';

const at = (target: string, host: string) => parseTarget(`http://${host}${target}`, host);

describe('Host', () => {
  const accepted = [
    'gateway.example',
    'Gateway.Example',
    'gateway.example:8443',
    'localhost:9000',
    'my_host',
    '127.0.0.1:9000',
    '[::1]',
    '[2001:db8::1]:443',
    '[::ffff:192.0.2.1]',
    'xn--bcher-kva.example',
    `${'a'.repeat(63)}.example`,
  ];
  it.each(accepted)('%s is one', (host) => {
    expect(at('/a', host)).toEqual({ ok: true, path: '/a', query: '', host: host.toLowerCase() });
  });

  const refused = [
    'a/b',
    'a/b?c',
    'a?b',
    'a#b',
    'a\\b',
    'user@host',
    'user:pass@host',
    'a b',
    ' a',
    'a,b',
    'a, b',
    'a:',
    'a:0',
    'a:080',
    'a:65536',
    'a:1:2',
    'a:b',
    'a..b',
    '.a',
    'a.',
    '-a',
    'a-',
    'a%2eb',
    '%61',
    'é.example',
    'a\tb',
    'a*',
    'blac\u212a.example',
    '\uff41.example',
    '[::1',
    '::1',
    '[::1%25lo]',
    '[1:2:3]',
    '[::1]x',
    '[]',
    '256.1.1.1',
    '1.2.3',
    '127.1',
    '0177.0.0.1',
    '0x7f000001',
    '2130706433',
    'a.1',
    'a.0x',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(127)}abc`,
  ];
  it.each(refused)('%j is none', (host) => {
    expect(at('/a', host)).toEqual({ ok: false, reason: 'host_malformed' });
  });

  it('must be there', () => {
    expect(parseTarget('http://a/b', null)).toEqual({ ok: false, reason: 'host_missing' });
    expect(parseTarget('http://a/b', '')).toEqual({ ok: false, reason: 'host_missing' });
  });

  it('must be what the URL says, but for case and the default port', () => {
    const read = (url: string, host: string) => {
      const parsed = parseTarget(url, host);
      return parsed.ok ? parsed.path : parsed.reason;
    };
    expect(read('https://a.example/x', 'A.example')).toBe('/x');
    expect(read('https://a.example/x', 'a.example:443')).toBe('/x');
    expect(read('http://a.example/x', 'a.example:80')).toBe('/x');
    expect(read('http://a.example/x', 'a.example:443')).toBe('host_mismatch');
    expect(read('https://b.example/x', 'a.example')).toBe('host_mismatch');
    expect(read('https://a.example.evil/x', 'a.example')).toBe('host_mismatch');
    expect(read('https://a.example:9/x', 'a.example')).toBe('host_mismatch');
    expect(read('https://user@a.example/x', 'a.example')).toBe('host_mismatch');
    expect(read('ftp://a.example/x', 'a.example')).toBe('target_form');
    expect(read('/x', 'a.example')).toBe('target_form');
  });
});

describe('the loopback rule', () => {
  it.each([
    ['localhost', true],
    ['LOCALHOST:9000', true],
    ['127.0.0.1', true],
    ['127.255.0.9:80', true],
    ['[::1]', true],
    ['[0:0:0:0:0:0:0:1]:9000', true],
    ['', false],
    ['localhost.example', false],
    ['localhost.', false],
    ['127.0.0.1.nip.example', false],
    ['127.1', false],
    ['2130706433', false],
    ['128.0.0.1', false],
    ['0.0.0.0', false],
    ['[::]', false],
    ['[::ffff:127.0.0.1]', false],
    ['localho\u017ft', false],
    ['localhost/x', false],
    ['evil@localhost', false],
    ['localhost:9000, evil', false],
  ])('%j: %s', (host, expected) => {
    expect(isLoopbackHost(host)).toBe(expected);
  });
});
