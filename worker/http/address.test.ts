import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressKey, cutAddress } from './address.ts';

describe('addresses', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7', '203.0.113.0/24'],
    ['0.0.0.0', '0.0.0.0', '0.0.0.0/24'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.0/24'],
    ['::FFFF:cb00:7107', '203.0.113.7', '203.0.113.0/24'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7', '203.0.113.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', '2001:db8:1::/48'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64', '2001:db8:1::/48'],
    ['2001:db8::1', '2001:db8::/64', '2001:db8::/48'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64', '2001:db8::/48'],
    ['0:0:0:1::', '0:0:0:1::/64', '::/48'],
    ['::1', '::/64', '::/48'],
    ['::', '::/64', '::/48'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64', '1:2:3::/48'],
    ['::192.0.2.1', '::/64', '::/48'],
    ['1::8', '1::/64', '1::/48'],
  ])('%s', (ip, key, cut) => {
    expect([addressKey(ip), cutAddress(ip)]).toEqual([key, cut]);
  });

  it.each([
    '',
    'unknown',
    'localhost',
    '203.0.113',
    '203.0.113.256',
    '203.0.113.07',
    '203.0.113.7.1',
    '203.0.113.7:80',
    '203.0.113.7, 198.51.100.1',
    ' 203.0.113.7',
    '203.0.113.7\n',
    '0x7f.0.0.1',
    '2001:db8',
    '2001:db8::1::2',
    ':::',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
    '1:2:3:4::5:6:7:8',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '[::1]',
    '1.2.3.4::',
    '::1.2.3',
    '1:2:3:4:5:6:7:1.2.3.4',
  ])('%j is none', (ip) => {
    expect([addressKey(ip), cutAddress(ip)]).toEqual(['unknown', 'unknown']);
  });

  it('gives every spelling of an address one key, and never throws', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.string(), (ip, noise) => {
        const canonical = new URL(`http://[${ip}]/`).hostname.slice(1, -1);
        expect(addressKey(ip)).toBe(addressKey(canonical));
        expect(cutAddress(ip)).toBe(cutAddress(canonical));
        expect(addressKey(ip)).not.toBe('unknown');
        addressKey(noise);
        cutAddress(noise);
      }),
      { numRuns: 2000 },
    );
  });

  it('cuts by the bits: the text is the network that a URL parser writes', () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xfffe }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const network = (kept: number) => {
          const words = groups.map((word, at) => (at < kept ? word : 0).toString(16)).join(':');
          return `${new URL(`http://[${words}]/`).hostname.slice(1, -1)}/${kept * 16}`;
        };
        const ip = groups.map((word) => word.toString(16)).join(':');
        expect(addressKey(ip)).toBe(network(4));
        expect(cutAddress(ip)).toBe(network(3));
      }),
    );
  });
});
