/** All steps of `hive doctor`, in the order in which a Drone or a client takes them. */
import { connect } from '@hive/client';
import {
  DEFAULT_PORT,
  defaultDataFolder,
  discoveryPortOf,
  distinct,
  formatAddress,
  formatKey,
  LOOPBACK,
  type Place,
  parseAddress,
  readQueenAddress,
  seekingOf,
} from '@hive/shared/node';
import { insecureOf } from '../insecure.ts';
import type { ClientArguments } from '../options.ts';
import type { SessionRole } from './hello.ts';
import { checkNetwork } from './network.ts';
import { checkSecret } from './secret.ts';
import { checkSession } from './session.ts';
import { type Finding, type Step, skipped } from './step.ts';

const ANSWER_MILLIS = 3_000;

export interface DoctorArguments extends ClientArguments {
  readonly role?: SessionRole | undefined;
}

/** @throws UsageError when an option makes no sense */
export async function examine(argv: DoctorArguments): Promise<Step[]> {
  const { queen, data, discoveryPort } = argv;
  const insecure = insecureOf(argv);
  const folder = data ?? defaultDataFolder();
  const named = queen ?? process.env['HIVE_QUEEN'];
  const places: Place[] = named
    ? named.split(',').map((text) => ({ address: parseAddress(text), source: 'named' }))
    : leftIn(folder);
  const { finding: secret, access } = checkSecret(folder, { insecure });
  const port = discoveryPortOf(discoveryPort);
  const seeking = access === null ? null : seekingOf(() => access, port);
  const network = await checkNetwork({ seeking, isOff: port === null, waitMillis: ANSWER_MILLIS });
  const own = network.queens.flatMap(({ addresses }) => addresses);
  if (!named) {
    for (const { name, addresses } of network.queens)
      for (const address of addresses) places.push({ address, source: `heard from ${name}` });
    places.push({ address: { host: LOOPBACK, port: DEFAULT_PORT }, source: 'the default' });
  }
  const session = await checkSession({
    places: distinct(places),
    access,
    wanted: argv.role,
    evidence: { folder, own, foreign: network.foreign },
    open: (address) =>
      connect({
        queen: formatAddress(address),
        name: 'hive doctor',
        discoveryPort: 0,
        data: folder,
        ...(access?.kind === 'key' ? { key: formatKey(access.key) } : { insecure }),
      }),
  });
  const answer = isNeedless(network.answer, Boolean(named), session.tcp) ?? network.answer;
  return [
    { name: 'secret', ...secret },
    { name: 'interfaces', ...network.interfaces },
    { name: 'datagram sent', ...network.sent },
    { name: 'answer heard', ...answer },
    { name: 'TCP', ...session.tcp },
    { name: 'TLS', ...session.tls },
    { name: 'version', ...session.version },
    { name: 'role', ...session.role },
  ];
}

/** Who was named and reached need not be heard. */
function isNeedless(answer: Finding, isNamed: boolean, tcp: Finding): Finding | null {
  if (answer.status !== 'failed' || !isNamed || tcp.status !== 'ok') return null;
  return skipped(`not needed, since the Queen was named. ${answer.text}`);
}

function leftIn(folder: string): Place[] {
  const address = readQueenAddress(folder);
  return address === null ? [] : [{ address, source: `left in ${folder}` }];
}
