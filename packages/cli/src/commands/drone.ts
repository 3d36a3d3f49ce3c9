/** `hive drone`: a worker, until Ctrl-C. The first one lets running tasks finish, the second does not. */
import type { Drone, DroneEvent, DroneOptions } from '@hive/drone';
import { LIMITS, peerId, UsageError } from '@hive/shared';
import { type AccessOptions, accessOf, type Insecure, LISTEN_HOST, parseScan } from '@hive/shared/node';
import type { CommandModule } from 'yargs';
import { DroneLines } from '../drone-lines.ts';
import { parseBytes } from '../format.ts';
import { insecureOf, listenHost, warnIfInsecure } from '../insecure.ts';
import { interrupted } from '../interrupt.ts';
import { parseLabels } from '../job/options.ts';
import { Journal } from '../journal.ts';
import {
  CLIENT_OPTIONS,
  type ClientArguments,
  positiveDurationOf,
  VERBOSE_HELP,
  wholeNumber,
} from '../options.ts';
import { DroneSearch } from '../queens.ts';
import { SANDBOX_OPTIONS, type SandboxArguments, sandboxPolicy } from '../sandbox-options.ts';
import { Supervision } from '../supervised.ts';

interface DroneArguments extends ClientArguments, SandboxArguments {
  readonly name?: string | undefined;
  readonly slots?: number | undefined;
  readonly label?: readonly string[] | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly tasks?: string | undefined;
  readonly tasksOnly: boolean;
  readonly slotMemory?: number | undefined;
  readonly listen?: string | undefined;
  readonly host?: string | undefined;
  readonly blobCache?: string | undefined;
  readonly orphanTimeout?: string | undefined;
  readonly noSupervise: boolean;
  readonly verbose: boolean;
  readonly logFile?: string | undefined;
}

export const droneCommand: CommandModule<object, DroneArguments> = {
  command: 'drone',
  describe: 'Start a Drone, a worker',
  builder: (yargs) =>
    yargs
      .options({
        ...CLIENT_OPTIONS,
        name: { type: 'string', requiresArg: true, describe: "Its name for people (default: the machine's)" },
        slots: {
          type: 'number',
          requiresArg: true,
          describe: 'Tasks that run at once (default: one per core)',
        },
        label: {
          type: 'string',
          array: true,
          requiresArg: true,
          describe: 'key=value, for jobs that ask for it',
        },
        allow: {
          type: 'string',
          array: true,
          requiresArg: true,
          describe: 'Kinds that it accepts (default: all; with --tasks-only: function)',
        },
        tasks: {
          type: 'string',
          requiresArg: true,
          describe: 'Folder of task files (resize.task.ts) that jobs may name',
        },
        'tasks-only': {
          type: 'boolean',
          default: false,
          describe: 'With --tasks: run nothing else, but for the kinds of --allow',
        },
        'slot-memory': {
          type: 'number',
          requiresArg: true,
          describe: "Memory of a slot's thread in MiB; a function that needs more fails (default: its share)",
        },
        ...SANDBOX_OPTIONS,
        listen: {
          type: 'string',
          requiresArg: true,
          describe: 'Wait to be dialled by a Queen, at the first free port of these: 5001-5100',
        },
        host: {
          type: 'string',
          requiresArg: true,
          describe: `With --listen: the address to listen on (default: ${LISTEN_HOST}, all of this machine)`,
        },
        'blob-cache': {
          type: 'string',
          requiresArg: true,
          describe: 'Disk for what tasks share, such as base files (default: 2GiB)',
        },
        'orphan-timeout': {
          type: 'string',
          requiresArg: true,
          describe: 'Exit after so long without a Queen, such as 30s or 10m (default: never)',
        },
        'no-supervise': {
          type: 'boolean',
          default: false,
          describe: 'One process, which a crash in native code ends for good: for debuggers',
        },
        verbose: { alias: 'v', type: 'boolean', default: false, describe: VERBOSE_HELP },
        'log-file': { type: 'string', requiresArg: true, describe: 'Write what it says as JSON lines, too' },
      })
      .example('$0 drone', 'Work for the Queen of this machine')
      .example('$0 drone --queen 10.0.0.5:8080 --slots 4', 'Work for another one, four tasks at once')
      .example('$0 drone --listen 5001-5100', 'Wait for "hive queen --scan HOST:5001-5100"')
      .example('$0 drone --tasks ./tasks --tasks-only', 'Run the functions in a folder, and no others')
      .example('$0 drone --label gpu=yes --allow hash', 'Say what it has and what it accepts')
      .example(
        '$0 drone --sandbox bwrap --sandbox-memory 2G',
        'Shut what runs in, and bound its memory',
      ) as never,
  handler: runDrone,
};

async function runDrone(argv: DroneArguments): Promise<void> {
  const supervision = Supervision.take();
  try {
    await work(argv, supervision);
  } finally {
    supervision?.leaves();
  }
}

