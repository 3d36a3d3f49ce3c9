/** The steps from an address to a session: TCP, TLS, the version, and what this user may do. */
import { type Hive, UsageError } from '@hive/client';
import {
  formatIdentity,
  LIMITS,
  PROTOCOL_VERSION,
  ProtocolError,
  type Role,
  roleProblem,
} from '@hive/shared';
import {
  type Access,
  type Address,
  dial,
  formatAddress,
  type Line,
  openLine,
  type Place,
} from '@hive/shared/node';
import { inWords } from '../drone-lines.ts';
import { Rejected, type SessionRole, sayHello } from './hello.ts';
import { type Evidence, whyRefused } from './refused.ts';
import { type Finding, failed, ok, skipped } from './step.ts';

export interface SessionFindings {
  readonly tcp: Finding;
  readonly tls: Finding;
  readonly version: Finding;
  readonly role: Finding;
}
export interface SessionOptions {
  readonly places: readonly Place[];
  /** Null when there is no key. */
  readonly access: Access | null;
  /** What this user wants to be; absent: what the key is for. */
  readonly wanted?: SessionRole | undefined;
  readonly evidence: Evidence;
  /** Opens a client's session there. */
  readonly open: (address: Address) => Promise<Hive>;
}
/** For TLS, and for the answer to Hello. */
const ANSWER_MILLIS = 3_000;

export async function checkSession(options: SessionOptions): Promise<SessionFindings> {
  const { tcp, address } = await checkTcp(options.places);
  const none = (text: string) => ({ tls: skipped(text), version: skipped(text), role: skipped(text) });
  if (address === null) return { tcp, ...none('no Queen was reached') };
  if (options.access === null) return { tcp, ...none('there is no key') };
  return { tcp, ...(await checkLine(address, options.access, options)) };
}

async function checkTcp(places: readonly Place[]): Promise<{ tcp: Finding; address: Address | null }> {
  const reasons: string[] = [];
  for (const { address, source } of places) {
    const where = `${formatAddress(address)} (${source})`;
    try {
      const socket = await dial(address, LIMITS.scanMillis);
      socket.destroy();
      return { tcp: ok(where), address };
    } catch (error) {
      reasons.push(`${where}: ${inWords((error as Error).message)}`);
    }
  }
  const tcp = failed(
    `No Queen can be reached. ${reasons.join('; ')}.`,
    'Start one (hive queen), or name her: --queen host:port.',
    'If she runs on another machine, her port must be open in the firewalls, and she must not listen on 127.0.0.1 alone.',
    'If only she can reach this machine, let her dial: hive drone --listen 5001-5100 here, hive queen --scan HOST:5001-5100 there.',
  );
  return { tcp, address: null };
}

type LineFindings = Omit<SessionFindings, 'tcp'>;

async function checkLine(address: Address, access: Access, options: SessionOptions): Promise<LineFindings> {
  const unsafe = skipped('no secure connection');
  let line: Line;
  try {
    line = await openLine(address, () => access, ANSWER_MILLIS);
  } catch (error) {
    return { tls: notSecured(error as Error, address, access, options), version: unsafe, role: unsafe };
  }
  try {
    await sayHello(line, roleOf(access, options.wanted), ANSWER_MILLIS);
  } catch (error) {
    return notWelcome(error as Error, access);
  }
  return {
    tls: secured(access),
    version: ok(`protocol ${OWN_VERSION}`),
    role: await checkRole(address, access, options),
  };
}

const { min, max } = PROTOCOL_VERSION;
const OWN_VERSION = min === max ? `${max}` : `${min} to ${max}`;

/** As what to say Hello: what is wanted if the key allows it, else what it is for. */
function roleOf(access: Access, wanted: SessionRole | undefined): SessionRole {
  if (access.kind === 'insecure') return 'client';
  const { role } = access.key;
  if (wanted !== undefined && roleProblem(role, wanted) === null) return wanted;
  return role === 'node' ? 'client' : role;
}

function secured(access: Access): Finding {
  if (access.kind === 'insecure') return skipped('--insecure: in the clear, and the Queen proves nothing');
  return ok(`TLS 1.3 with the key ${formatIdentity(access.key)}; she has proved that she is a Queen of it`);
}

function notSecured(
  error: NodeJS.ErrnoException,
  address: Address,
  access: Access,
  { evidence }: SessionOptions,
): Finding {
  if (error.code === 'badKey' && access.kind === 'key') return whyRefused(access.key, address, evidence);
  if (error instanceof UsageError) return failed(error.message);
  return failed(
    `No secure connection: ${inWords(error.message)}.`,
    'See that it is a Queen who listens there. One from whom 20 handshakes of this machine have failed does not listen to it for 10 s.',
  );
}

function notWelcome(error: Error, access: Access): LineFindings {
  const none = skipped('no session');
  if (error instanceof Rejected && error.code === 'keyRevoked')
    return {
      tls: failed(error.message, 'Make another key where the Queen runs.'),
      version: none,
      role: none,
    };
  if (error instanceof Rejected && error.code === 'badRole')
    return { tls: secured(access), version: ok(`protocol ${OWN_VERSION}`), role: failed(error.message) };
  if (error instanceof Rejected) {
    const advice = `This one speaks version ${OWN_VERSION} of the protocol. Use the same release of The Hive everywhere.`;
    return { tls: secured(access), version: failed(`No session: ${error.message}`, advice), role: none };
  }
  if (error instanceof ProtocolError && access.kind === 'key') {
    const tls = failed(
      `Whoever answers there is no Queen: ${error.message}.`,
      'Somebody else who holds this key may listen there. Look what runs at that address.',
    );
    return { tls, version: none, role: none };
  }
  const version = failed(
    `No session: ${error.message}.`,
    'See that it is a Queen who listens there; one who wants a key closes connections of "--insecure".',
  );
  return { tls: secured(access), version, role: none };
}

const MAY: Readonly<Record<Role, string>> = {
  drone: 'may run work, and not submit any',
  client: 'may submit work',
  observer: 'may look, and change nothing',
  node: 'may do everything',
};

async function checkRole(
  address: Address,
  access: Access,
  { wanted, open }: SessionOptions,
): Promise<Finding> {
  const key = access.kind === 'key' ? access.key.role : 'node';
  const problem = wanted === undefined ? null : roleProblem(key, wanted);
  if (problem !== null) return failed(problem);
  if (key === 'drone') return ok(`a Drone's key: it ${MAY.drone}`);
  let hive: Hive;
  try {
    hive = await open(address);
  } catch (error) {
    return failed(`No client's session: ${(error as Error).message}`);
  }
  try {
    const { name, drones } = await hive.status();
    const about = drones === 0 ? 'she has no Drones yet' : `Drones: ${drones}`;
    return ok(`this user ${MAY[key]}; ${name} answers; ${about}`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return failed(`The Queen answers no questions of this user: ${error.message}`);
  } finally {
    await hive.close();
  }
}
