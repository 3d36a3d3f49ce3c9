/** `hive bench echo|call|function|hash|command|recovery|connections|api|nodes`: starts its own Queen and Drones, measures, prints. */
import { UsageError } from '@hive/shared';
import type { Argv, CommandModule } from 'yargs';
import { apiCommand } from './api/command.ts';
import { callBench } from './call.ts';
import { type Cluster, type ClusterOptions, type StoreName, startCluster } from './cluster.ts';
import { runCommandBench } from './commands/command.ts';
import { runOutputBench } from './commands/output.ts';
import { connectionsCommand } from './connections/command.ts';
import { echoBench } from './echo.ts';
import { runFunctionBench } from './functions/command.ts';
import { hashBench } from './hash.ts';
import { nodesCommand } from './nodes/command.ts';
import { parseBytes, parseSize, positive } from './options.ts';
import { printRatio, printReport } from './print.ts';
import { recoveryCommand } from './recovery/command.ts';
import { type Bench, ratio, runBench } from './runs.ts';
import { measureScale, printScale } from './scale.ts';

interface CommonArguments {
  readonly drones: number;
  readonly slots: number;
  readonly runs: number;
  readonly store: StoreName;
  readonly compare: boolean;
  readonly tls: 'on' | 'off' | 'both';
  readonly json: boolean;
}

const common = <T>(argv: Argv<T>): Argv<T & CommonArguments> =>
  argv.options({
    drones: { type: 'number', default: 2, coerce: positive('drones'), describe: 'Drones to start' },
    slots: { type: 'number', default: 1, coerce: positive('slots'), describe: 'Slots of each Drone' },
    runs: { type: 'number', default: 5, coerce: positive('runs'), describe: 'Runs to measure, at least 5' },
    store: {
      choices: ['sqlite', 'memory'] as const,
      default: 'sqlite',
      describe: 'Where the Queen keeps jobs',
    },
    compare: {
      type: 'boolean',
      default: false,
      describe: 'Run with both stores in turn, and print the ratio',
    },
    tls: {
      choices: ['on', 'off', 'both'] as const,
      default: 'on',
      describe: 'Secured sessions, plain ones, or both in turn with the ratio',
    },
    json: { type: 'boolean', default: false, describe: 'Print one JSON object' },
  }) as unknown as Argv<T & CommonArguments>;

interface EchoArguments extends CommonArguments {
  readonly tasks: number;
  readonly scale: boolean;
}
const echo: CommandModule<object, EchoArguments> = {
  command: 'echo',
  describe: 'Arrays of integers, echoed',
  builder: (argv: Argv) =>
    common(argv).options({
      tasks: {
        type: 'number',
        default: 1_000_000,
        coerce: positive('tasks'),
        describe: 'Integers in the array',
      },
      scale: {
        type: 'boolean',
        default: false,
        describe: 'Measure 10,000 tasks and ten times as many, up to --tasks',
      },
    }) as unknown as Argv<EchoArguments>,
  handler: async (argv) => {
    if (!argv.scale) return measure(argv, () => [echoBench(argv.tasks)]);
    await withCluster(argv, async (cluster) => {
      const rows = await measureScale(cluster, argv.tasks, Math.min(argv.runs, 5));
      console.log(argv.json ? JSON.stringify({ bench: 'echo scale', rows }) : printScale(rows));
    });
  },
};

interface CallArguments extends CommonArguments {
  readonly calls: number;
  readonly inFlight: number;
}
const call: CommandModule<object, CallArguments> = {
  command: 'call',
  describe: 'Single calls, many in flight and one at a time',
  builder: (argv: Argv) =>
    common(argv).options({
      calls: { type: 'number', default: 100_000, coerce: positive('calls'), describe: 'Calls in a run' },
      'in-flight': {
        type: 'number',
        default: 256,
        coerce: positive('in-flight'),
        describe: 'Calls under way at once',
      },
    }) as unknown as Argv<CallArguments>,
  handler: (argv) =>
    measure(argv, () =>
      argv.inFlight === 1
        ? [callBench(argv.calls, 1)]
        : [callBench(argv.calls, argv.inFlight), callBench(Math.ceil(argv.calls / 20), 1)],
    ),
};

interface FunctionArguments extends CommonArguments {
  readonly tasks: number;
}
const functions: CommandModule<object, FunctionArguments> = {
  command: 'function',
  describe: 'Functions, beside Piscina: of 1 ms, tiny ones, single calls, and the first call of new code',
  builder: (argv: Argv) =>
    common(argv).options({
      tasks: {
        type: 'number',
        default: 200_000,
        coerce: positive('tasks'),
        describe: 'Tiny calls in an array',
      },
    }) as unknown as Argv<FunctionArguments>,
  handler: ({ drones, slots, runs, store, tasks, json }) =>
    runFunctionBench({ drones, slots, runs, store, tasks, json }),
};