/** Until it is told to end. @throws UsageError when it cannot go on */
async function work(argv: DroneArguments, supervision: Supervision | null): Promise<void> {
  const insecure = insecureOf(argv);
  let drone: Drone | null = null;
  const search = new DroneSearch({ ...argv, key: undefined, insecure }, () => drone?.lookAgain());
  const options = { ...optionsOf(argv, insecure), ...placesOf(argv, search, insecure) };
  const { startDrone } = await import('@hive/drone');
  const journal = new Journal(argv.logFile);
  const lines = new DroneLines(journal, argv.verbose);
  warnIfInsecure(insecure);
  sayIfKeyless({ data: argv.data, insecure }, journal);
  if (options.queens !== undefined) journal.say('🐝 Drone is trying to connect...', 'connecting');
  const predecessor = await predecessorOf(supervision, journal);
  const onEvent = (event: DroneEvent) => {
    search.note(event);
    lines.tell(event);
    if (event.type === 'slotReady' && drone !== null) supervision?.begins(drone.peer);
  };
  drone = startDrone({ ...options, ...predecessor, showValues: argv.verbose, onEvent });
  const signal = await Promise.race([interrupted((hear) => supervision?.listen(hear)), drone.closed]);
  if (typeof signal === 'string') {
    journal.say('🐝 Drone is going; what runs may finish. Press Ctrl-C again to leave at once.', 'draining', {
      signal,
    });
  }
  const end = typeof signal === 'string' ? await drone.stop({ drain: true }) : signal;
  await search.close();
  journal.log('The Drone has stopped.', 'stopped', { how: end.how });
  journal.close();
  if ('error' in end) throw end.error;
}

/** @throws UsageError */
function optionsOf(argv: DroneArguments, insecure: Insecure) {
  const { data, name, slots, label, allow, blobCache, tasks, tasksOnly, slotMemory, orphanTimeout } = argv;
  return {
    data,
    insecure,
    sandbox: sandboxPolicy(argv, data),
    tasksOnly,
    ...(name === undefined ? {} : { name }),
    ...(slots === undefined ? {} : { slots: wholeNumber('--slots', slots, 1, LIMITS.slotsMax) }),
    ...(label === undefined ? {} : { labels: parseLabels(label) }),
    ...(allow === undefined ? {} : { allow: allow.flatMap((kinds) => kinds.split(',')) }),
    ...(blobCache === undefined ? {} : { blobBytesMax: blobBytesOf(blobCache) }),
    ...(tasks === undefined ? {} : { tasks }),
    ...(slotMemory === undefined
      ? {}
      : { slotHeapMiB: wholeNumber('--slot-memory', slotMemory, 16, 1024 * 1024) }),
    ...(orphanTimeout === undefined
      ? {}
      : { orphanTimeoutMillis: positiveDurationOf('--orphan-timeout', orphanTimeout) }),
  };
}

/** The process in whose place this one was started; its supervisor has told of it on the terminal. */
async function predecessorOf(
  supervision: Supervision | null,
  journal: Journal,
): Promise<Pick<DroneOptions, 'predecessor'>> {
  const lost = await supervision?.lost;
  if (!lost) return {};
  const { pid, peer, how } = lost;
  journal.log("The Drone's process was lost; this one was started in its place.", 'processLost', {
    pid,
    how,
  });
  return peer === null ? {} : { predecessor: { pid, peer: peerId(peer), how } };
}

/** @throws UsageError */
function blobBytesOf(text: string): number {
  const bytes = parseBytes(text);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`--blob-cache takes a size, such as 2GiB; not "${text}".`, 'badSize');
}

/** Without a key nobody can be asked, let alone reached; one may come, if this machine's first Queen does. */
function sayIfKeyless(options: AccessOptions, journal: Journal): void {
  try {
    accessOf(options, 'drone')();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    journal.say(`🔑 ${error.message}`, 'noKey', { code: error.code });
  }
}

/** Who waits to be dialled dials nobody, unless it was told whom. @throws UsageError */
function placesOf(
  argv: DroneArguments,
  search: DroneSearch,
  insecure: Insecure,
): Pick<DroneOptions, 'queens' | 'listen'> {
  const queens = () => search.addresses();
  if (argv.listen === undefined) return { queens };
  const [listen, ...others] = parseScan(argv.listen);
  if (listen === undefined || others.length > 0) {
    throw new UsageError('--listen takes one range of ports, such as 5001-5100.', 'badRange');
  }
  const host = argv.host ?? (/^[\d-]+$/.test(argv.listen.trim()) ? listenHost(insecure) : listen.host);
  const isTold = argv.queen !== undefined || argv.scan !== undefined;
  return { ...(isTold ? { queens } : {}), listen: { ...listen, host } };
}
