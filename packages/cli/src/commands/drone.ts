/** `hive drone`: a worker, until Ctrl-C. The first one lets running tasks finish, the second does not. */
import type { DroneEvent } from '@hive/drone';
import { LIMITS } from '@hive/shared';
import type { CommandModule } from 'yargs';
import { DroneLines } from '../drone-lines.ts';
import { insecureOf, warnIfInsecure } from '../insecure.ts';
import { interrupted } from '../interrupt.ts';
import { parseLabels } from '../job/options.ts';
import { Journal } from '../journal.ts';
import { CLIENT_OPTIONS, type ClientArguments, VERBOSE_HELP, wholeNumber } from '../options.ts';
import { queensOf } from '../queens.ts';

interface DroneArguments extends ClientArguments {
  readonly name?: string | undefined;
  readonly slots?: number | undefined;
  readonly label?: readonly string[] | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly orphanTimeout?: number | undefined;
  readonly verbose: boolean;
  readonly logFile?: string | undefined;
}

const SECONDS_MAX = 10 ** 9;

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
          describe: 'Kinds that it accepts (default: all)',
        },
        'orphan-timeout': {
          type: 'number',
          requiresArg: true,
          describe: 'Exit after so many seconds without a Queen',
        },
        verbose: { alias: 'v', type: 'boolean', default: false, describe: VERBOSE_HELP },
        'log-file': { type: 'string', requiresArg: true, describe: 'Write what it says as JSON lines, too' },
      })
      .example('$0 drone', 'Work for the Queen of this machine')
      .example('$0 drone --queen 10.0.0.5:8080 --slots 4', 'Work for another one, four tasks at once')
      .example('$0 drone --label gpu=yes --allow hash', 'Say what it has and what it accepts') as never,
  handler: runDrone,
};

async function runDrone(argv: DroneArguments): Promise<void> {
  const insecure = insecureOf(argv);
  const options = {
    queens: queensOf(argv),
    data: argv.data,
    insecure,
    ...(argv.name === undefined ? {} : { name: argv.name }),
    ...(argv.slots === undefined ? {} : { slots: wholeNumber('--slots', argv.slots, 1, LIMITS.slotsMax) }),
    ...(argv.label === undefined ? {} : { labels: parseLabels(argv.label) }),
    ...(argv.allow === undefined ? {} : { allow: argv.allow.flatMap((kinds) => kinds.split(',')) }),
    ...(argv.orphanTimeout === undefined
      ? {}
      : { orphanTimeoutMillis: wholeNumber('--orphan-timeout', argv.orphanTimeout, 1, SECONDS_MAX) * 1_000 }),
  };
  const { startDrone } = await import('@hive/drone');
  const journal = new Journal(argv.logFile);
  const lines = new DroneLines(journal, argv.verbose);
  warnIfInsecure(insecure);
  journal.say('🐝 Drone is trying to connect...', 'connecting');
  const drone = startDrone({
    ...options,
    showValues: argv.verbose,
    onEvent: (event: DroneEvent) => lines.tell(event),
  });
  const signal = await Promise.race([interrupted(), drone.closed]);
  if (typeof signal === 'string') {
    journal.say('🐝 Drone is going; what runs may finish. Press Ctrl-C again to leave at once.', 'draining', {
      signal,
    });
  }
  const end = typeof signal === 'string' ? await drone.stop({ drain: true }) : signal;
  journal.log('The Drone has stopped.', 'stopped', { how: end.how });
  journal.close();
  if ('error' in end) throw end.error;
}
