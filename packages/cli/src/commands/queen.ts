/** `hive queen`: the coordinator, until Ctrl-C. */
import { resolve } from 'node:path';
import type { DiscoveryChoice, Notice, Queen } from '@hive/queen';
import { UsageError } from '@hive/shared';
import {
  DEFAULT_PORT,
  defaultDataFolder,
  discoveryPortOf,
  LISTEN_HOST,
  LOOPBACK,
  parseScan,
  reachOf,
} from '@hive/shared/node';
import type { CommandModule } from 'yargs';
import { commandName } from '../folder.ts';
import { formatCount, parseBytes, plural } from '../format.ts';
import {
  INSECURE_OPTION,
  type InsecureArguments,
  insecureOf,
  insecureWarning,
  listenHost,
} from '../insecure.ts';
import { interrupted } from '../interrupt.ts';
import { Chatter, Journal } from '../journal.ts';
import { announceMillisOf, DISCOVERY_PORT_OPTION, VERBOSE_HELP, wholeNumber } from '../options.ts';
import { describeNotice } from '../queen-lines.ts';

interface QueenArguments extends InsecureArguments {
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  readonly scan?: string | undefined;
  readonly discoveryPort?: number | undefined;
  readonly data?: string | undefined;
  readonly cache?: string | undefined;
  readonly name?: string | undefined;
  readonly verbose: boolean;
  readonly logFile?: string | undefined;
}

const PORT_MAX = 65_535;
const SUMMARY_MILLIS = 1_000;

export const queenCommand: CommandModule<object, QueenArguments> = {
  command: 'queen',
  describe: 'Start a Queen, the coordinator',
  builder: (yargs) =>
    yargs
      .options({
        port: {
          type: 'number',
          requiresArg: true,
          describe: `Default: ${DEFAULT_PORT}, or the next free one; 0: any`,
        },
        host: {
          type: 'string',
          requiresArg: true,
          describe: `Address to listen on (default: ${LISTEN_HOST}, all of this machine; ${LOOPBACK}: for nobody else)`,
        },
        scan: {
          type: 'string',
          requiresArg: true,
          describe: 'Ports to look for Drones at that wait to be dialled, host:5001-5100',
        },
        ...DISCOVERY_PORT_OPTION,
        data: {
          type: 'string',
          requiresArg: true,
          describe: 'Folder of her jobs and results (default: HIVE_DATA, else your own); :memory: for none',
        },
        cache: {
          type: 'string',
          requiresArg: true,
          describe: 'Memory for pages that are on disk, too, such as 512MiB (default: 128MiB)',
        },
        ...INSECURE_OPTION,
        name: { type: 'string', requiresArg: true, describe: "Her name for people (default: the machine's)" },
        verbose: { alias: 'v', type: 'boolean', default: false, describe: VERBOSE_HELP },
        'log-file': { type: 'string', requiresArg: true, describe: 'Write what she says as JSON lines, too' },
      })
      .example('$0 queen', `Listen on port ${DEFAULT_PORT} of this machine`)
      .example('$0 queen --port 9000 --data ./queen-2', 'A second one beside it')
      .example('$0 queen --data :memory:', 'One that forgets everything when she ends') as never,
  handler: runQueen,
};

async function runQueen(argv: QueenArguments): Promise<void> {
  const { HeapPolicy, startQueen } = await import('@hive/queen');
  new HeapPolicy();
  const journal = new Journal(argv.logFile);
  const chatter = new Chatter(journal);
  const store = storeOf(argv);
  const insecure = insecureOf(argv);
  const queen = await startQueen({
    ...store,
    port: argv.port === undefined ? DEFAULT_PORT : wholeNumber('--port', argv.port, 0, PORT_MAX),
    isPortFixed: argv.port !== undefined,
    insecure,
    host: argv.host ?? listenHost(insecure),
    ...(argv.name === undefined ? {} : { name: argv.name }),
    ...(argv.scan === undefined ? {} : { scan: parseScan(argv.scan) }),
    discovery: announcingOf(argv),
    onEvent: (event) => tell(event, chatter, argv.verbose),
    showValues: argv.verbose,
    onStoreProblem: (problem) => sayHowTheStoreIs(problem, journal),
  });
  // Before anybody is told that she is there, so that she ends in order from then on.
  const interruption = interrupted();
  sayWhereSheListens(queen, argv.port, journal);
  sayWhoFindsHer(queen, argv, journal);
  sayWhereHerStateIs(queen, store, journal);
  sayWhoMayComeIn(queen, store, journal);
  const summaries = new Summaries(queen, chatter);
  const signal = await interruption;
  journal.say('👑 Queen is going...', 'queenStopping', { signal });
  summaries.stop();
  await queen.stop();
  journal.close();
}

/** Running work goes on; only new jobs are refused while there is no room for them. */
function sayHowTheStoreIs(problem: Error | null, journal: Journal): void {
  if (problem === null) journal.say('💾 There is room again: jobs are accepted.', 'storeWell', {});
  else
    journal.say(`💾 No jobs are accepted: ${problem.message}`, 'storeProblem', { message: problem.message });
}

