/** Longer than any call of ours takes while the database is well. */
export const SQL_TIMEOUT_MS = 15_000;

/** A status that is neither a result nor an SQL error. Its body is not read: a proxy's page says nothing. */
export class HttpFailure extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

/**
 * SQL over HTTP for one call, given up after `timeoutMs`. The driver is evaluated when it is first needed: no request
 * waits for it but those that ask the database. Its settings are the module's own, so this is the only place that
 * touches them. No error of the driver may be logged: one of them quotes the connection string.
 */
export async function neonSql(url: string, endpoint: string | undefined, timeoutMs = SQL_TIMEOUT_MS) {
  const { neon, neonConfig } = await import('@neondatabase/serverless');
  if (endpoint !== undefined) neonConfig.fetchEndpoint = endpoint;
  neonConfig.fetchFunction = async (input: RequestInfo, init?: RequestInit) => {
    const response = await fetch(input, init);
    if (response.status === 200 || response.status === 400) return response;
    await response.body?.cancel();
    throw new HttpFailure(response.status);
  };
  return neon(url, { fetchOptions: { signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' } });
}
