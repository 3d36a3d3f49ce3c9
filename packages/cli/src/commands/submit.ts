/** `hive submit KIND INPUT…`: any job, from a shell. Its results are printed, or, with `--detach`, only its id. */
import type { Hive, SubmitOptions as JobOptions } from '@hive/client';
import { UsageError } from '@hive/shared';
import type { CommandModule } from 'yargs';
import { whileCancellable } from '../cancelling.ts';
import { leaveBy, type Signal } from '../interrupt.ts';
import { EXIT_CODES_TEXT, exitCodeOfJobs } from '../job/exit-code.ts';
import { formatEnd, hintAtDrones, printResults } from '../job/follow.ts';
import { READINGS, type Reading, readWord, valuesOfLines } from '../job/inputs.ts';
import { type JobOptionArguments, jobOptionsOf, parseParams, withJobOptions } from '../job/options.ts';
import { parseRange } from '../job/range.ts';
import { ResultLines } from '../job/result-lines.ts';
import { CLIENT_OPTIONS, type ClientArguments, connectTo } from '../options.ts';
import { Output } from '../output.ts';

/** Functions have a command of their own. */
type SubmitOptions = JobOptions & { readonly kind: string };

interface SubmitArguments extends ClientArguments, JobOptionArguments {
  readonly _: readonly (string | number)[];
  readonly as: Reading;
  readonly lines?: string | undefined;
  readonly range?: string | undefined;
  readonly params?: string | readonly string[] | undefined;
  readonly encoding: 'msgpack' | 'raw';
  readonly detach: boolean;
  readonly asFinished: boolean;
  readonly json: boolean;
}

const SUBMIT_OPTIONS = {
  ...CLIENT_OPTIONS,
  as: {
    choices: READINGS,
    default: 'auto',
    requiresArg: true,
    describe: 'How inputs are read; auto: whole numbers, JSON lists and objects, else text',
  },
  lines: {
    type: 'string',
    requiresArg: true,
    describe: 'One input per line of FILE; - is standard input',
  },
  range: {
    type: 'string',
    requiresArg: true,
    describe: 'START..END[..STEP]: integers, both ends included',
  },
  params: {
    alias: 'p',
    type: 'string',
    requiresArg: true,
    describe: 'Parameters of the kind, key=value or JSON; may be repeated',
  },
  encoding: {
    choices: ['msgpack', 'raw'],
    default: 'msgpack',
    requiresArg: true,
    describe: 'raw: bytes in, bytes out',
  },
  detach: {
    alias: 'd',
    type: 'boolean',
    default: false,
    describe: 'Print its id once it is durable, and leave it to the Queen',
  },
  'as-finished': {
    type: 'boolean',
    default: false,
    describe: 'Print results as they come, not in order',
  },
  json: {
    type: 'boolean',
    default: false,
    describe: 'One JSON object per task; with --detach, the job',
  },
} as const;

export const submitCommand: CommandModule<object, SubmitArguments> = {
  command: 'submit',
  describe: 'Submit a job of any kind, and print its results',
  builder: (yargs) =>
    withJobOptions(yargs, SUBMIT_OPTIONS)
      .usage('$0 submit KIND [INPUT..]\n\nSubmits a job with one task per input, and prints the results.')
      // Inputs stay out of yargs' hands: it would take quotes off them and make numbers of some.
      .strict(false)
      .strictOptions()
      .example('$0 submit hash one two', 'Two digests')
      .example("$0 submit command 'gzip -k a.log' 'gzip -k b.log'", 'Lines for the shell, one per task')
      .example('$0 submit hash --range 1..1000 --detach', 'Prints the id of a job that goes on by itself')
      .example('seq 9 | $0 submit echo --lines -', 'One task per line')
      .example('$0 submit sleep 60000 --deadline 10s --retries 0', 'A job that may not take longer than 10 s')
      .example(
        '$0 submit hash x -p algorithm=md5 --after $ID',
        'With a parameter, when another job has succeeded',
      )
      .epilogue(EXIT_CODES_TEXT) as never,
  handler: async (argv) => {
    const signal = await run(argv);
    // A read that hangs (a FIFO that nobody writes to) must not keep an interrupted process.
    if (signal !== null) leaveBy(signal);
    process.stdin.destroy();
  },
};

/** Resolves with the signal that cancelled it, if one did. */
async function run(argv: SubmitArguments): Promise<Signal | null> {
  const what = whatToSubmit(argv);
  await using hive = await connectTo(argv, 'hive submit');
  const note = (text: string) => process.stderr.write(`hive submit: ${text}\n`);
  return await whileCancellable(hive, note, async (signal) => {
    const options = { ...(await jobOptionsOf(argv, hive)), ...what, signal };
    await (argv.detach ? detach(hive, options, argv.json) : follow(hive, options, argv, note));
  });
}

/** @throws UsageError when it is not clear what the inputs are */
function whatToSubmit(argv: SubmitArguments): SubmitOptions {
  const [kind, ...words] = argv._.slice(1).map(String);
  if (kind === undefined) throw new UsageError('Say which kind of work: "hive submit echo hello".', 'noKind');
  const { as, lines, encoding } = argv;
  const sources = [words.length > 0, lines !== undefined, argv.range !== undefined].filter(Boolean).length;
  if (sources !== 1) {
    throw new UsageError('Say what the inputs are: as arguments, with --lines, or with --range.', 'noInputs');
  }
  const params = parseParams(argv.params);
  const common = { kind, encoding, ...(Object.keys(params).length === 0 ? {} : { params }) };
  if (argv.range !== undefined) return { ...common, range: parseRange(argv.range) };
  const isRaw = encoding === 'raw';
  const inputs =
    lines === undefined ? words.map((word) => readWord(word, as, isRaw)) : valuesOfLines(lines, as, isRaw);
  return { ...common, inputs };
}

async function detach(hive: Hive, options: SubmitOptions, isJson: boolean): Promise<void> {
  const { id } = await hive.submit({ ...options, attached: false });
  process.stdout.write(`${isJson ? JSON.stringify(await hive.job(id), null, 2) : id}\n`);
}

async function follow(
  hive: Hive,
  options: SubmitOptions,
  { asFinished, json }: SubmitArguments,
  note: (text: string) => void,
): Promise<void> {
  const job = await hive.submit(options);
  void hintAtDrones(hive, note);
  const output = new Output(process.stdout);
  const lines = new ResultLines(output, json, options.kind, note);
  // What was printed leaves, whatever came after it.
  const end = await printResults(job, job.results({ ordered: !asFinished }), lines, output).finally(() =>
    output.end(),
  );
  process.exitCode = exitCodeOfJobs([end.state]);
  if (end.state !== 'succeeded') note(formatEnd(job.id, end));
}
