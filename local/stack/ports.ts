import { CommandError } from '../../scripts/lib/command.ts';
import { isPortFree } from '../ports.ts';

export interface Ports {
  readonly gateway: number;
  readonly identity: number;
  readonly postgres: number;
  readonly mem0: number;
  readonly neon: number;
}

export const DEFAULT_PORTS: Ports = { gateway: 9000, identity: 9002, postgres: 9005, mem0: 9006, neon: 9007 };

const NAMES: { readonly [part in keyof Ports]: string } = {
  gateway: 'the gateway',
  identity: 'the identity provider',
  postgres: 'Postgres',
  mem0: 'Mem0',
  neon: 'SQL over HTTP',
};

/** The default ports, each moved by `offset`. */
export function shiftedPorts(offset: number): Ports {
  const entries = Object.entries(DEFAULT_PORTS).map(([part, port]) => [part, port + offset]);
  return Object.fromEntries(entries) as unknown as Ports;
}

/** @throws CommandError in one line that names every port that is taken, and the remedy. */
export async function checkPorts(ports: Partial<Ports>): Promise<void> {
  const taken: string[] = [];
  for (const [part, port] of Object.entries(ports) as [keyof Ports, number][]) {
    if (!(await isPortFree(port))) taken.push(`${port} (${NAMES[part]})`);
  }
  if (taken.length === 0) return;
  const verb = taken.length === 1 ? 'is' : 'are';
  throw new CommandError(
    `Port ${taken.join(', ')} ${verb} taken: stop what listens there, or move all ports with \`npm start -- --offset 100\`.`,
  );
}
