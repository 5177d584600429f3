import { describe, expect, it } from 'vitest';
import { match } from './match.ts';

const UUID = '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d';

describe('literals', () => {
  const UNKNOWN = [
    '/%6demories',
    '/Memories',
    '/memories/',
    '//memories',
    '/memories//history',
    '/memories;x',
    '/memories ',
    'memories',
    '',
    '/v1/memories',
    '/v3/memories/add',
    '/api-keysx',
    '/search/',
    `/memories/${UUID}/`,
    `/memories/${UUID}/histor%79`,
    `/memories/${UUID}%2Fhistory/x`,
    '/entities/app/bob',
    '/entities/User/bob',
    '/entities/us%65r/bob',
    '/entities/user/',
    '/governance/v1/anything',
  ];
  it.each(UNKNOWN)('%j is unknown', (path) => {
    expect(match('GET', path)).toEqual({ kind: 'unknown' });
    expect(match('DELETE', path)).toEqual({ kind: 'unknown' });
  });
});

describe('parameters', () => {
  it('are decoded once', () => {
    expect(match('DELETE', '/entities/user/a%2540b')).toMatchObject({
      params: { entity_type: 'user', entity_id: 'a%40b' },
    });
    expect(match('DELETE', '/entities/run/caf%C3%A9')).toMatchObject({
      params: { entity_type: 'run', entity_id: 'café' },
    });
    expect(match('DELETE', '/entities/agent/%20bob%E3%80%80')).toMatchObject({
      params: { entity_id: 'bob' },
    });
    expect(match('GET', `/memories/${UUID}`)).toMatchObject({ params: { memory_id: UUID } });
  });

  const BAD: readonly (readonly [string, string, string])[] = [
    ['DELETE', '/entities/user/%2A', 'id_wildcard'],
    ['DELETE', '/entities/user/*', 'id_wildcard'],
    ['DELETE', '/entities/user/%C2%A0%2A%E3%80%80', 'id_wildcard'],
    ['DELETE', '/entities/user/%20', 'id_empty'],
    ['DELETE', '/entities/user/a%2Fb', 'encoded_separator'],
    ['DELETE', '/entities/user/a%5Cb', 'encoded_separator'],
    ['DELETE', '/entities/user/a%00', 'id_control_character'],
    ['DELETE', '/entities/user/a%E2%80%AEb', 'id_control_character'],
    ['DELETE', '/entities/user/a%20b', 'id_white_space'],
    ['DELETE', '/entities/user/a%', 'bad_escape'],
    ['DELETE', '/entities/user/%C0%AE', 'bad_escape'],
    ['DELETE', '/entities/user/%ED%A0%80', 'bad_escape'],
    ['GET', '/memories/x', 'memory_id_malformed'],
    ['GET', `/memories/${UUID.toUpperCase()}`, 'memory_id_malformed'],
    ['DELETE', `/memories/${UUID.replaceAll('-', '')}`, 'memory_id_malformed'],
    ['PUT', `/memories/%7B${UUID}%7D`, 'memory_id_malformed'],
    ['GET', `/memories/${UUID}%2Fhistory`, 'encoded_separator'],
    ['GET', `/memories/${UUID}%20`, 'memory_id_malformed'],
    ['GET', `/memories/../history`, 'memory_id_malformed'],
    ['GET', '/v1/event/7/', 'event_id_malformed'],
  ];
  it.each(BAD)('%s %s is refused', (method, path, reason) => {
    expect(match(method, path)).toEqual({ kind: 'bad_parameter', reason });
  });
});

describe('positions with a literal and a class', () => {
  it('give the literal precedence', () => {
    expect(match('POST', '/v1/memories/search/')).toMatchObject({
      operation: { id: 'platform.v1.memories.search' },
    });
    expect(match('GET', '/v1/memories/search/')).toEqual({ kind: 'method', allow: ['POST'] });
    expect(match('GET', '/v1/memories/events/')).toMatchObject({ operation: { access: 'deny' } });
    expect(match('GET', '/v1/memories/user/history/')).toMatchObject({
      operation: { id: 'platform.v1.entities.memories' },
      params: { entity_type: 'user', entity_id: 'history' },
    });
    expect(match('GET', `/v1/memories/${UUID}/history/`)).toMatchObject({
      operation: { id: 'platform.memories.history' },
    });
  });

  it('never fall back to a class', () => {
    expect(match('DELETE', '/v1/memories/events/')).toMatchObject({ operation: { access: 'deny' } });
    expect(match('PUT', '/v1/memories/user/')).toEqual({ kind: 'unknown' });
  });
});
