/** `hive bench connections`: how many Drones one Queen holds, what they cost her, and how fast all are back after kill -9. */
import { startProcesses } from '@hive/local';
import type { Argv, CommandModule } from 'yargs';
import { STORE_SETTINGS } from '../cluster.ts';
import { hardware } from '../hardware.ts';
import { positive } from '../options.ts';
import { Swarm } from './swarm.ts';

export interface ConnectionsOptions {
  readonly drones: number;
  readonly idleSeconds: number;
  readonly tls: boolean;
}
export interface ConnectionsReport extends ConnectionsOptions {
  readonly bench: 'connections';
  readonly hardware: ReturnType<typeof hardware>;
  readonly store: 'sqlite';
  readonly storeSettings: string;
  /** From the first dial until the last Welcome. */
  readonly joinSeconds: number;
  /** The Queen's, with all of them connected. */
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** The Queen's CPU while nothing happens, as a share of one core. */
  readonly idleCoreShare: number;
  /** From kill -9 of the Queen, who is started again at once, until the last one is back. */
  readonly backSeconds: number;
  /** Sessions that were lost while nothing happened. */
  readonly lost: number;
}

export async function measureConnections(
  options: ConnectionsOptions,
  say: (line: string) => void,
): Promise<ConnectionsReport> {
  const { drones, idleSeconds, tls } = options;
  const processes = await startProcesses({ drones: 0, store: 'sqlite', insecure: !tls });
  const swarm = new Swarm(processes.access);
  const seconds = async (work: () => Promise<void>) => {
    const start = performance.now();
    await work();
    return (performance.now() - start) / 1000;
  };
  try {
    swarm.grow(drones);
    const joinSeconds = await seconds(() => swarm.all());
    say(`${drones} joined in ${joinSeconds.toFixed(1)} s`);
    const before = await processes.queen.rusage();
    const idled = await seconds(() => new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000)));
    const after = await processes.queen.rusage();
    const { residentBytes, peakBytes } = after;
    const lost = drones - swarm.joined;
    const idleCoreShare = (cpuMillis(after) - cpuMillis(before)) / 1000 / idled;
    say(`idle: ${(idleCoreShare * 100).toFixed(1)} % of a core; the Queen is killed`);
    const backSeconds = await seconds(async () => {
      processes.queen.kill('SIGKILL');
      await processes.queen.exited;
      await processes.restartQueen();
      // The cut is noticed by then: a socket of a killed process is closed at once.
      await swarm.all();
    });
    return {
      bench: 'connections',
      hardware: hardware(),
      store: 'sqlite',
      storeSettings: STORE_SETTINGS.sqlite,
      ...options,
      joinSeconds,
      residentBytes,
      peakBytes,
      idleCoreShare,
      backSeconds,
      lost,
    };
  } finally {
    swarm.close();
    await processes.stop();
  }
}

const cpuMillis = ({ userMillis, systemMillis }: { userMillis: number; systemMillis: number }) =>
  userMillis + systemMillis;
const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;

export function printConnections(report: ConnectionsReport): string {
  const { drones, joinSeconds, residentBytes, peakBytes, idleCoreShare, backSeconds, lost, tls } = report;
  const { hardware: machine, storeSettings } = report;
  return [
    `hive bench connections: ${drones} Drones' sessions, made by one process, ${tls ? 'TLS' : 'plain TCP'}, SQLite (${storeSettings})`,
    `  machine         ${machine.cores} x ${machine.cpu}, Node ${machine.node}`,
    `  joined          all within ${joinSeconds.toFixed(1)} s`,
    `  the Queen       ${mebibytes(residentBytes)} resident, ${mebibytes(peakBytes)} at most`,
    `  while idle      ${(idleCoreShare * 100).toFixed(1)} % of a core; ${lost} sessions lost`,
    `  after kill -9   all back ${backSeconds.toFixed(1)} s later`,
  ].join('\n');
}

interface ConnectionsArguments {
  readonly drones: number;
  readonly idle: number;
  readonly tls: 'on' | 'off';
  readonly json: boolean;
}
export const connectionsCommand: CommandModule<object, ConnectionsArguments> = {
  command: 'connections',
  describe: 'How many Drones one Queen holds, what they cost, and how fast they are back',
  builder: (argv: Argv) =>
    argv.options({
      drones: { type: 'number', default: 10_000, coerce: positive('drones'), describe: 'Sessions' },
      idle: { type: 'number', default: 20, coerce: positive('idle'), describe: 'Seconds of doing nothing' },
      tls: { choices: ['on', 'off'], default: 'on', describe: 'Secured with keys, or plain' },
      json: { type: 'boolean', default: false, describe: 'Print one JSON object' },
    }) as unknown as Argv<ConnectionsArguments>,
  handler: async ({ drones, idle, tls, json }) => {
    const say = json ? () => {} : (line: string) => console.error(`  ${line}`);
    const report = await measureConnections({ drones, idleSeconds: idle, tls: tls === 'on' }, say);
    console.log(json ? JSON.stringify(report) : printConnections(report));
  },
};
