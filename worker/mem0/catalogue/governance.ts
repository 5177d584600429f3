import type { Operation } from './types.ts';

function open(id: string, path: string, summary: string): Operation {
  return {
    id,
    dialect: 'governance',
    method: 'GET',
    path,
    action: 'read',
    access: 'public',
    resource: 'status',
    query: {},
    body: 'none',
    ids: [],
    phi: [],
    scope: 'none',
    serve: { oss: 'evaluate', platform: 'evaluate' },
    answer: 'unread',
    owner: 'none',
    summary,
  };
}

/** The gateway's own operations. The public ones are this fixed list; they hold nothing of a tenant. */
export const GOVERNANCE: readonly Operation[] = [
  open('governance.health', '/health', 'Says that the gateway is alive.'),
  open('governance.ready', '/ready', 'Says per part whether the gateway can serve.'),
];