/** @throws UsageError */
function announcingOf({ discoveryPort }: QueenArguments): DiscoveryChoice | null {
  const port = discoveryPortOf(discoveryPort);
  return port === null ? null : { port, everyMillis: announceMillisOf(process.env) };
}

interface StoreChoice {
  readonly store: 'sqlite' | 'memory';
  readonly data: string;
  readonly cacheBytes?: number;
}
const IN_MEMORY = ':memory:';
const CACHE_BYTES_MIN = 1024 ** 2;

/** Without a store she still leaves her address where others look for it. @throws UsageError */
function storeOf({ data = defaultDataFolder(), cache }: QueenArguments): StoreChoice {
  if (data === IN_MEMORY) return { store: 'memory', data: defaultDataFolder() };
  if (cache === undefined) return { store: 'sqlite', data: resolve(data) };
  const cacheBytes = parseBytes(cache);
  if (cacheBytes >= CACHE_BYTES_MIN) return { store: 'sqlite', data: resolve(data), cacheBytes };
  throw new UsageError(`--cache takes a size of at least 1MiB, such as 128MiB; not "${cache}".`, 'badSize');
}

function sayWhereHerStateIs(queen: Queen, { store, data }: StoreChoice, journal: Journal): void {
  if (store === 'memory') {
    journal.say('   Jobs and results are kept in memory, and end with her.', 'storeOpened', { store });
    return;
  }
  const { jobsActive } = queen.summary();
  const goesOn =
    jobsActive === 0 ? '' : `; ${plural(jobsActive, 'job')} of before ${jobsActive === 1 ? 'goes' : 'go'} on`;
  journal.say(`   Jobs and results are kept in ${data}${goesOn}.`, 'storeOpened', {
    store,
    data,
    jobsActive,
  });
}

function sayWhoMayComeIn({ isInsecure }: Queen, { data }: StoreChoice, journal: Journal): void {
  if (isInsecure) {
    process.stderr.write(`${insecureWarning()}\n`);
    journal.log(insecureWarning(false), 'insecure');
    return;
  }
  const folder = data === defaultDataFolder() ? '' : ` --data ${data}`;
  const hive = commandName('hive');
  const own =
    folder === '' ? 'this user on this machine has one' : `on this machine say "${hive} …${folder}"`;
  journal.say(
    `   Only who has a key gets in: ${own}; "${hive} key --role drone${folder}" makes one for another machine.`,
    'secure',
  );
}

function tell(event: Notice, chatter: Chatter, isVerbose: boolean): void {
  const { text, isFrequent } = describeNotice(event, isVerbose);
  const { type, ...fields } = event;
  if (isFrequent) chatter.maybeSay(text, type, fields, type === 'replyReceived' ? 1 : 0);
  else chatter.say(text, type, fields);
}

function sayWhereSheListens(
  { address: { host, port } }: Queen,
  wanted: number | undefined,
  journal: Journal,
): void {
  if (wanted === undefined && port !== DEFAULT_PORT) {
    journal.say(
      `👑 Port ${DEFAULT_PORT} is taken, so the Queen took the next free one: ${port}.`,
      'portTaken',
      { port },
    );
  }
  journal.say(`👑 Queen is listening on port ${port} (Swarm Mode)...`, 'queenListening', { host, port });
  journal.say(
    `   Add Drones with "${commandName('drone')}", give work with "${commandName('hive')} hash FILE".`,
    'hint',
  );
}

function sayWhoFindsHer(
  { discovery, address }: Queen,
  { discoveryPort }: QueenArguments,
  journal: Journal,
): void {
  const port = discoveryPortOf(discoveryPort);
  if (discovery === null || port === null) return;
  const reach = reachOf(address.host) === 'loopback' ? 'On this machine' : 'In this network';
  const how = discovery.deaf === null ? '' : ` They only hear of her now and then: ${discovery.deaf}.`;
  journal.say(`   ${reach} she is found by herself (UDP port ${port}).${how}`, 'announcing', {
    port,
    ...discovery,
  });
}

/** One line a second about the work that got no line of its own. */
class Summaries {
  readonly #queen: Queen;
  readonly #chatter: Chatter;
  readonly #timer: NodeJS.Timeout;
  #recorded = 0;

  constructor(queen: Queen, chatter: Chatter) {
    this.#queen = queen;
    this.#chatter = chatter;
    this.#timer = setInterval(() => this.#summarize(), SUMMARY_MILLIS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#summarize();
  }

  #summarize(): void {
    const summary = this.#queen.summary();
    const tasks = summary.tasksRecorded - this.#recorded;
    this.#recorded = summary.tasksRecorded;
    if (tasks <= this.#chatter.takeTasks()) return;
    const { drones, jobsActive } = summary;
    this.#chatter.say(
      `⚡ ${plural(tasks, 'task')} done, ${formatCount(summary.tasksRecorded)} in all; ${plural(jobsActive, 'job')} at work, ${plural(drones, 'Drone')}`,
      'summary',
      { tasks, ...summary },
    );
  }
}