interface HashArguments extends CommonArguments {
  readonly size: string;
  readonly generate: boolean;
  readonly tasks: number | undefined;
}
const hash: CommandModule<object, HashArguments> = {
  command: 'hash',
  describe: 'SHA-256 of strings, shipped or made on the Drone',
  builder: (argv: Argv) =>
    common(argv).options({
      size: { type: 'string', default: '1KiB', describe: 'Bytes in a string: 1KiB, 64KiB, 1MiB, …' },
      generate: { type: 'boolean', default: false, describe: 'Make the bytes on the Drone from a seed' },
      tasks: { type: 'number', coerce: positive('tasks'), describe: 'Strings in a run (default: by size)' },
    }) as unknown as Argv<HashArguments>,
  handler: (argv) => {
    const size = parseSize(argv.size);
    const tasks = argv.tasks ?? defaultTasks(size, argv.generate);
    return measure(argv, () => [hashBench({ tasks, size, generate: argv.generate })]);
  },
};

interface CommandArguments extends CommonArguments {
  readonly tasks: number;
  readonly output: string | undefined;
}
const command: CommandModule<object, CommandArguments> = {
  command: 'command',
  describe: 'Commands (/bin/true), beside a C loop, a Node loop and GNU parallel',
  builder: (argv: Argv) =>
    common(argv).options({
      drones: { type: 'number', default: 1, coerce: positive('drones'), describe: 'Drones to start' },
      slots: { type: 'number', default: 2, coerce: positive('slots'), describe: 'Slots of each Drone' },
      tasks: {
        type: 'number',
        default: 3_000,
        coerce: positive('tasks'),
        describe: 'Commands in a run',
      },
      output: {
        type: 'string',
        describe: 'Measure one command that prints so much instead: 100MiB, 1GiB, …',
      },
    }) as unknown as Argv<CommandArguments>,
  handler: ({ drones, slots, runs, store, tasks, output, json }) => {
    if (output === undefined) return runCommandBench({ drones, slots, runs, store, tasks, json });
    const bytes = parseBytes(output);
    if (bytes === null || bytes < 2 * 1024 ** 2)
      throw new UsageError(`"${output}" is not a size of 2MiB or more.`);
    return runOutputBench({ bytes, runs, store, json });
  },
};

export const benchCommand: CommandModule = {
  command: 'bench <what>',
  describe: 'Measure this machine: starts its own Queen and Drones',
  builder: (argv: Argv) =>
    argv
      .command(echo)
      .command(call)
      .command(hash)
      .command(functions)
      .command(command)
      .command(recoveryCommand)
      .command(connectionsCommand)
      .command(apiCommand)
      .command(nodesCommand)
      .demandCommand(
        1,
        'Say what to measure: echo, call, hash, command, recovery, connections, api or nodes.',
      ),
  handler: () => {},
};

/** About a second of work. */
function defaultTasks(size: number, generate: boolean): number {
  const bytes = (generate ? 1024 : 128) * 1024 ** 2;
  return Math.max(16, Math.min(200_000, Math.floor(bytes / size)));
}

async function measure(argv: CommonArguments, benches: () => readonly Bench[]): Promise<void> {
  const say = argv.json ? () => {} : (line: string) => console.error(`  ${line}`);
  await using stack = new AsyncDisposableStack();
  const clusters: Cluster[] = [];
  for (const kind of kindsOf(argv)) clusters.push(stack.use(await startCluster({ ...argv, ...kind })));
  for (const bench of benches()) {
    const { drones, slots, runs } = argv;
    const reports = await runBench(bench, clusters, { drones, slots, runs }, say);
    const [first, second] = reports;
    if (second === undefined) {
      console.log(argv.json ? JSON.stringify(first) : printReport(first!));
      continue;
    }
    const ofFirst = ratio(second, first!);
    if (argv.json) console.log(JSON.stringify({ bench: bench.name, reports, ratio: ofFirst }));
    else console.log([...reports.map(printReport), printRatio([first!, second], ofFirst)].join('\n'));
  }
}

/** The clusters that are measured in turn: one, or two that differ in one thing, the faster first. @throws UsageError */
export function kindsOf({
  compare,
  tls,
  store,
}: Pick<CommonArguments, 'compare' | 'tls' | 'store'>): readonly Pick<ClusterOptions, 'store' | 'tls'>[] {
  if (compare && tls === 'both')
    throw new UsageError(
      '--compare and --tls both compare two things at once. Choose one.',
      'badCommandLine',
    );
  if (tls === 'both') return [false, true].map((isOn) => ({ store, tls: isOn }));
  const stores: readonly StoreName[] = compare ? ['memory', 'sqlite'] : [store];
  return stores.map((each) => ({ store: each, tls: tls === 'on' }));
}

async function withCluster(argv: CommonArguments, body: (cluster: Cluster) => Promise<void>): Promise<void> {
  const kinds = kindsOf(argv);
  if (kinds.length > 1)
    throw new UsageError('--scale measures one cluster. Choose --tls on or off.', 'badCommandLine');
  await using cluster = await startCluster({ ...argv, ...kinds[0]! });
  await body(cluster);
}
