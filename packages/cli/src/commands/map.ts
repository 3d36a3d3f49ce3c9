/** `hive map TASK --input FILE…`: a task for every record of files, its results as one JSON document a line. */
import { connect, type Hive, type SubmitOptions, type TaskResult } from '@hive/client';
import { UsageError } from '@hive/shared';
import type { CommandModule } from 'yargs';
import { whileCancellable } from '../cancelling.ts';
import { leaveBy, type Signal } from '../interrupt.ts';
import { EXIT_CODES_TEXT, exitCodeOfJobs } from '../job/exit-code.ts';
import { formatEnd, hintAtDrones } from '../job/follow.ts';
import { jobValueOf } from '../job/job-value.ts';
import { jsonLine } from '../job/json-value.ts';
import {
  type JobOptionArguments,
  jobOptionsOf,
  listOf,
  parseParams,
  withJobOptions,
} from '../job/options.ts';
import { parseRange, type Range } from '../job/range.ts';
import { failureText } from '../map/failure-text.ts';
import { FORMATS, type Format, STANDARD_INPUT } from '../map/format.ts';
import { MapInputs, mustExist } from '../map/inputs.ts';
import { parseReduce, REDUCE_HELP } from '../map/reduce.ts';
import { taskFile } from '../map/task-file.ts';
import { CLIENT_OPTIONS, type ClientArguments, connectTo } from '../options.ts';
import { Output } from '../output.ts';
import { Progress } from '../progress.ts';

interface MapArguments extends ClientArguments, JobOptionArguments {
  readonly _: readonly (string | number)[];
  readonly input?: string | readonly string[] | undefined;
  readonly format: Format | 'auto';
  readonly delimiter?: string | undefined;
  readonly noHeader: boolean;
  readonly range?: string | undefined;
  readonly kind?: string | undefined;
  readonly params?: string | readonly string[] | undefined;
  readonly reduce?: string | undefined;
  readonly unordered: boolean;
  readonly indexed: boolean;
  readonly nested: boolean;
  readonly local: boolean;
}

const MAP_OPTIONS = {
  input: {
    alias: 'i',
    type: 'string',
    requiresArg: true,
    describe: 'FILE, a pattern such as "data/*.csv", or - for standard input; may be repeated',
  },
  format: {
    alias: 'f',
    choices: FORMATS,
    default: 'auto',
    requiresArg: true,
    describe: 'How files are read; auto: by their names, standard input as ndjson',
  },
  delimiter: {
    type: 'string',
    requiresArg: true,
    describe: 'Between the values of a CSV row (default: a comma, of tsv a tab)',
  },
  'no-header': {
    type: 'boolean',
    default: false,
    describe: 'CSV without a row of names: each record is a list',
  },
  range: {
    type: 'string',
    requiresArg: true,
    describe: 'START..END[..STEP]: integers as inputs, both ends included',
  },
  kind: {
    type: 'string',
    requiresArg: true,
    describe: 'Instead of TASK: a kind of work that Drones know',
  },
  params: {
    alias: 'p',
    type: 'string',
    requiresArg: true,
    describe: 'What all tasks have in common, key=value or JSON; may be repeated',
  },
  reduce: {
    type: 'string',
    requiresArg: true,
    describe: REDUCE_HELP,
  },
  unordered: {
    type: 'boolean',
    default: false,
    describe: 'Print results as they finish, not in the order of the inputs',
  },
  indexed: {
    type: 'boolean',
    default: false,
    describe: 'Print {"index":…,"value":…}: which input, counted from 0, gave which result',
  },
  nested: {
    type: 'boolean',
    default: false,
    describe: 'TASK may submit work itself: context.hive',
  },
  local: {
    type: 'boolean',
    default: false,
    describe: 'In this process, without any Queen or Drone elsewhere',
  },
  ...CLIENT_OPTIONS,
} as const;

export const mapCommand: CommandModule<object, MapArguments> = {
  command: 'map',
  describe: 'Run a task for every record of files',
  builder: (yargs) =>
    withJobOptions(yargs, MAP_OPTIONS)
      .usage(
        '$0 map TASK [INPUT..]\n\nRuns a task, a function of a TypeScript or JavaScript file, for every record of files. Prints a JSON document per result.',
      )
      // Names stay out of yargs' hands: it would take quotes off them and make numbers of some.
      .strict(false)
      .strictOptions()
      .example('$0 map resize.task.ts --input photos.csv', 'The function of the file, for every row')
      .example('$0 map tasks.ts#primes --range 1..1000', 'The export "primes", for integers')
      .example('$0 map primes.task.ts --range 1..1000000 --reduce sum', 'One number in the end')
      .example('$0 map --kind hash --input words.txt', 'A kind of work that Drones know')
      .example("$0 map --kind hash -f contents -i 'photos/*.jpg'", 'One task per file')
      .epilogue(EXIT_CODES_TEXT) as never,
  handler: async (argv) => {
    const signal = await run(argv);
    // A read that hangs (a FIFO that nobody writes to) must not keep an interrupted process.
    if (signal !== null) leaveBy(signal);
    process.stdin.destroy();
  },
};

/** A Drone has looked into the file and found no task, or it cannot be loaded there: the others would fail alike. */
const BAD_MODULE = 'badModule';

