/** `hive up`: a Queen and Drones on this machine, to try things. They live and end together. */
import { resolve } from 'node:path';
import type { SandboxPolicy } from '@hive/drone';
import type { DroneProcess, Exit, Processes } from '@hive/local';
import { exitText, type Supervised, Supervisor } from '@hive/local/supervisor';
import { LIMITS } from '@hive/shared';
import type { CommandModule } from 'yargs';
import { commandName } from '../folder.ts';
import { plural } from '../format.ts';
import { INSECURE_OPTION, type InsecureArguments, insecureOf, warnIfInsecure } from '../insecure.ts';
import { interrupted } from '../interrupt.ts';
import { wholeNumber } from '../options.ts';

interface UpArguments extends InsecureArguments {
  readonly drones: number;
  readonly slots?: number | undefined;
  readonly port?: number | undefined;
  readonly data?: string | undefined;
}

const DRONES_MAX = 1_000;
const PORT_MAX = 65_535;
/** What was started to try things does not stay behind without its Queen. */
const ORPHAN_MILLIS = 30_000;
/** Nothing is demanded; jobs may ask for what this machine can do. */
const SANDBOX: SandboxPolicy = {
  ...{ images: [], network: true, limits: {}, readable: [], hidden: [] },
  minimum: 'none',
};

export const upCommand: CommandModule<object, UpArguments> = {
  command: 'up',
  describe: 'Start a Queen and Drones on this machine, to try things',
  builder: (yargs) =>
    yargs
      .options({
        drones: { alias: 'n', type: 'number', default: 2, requiresArg: true, describe: 'How many Drones' },
        slots: {
          type: 'number',
          requiresArg: true,
          describe: 'Slots of each (default: the cores, shared out)',
        },
        ...INSECURE_OPTION,
        port: { type: 'number', requiresArg: true, describe: "The Queen's port (default: any free one)" },
        data: {
          type: 'string',
          requiresArg: true,
          describe: 'Folder in which jobs outlive this (default: in memory, with a folder of its own)',
        },
      })
      .example('$0 up', 'A Queen and two Drones until Ctrl-C')
      .example('$0 up --drones 4 --slots 1', 'Four Drones that do one thing at a time') as never,
  handler: runUp,
};

async function runUp(argv: UpArguments): Promise<void> {
  const drones = wholeNumber('--drones', argv.drones, 0, DRONES_MAX);
  const insecure = insecureOf(argv) !== false;
  warnIfInsecure(insecure);
  const { startProcesses } = await import('@hive/local');
  const cluster = await startProcesses({
    drones,
    insecure,
    orphanTimeoutMillis: ORPHAN_MILLIS,
    sandbox: SANDBOX,
    ...(argv.slots === undefined
      ? {}
      : { slotsPerDrone: wholeNumber('--slots', argv.slots, 1, LIMITS.slotsMax) }),
    ...(argv.data === undefined ? {} : { data: resolve(argv.data), store: 'sqlite' as const }),
    ...(argv.port === undefined ? {} : { port: wholeNumber('--port', argv.port, 1, PORT_MAX) }),
  });
  sayWhatIsUp(cluster, argv.data !== undefined);
  const supervisors = cluster.drones.map((drone) => superviseDrone(cluster, drone));
  const ended = await Promise.race([interrupted(), cluster.queen.exited]);
  if (typeof ended === 'string') say('👑 Everything is going...');
  else {
    say('👑 The Queen has ended, so everything else goes, too.');
    process.exitCode = 1;
  }
  for (const supervisor of supervisors) supervisor.stop();
  await cluster.stop();
}

function sayWhatIsUp({ address, access, drones, data }: Processes, isDurable: boolean): void {
  const hive = `${commandName('hive')}`;
  const insecure = access.insecure ? ' --insecure' : '';
  const port = address.slice(address.lastIndexOf(':') + 1);
  say(`👑 Queen is listening on port ${port} (Swarm Mode)...`);
  for (const { name, slots, pid } of drones) say(`🐝 ${name} with ${plural(slots, 'slot')} (process ${pid})`);
  say(isDurable ? `   Jobs and results are kept in ${data}.` : '   Jobs and results are kept in memory.');
  say(`
They have a data folder of their own, in which others find the Queen and the key to her:
   ${hive} hash${insecure} --data ${data} FILE
   ${hive} status${insecure} --data ${data}
or once for this terminal:
   export HIVE_DATA=${data}
Ctrl-C ends all of them.`);
}

/** One Drone and those that follow it. */
interface UpDrone extends Supervised {
  readonly started: Promise<DroneProcess>;
  hasStarted: boolean;
}

/** A Drone that ends by itself is worth a line; one that a task, or anybody, has killed is started again. */
function superviseDrone(cluster: Processes, first: DroneProcess): Supervisor<UpDrone> {
  const { name } = first;
  const supervisor = new Supervisor<UpDrone>({
    start: (lost) => (lost === null ? upDrone(Promise.resolve(first)) : upDrone(startAgain(cluster, lost))),
    isEnd: ({ signal }) => signal === null,
    onLost: (exit, millis) =>
      say(
        `🔧 ${name} was lost (${exitText(exit)}); it is started again in ${(millis / 1_000).toFixed(1)} s.`,
      ),
  });
  supervisor.start();
  void supervisor.over.then((exit) => say(`👋 ${name} has ended (${exitText(exit)}).`));
  return supervisor;
}

function upDrone(started: Promise<DroneProcess>): UpDrone {
  const exited = started.then(
    (drone) => {
      own.hasStarted = true;
      return drone.exited;
    },
    // It says itself why it cannot.
    () => ({ code: 1, signal: null }),
  );
  const own: UpDrone = { started, exited, hasStarted: false };
  return own;
}

async function startAgain(
  cluster: Processes,
  { process: before, exit }: { readonly process: UpDrone; readonly exit: Exit },
): Promise<DroneProcess> {
  const { name, slots, pid, peer } = await before.started;
  return cluster.addDrone({ name, slots, predecessor: { pid, peer, how: exitText(exit) } });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
