import { CommandError } from './command.ts';

const THIS_MACHINE = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * The origin of a gateway to which a token can be sent: with https, or on this machine.
 * @throws CommandError for any other.
 */
export function gatewayOrigin(url: string): string {
  const { protocol, hostname, origin } = URL.parse(url) ?? {};
  if (
    origin !== undefined &&
    (protocol === 'https:' || (protocol === 'http:' && THIS_MACHINE.test(hostname!)))
  ) {
    return origin;
  }
  throw new CommandError('--gateway is an https URL, or an http URL of this machine.', 2);
}