/** What there is to do, read from the command line. */
interface Plan {
  readonly work: Pick<SubmitOptions, 'kind' | 'params' | 'reduce' | 'nested'>;
  readonly range: Range | null;
  readonly inputs: MapInputs;
}

/** @throws UsageError when it is not clear what is to be done to what */
async function planOf(argv: MapArguments): Promise<Plan> {
  const words = argv._.slice(1).map(String);
  const task = argv.kind === undefined ? words.shift() : undefined;
  if (argv.kind === undefined && task === undefined) {
    throw new UsageError(
      'Say what is to be done: "hive map resize.task.ts --input photos.csv", or --kind.',
      'noTask',
    );
  }
  const params = parseParams(argv.params);
  const kind = task === undefined ? argv.kind! : taskFile(task);
  const reduce = argv.reduce === undefined ? {} : { reduce: parseReduce(argv.reduce) };
  const nested = argv.nested ? { nested: true } : {};
  const work = { kind, ...(Object.keys(params).length === 0 ? {} : { params }), ...reduce, ...nested };
  const named = [...words, ...listOf(argv.input)];
  if (argv.range !== undefined && named.length > 0) {
    throw new UsageError('Say what the inputs are: --range, or files, not both.', 'noInputs');
  }
  if (argv.range === undefined && named.length === 0) {
    if (process.stdin.isTTY) {
      throw new UsageError('Say what the inputs are: --input FILE, or --range 1..100.', 'noInputs');
    }
    named.push(STANDARD_INPUT);
  }
  await mustExist(named);
  const { format, delimiter, noHeader } = argv;
  const inputs = new MapInputs({ named, format, delimiter, hasHeader: !noHeader });
  return { work, range: argv.range === undefined ? null : parseRange(argv.range), inputs };
}

/** Resolves with the signal that cancelled it, if one did. */
async function run(argv: MapArguments): Promise<Signal | null> {
  const plan = await planOf(argv);
  await using hive = await hiveOf(argv);
  const progress = new Progress('tasks');
  // Results that go to a file do not disturb the bar.
  const output = new Output(process.stdout, () => process.stdout.isTTY && progress.stepAside());
  const note = (text: string) => {
    output.flush();
    progress.stepAside();
    process.stderr.write(`hive map: ${text}\n`);
  };
  try {
    return await whileCancellable(hive, note, async (signal) => {
      const options = { ...(await jobOptionsOf(argv, hive)), signal };
      await map(hive, plan, options, { argv, progress, output, note });
    });
  } finally {
    progress.end();
  }
}

/** @throws UsageError when no Queen answers, or a Queen elsewhere was named together with --local */
function hiveOf(argv: MapArguments): Promise<Hive> {
  if (!argv.local) return connectTo(argv, 'hive map');
  if (argv.queen !== undefined || argv.scan !== undefined) {
    throw new UsageError(
      '--local needs no Queen: leave out --queen and --scan, or --local.',
      'badCommandLine',
    );
  }
  return connect({ local: true, name: 'hive map' });
}

interface Showing {
  readonly argv: MapArguments;
  readonly progress: Progress;
  readonly output: Output;
  readonly note: (text: string) => void;
}

async function map(
  hive: Hive,
  { work, range, inputs }: Plan,
  options: Omit<SubmitOptions, 'kind'>,
  { argv, progress, output, note }: Showing,
): Promise<void> {
  if (range !== null) progress.expect(range.count);
  const source = range === null ? { inputs: counted(inputs, progress) } : { range };
  // Without the value of one task there is none of all, so the others need not be waited for.
  const halting = work.reduce === undefined ? {} : { haltOn: 1 };
  const job = await hive.submit({ ...halting, ...options, ...work, ...source });
  void hintAtDrones(hive, note);
  if (work.reduce !== undefined)
    job.onProgress(({ counts }) => progress.reached(counts.succeeded + counts.failed));
  // Of a job that folds its results, only those of tasks that failed come one by one.
  const print = (result: TaskResult): Promise<void> | null => {
    if (work.reduce === undefined) progress.done(0);
    if (result.outcome === 'succeeded') {
      const { index, value } = result;
      return output.write(Buffer.from(jsonLine(argv.indexed ? { index, value: value ?? null } : value)));
    }
    // What was cancelled is no surprise to whoever cancelled it.
    if (result.outcome !== 'cancelled') note(failureText(result, inputs.originOf(result.index)));
    return null;
  };
  try {
    for await (const result of job.results({ ordered: !argv.unordered })) {
      if (result.error?.code === BAD_MODULE) throw new UsageError(result.error.message, 'badTask');
      const wait = print(result);
      if (wait !== null) await wait;
    }
  } finally {
    // What was printed leaves, whatever came after it.
    await output.end();
  }
  const end = await job.done;
  const only = await jobValueOf(job);
  if (only !== null) {
    const { value } = only;
    void output.write(Buffer.from(jsonLine(argv.indexed ? { value: value ?? null } : value)));
    await output.end();
  }
  process.exitCode = exitCodeOfJobs([end.state]);
  // Also of one that a task has ended before its time.
  if (end.state !== 'succeeded' || end.message !== undefined) note(formatEnd(job.id, end));
}

async function* counted(inputs: MapInputs, progress: Progress): AsyncGenerator<unknown> {
  yield* inputs.values(() => progress.found());
  progress.foundAll();
}
