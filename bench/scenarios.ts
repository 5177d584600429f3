import type { Role } from '../core/record.ts';
import { MEMORY_ID } from '../tests/fakes/mem0.ts';
import type { Shot } from './load/types.ts';

export const TENANT = 'acme';
export const ACTORS = 1000;
/** Of them, for each connection: more would come so seldom that workerd closes their gates. */
export const ACTORS_EACH = 100;
/** Requests that an admin may make in a window. All others may make more than the bench can. */
export const LOW_LIMIT = 20;
/** Of the limited scenario: so few that their limit is reached in the warm-up. */
const LIMITED_ACTORS = 8;

export interface Scenario {
  readonly name: string;
  /** What it measures, for people. */
  readonly text: string;
  readonly shot: Shot;
  /** Who asks; absent: nobody that can prove it. */
  readonly actors?: { readonly role: Role; readonly count: number };
  /** What the gateway must answer; any other status fails the round. */
  readonly status: number;
  /** A status that may come beside it. */
  readonly also?: number;
  /** Requests of the warm-up, where each actor's first is not enough. */
  readonly warmUp?: number;
  /** Refusals of one kind share a record, so that what a round left behind is known only once its window is over. */
  readonly coalesced?: true;
}

const BY_ID: Shot = { method: 'GET', path: `/memories/${MEMORY_ID}` };
const ADD: Shot = {
  method: 'POST',
  path: '/memories',
  body: JSON.stringify({
    messages: [{ role: 'user', content: 'I drink green tea in the morning and never coffee.' }],
    user_id: 'bob',
    infer: false,
  }),
};

/** What a refusal must be cheaper than. */
export const READ: Scenario = {
  name: 'read',
  text: 'read by id, an answer of 1 KB',
  shot: BY_ID,
  actors: { role: 'agent-reader', count: ACTORS },
  status: 200,
};

export const SCENARIOS: readonly Scenario[] = [
  READ,
  {
    name: 'search',
    text: 'search, an answer of 50 rows',
    shot: {
      method: 'POST',
      path: '/search',
      body: JSON.stringify({ query: 'what does he drink', filters: { user_id: 'bob' } }),
    },
    actors: { role: 'agent-reader', count: ACTORS },
    status: 200,
  },
  {
    name: 'add',
    text: 'add, recorded before and after',
    shot: ADD,
    actors: { role: 'agent-writer', count: ACTORS },
    status: 200,
  },
  {
    name: 'denied',
    text: 'an addition by a reader: 403 from the policy',
    shot: ADD,
    actors: { role: 'agent-reader', count: ACTORS },
    status: 403,
  },
  {
    name: 'limited',
    text: 'read by id past the limit: 429',
    shot: BY_ID,
    actors: { role: 'admin', count: LIMITED_ACTORS },
    status: 429,
    also: 200,
    warmUp: LIMITED_ACTORS * LOW_LIMIT * 2,
    coalesced: true,
  },
  {
    name: 'unauthenticated',
    text: 'read by id without a token: 401',
    shot: BY_ID,
    status: 401,
    coalesced: true,
  },
];

/** What any tenant may ask and be answered the same: for measurements over many of them. */
export const LIST: Scenario = {
  name: 'list',
  text: 'a list, empty',
  shot: { method: 'GET', path: '/memories?user_id=nobody' },
  status: 200,
};

export const CONNECTIONS: readonly number[] = [1, 8, 32, 128];
