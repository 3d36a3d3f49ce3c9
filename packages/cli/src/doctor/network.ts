/** The steps of discovery: interfaces, the question, the answer. */
import type { KnownQueen } from '@hive/shared';
import { DiscoverySeeker, formatAddress, type Seeking, waysOut } from '@hive/shared/node';
import { type Finding, failed, ok, skipped } from './step.ts';

export interface NetworkFindings {
  readonly interfaces: Finding;
  readonly sent: Finding;
  readonly answer: Finding;
  readonly queens: readonly KnownQueen[];
  /** Where Queens of other clusters say that they are. */
  readonly foreign: readonly string[];
}
export interface NetworkOptions {
  /** Null when it is turned off, or there is no key to ask with. */
  readonly seeking: Seeking | null;
  readonly isOff: boolean;
  /** Time for the answer. */
  readonly waitMillis: number;
}

export async function checkNetwork({ seeking, isOff, waitMillis }: NetworkOptions): Promise<NetworkFindings> {
  const interfaces = checkInterfaces();
  if (seeking === null) {
    const why = isOff
      ? 'discovery is turned off (--discovery-port 0 or DISCOVERY_PORT=0)'
      : 'there is no key to ask with';
    return { interfaces, sent: skipped(why), answer: skipped(why), queens: [], foreign: [] };
  }
  const seeker = new DiscoverySeeker(seeking);
  const { port } = seeking;
  try {
    await seeker.start();
    const queens = await seeker.find(waitMillis);
    const [sent, answer] = [sentOf(seeker, port), answerOf(seeker, queens, port)];
    return { interfaces, sent, answer, queens, foreign: seeker.stats.foreignAddresses };
  } catch (error) {
    const sent = failed(
      `No UDP socket can be opened: ${(error as Error).message}`,
      'Name the Queen: --queen host:port.',
    );
    return { interfaces, sent, answer: skipped('nobody could be asked'), queens: [], foreign: [] };
  } finally {
    await seeker.close();
  }
}

function checkInterfaces(): Finding {
  const ways = waysOut('everywhere');
  if (ways.length === 0) {
    return failed(
      'No interface with an IPv4 address is up, not even loopback.',
      'Bring one up: ip link set lo up.',
    );
  }
  const list = ways.map(({ name, address }) => `${name} ${address}`).join(', ');
  const isAlone = ways.every(({ isLoopback }) => isLoopback);
  return ok(isAlone ? `${list}; nothing but this machine can be reached` : list);
}

function sentOf({ stats }: DiscoverySeeker, port: number): Finding {
  const { asked, failed: lost, failure } = stats;
  if (asked === 0) {
    return failed(
      `No question could leave${failure === null ? '' : `: ${failure}`}.`,
      `Let UDP to port ${port} out through this machine's firewall, or name the Queen: --queen host:port.`,
    );
  }
  return ok(`${asked} to UDP port ${port}${lost === 0 ? '' : `; ${lost} could not leave (${failure})`}`);
}

function answerOf({ stats }: DiscoverySeeker, queens: readonly KnownQueen[], port: number): Finding {
  if (queens.length > 0) {
    return ok(queens.map(({ name, addresses }) => `${name} at ${formatAddress(addresses[0]!)}`).join(', '));
  }
  const { foreignAddresses, forged, deaf } = stats;
  const advice = [
    'See that a Queen runs in this network, and does not listen on 127.0.0.1 alone.',
    `Let UDP port ${port} through the firewalls of both machines; they must be in one network, without a router between them.`,
    'Or do without: --queen host:port, --scan host:5000-5100; or let the Queen dial: hive drone --listen 5001-5100.',
  ];
  if (foreignAddresses.length > 0) {
    return failed(
      `Queens were heard, but of other clusters: ${foreignAddresses.join(', ')}.`,
      'Use a key of the cluster that you mean (HIVE_KEY).',
      ...advice,
    );
  }
  if (forged > 0)
    return failed(`${forged} announcements with a false signature were heard, and no true one.`, ...advice);
  const why = deaf === null ? '' : ` Announcements cannot be heard here, only answers: ${deaf}.`;
  return failed(`No Queen has answered.${why}`, ...advice);
}
