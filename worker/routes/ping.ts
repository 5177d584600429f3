import type { GovernedHandler } from '../pipeline/govern.ts';

/**
 * `GET /v1/ping/`. The Platform's own names the operator's account, organisation and project; this names the tenant in
 * their place, because Mem0's Python client does not start without both ids. It sends them nowhere that is served.
 */
export const ping: GovernedHandler = ({ principal }) => ({
  body: { status: 'ok', org_id: 'governed', project_id: principal.tenant },
});
