/** `hive hash`: what `sha256sum` prints, computed by the Drones. */
import type { Hive, JobHandle, JobOptions, TaskResult } from '@hive/client';
import { UsageError } from '@hive/shared';
import type { CommandModule } from 'yargs';
import { findAlgorithm, tagOf } from '../hash/algorithm.ts';
import { FileWork } from '../hash/file-work.ts';
import { LineWork } from '../hash/line-work.ts';
import { operandBytes } from '../hash/operands.ts';
import { RangeWork } from '../hash/range-work.ts';
import type { Hashed, Work } from '../hash/work.ts';
import { leaveBy, onInterrupt, type Signal } from '../interrupt.ts';
import { hintAtDrones } from '../job/follow.ts';
import { type JobOptionArguments, jobOptionsOf, withJobOptions } from '../job/options.ts';
import { parseRange } from '../job/range.ts';
import { noteLostQueen } from '../lost-queen.ts';
import { CLIENT_OPTIONS, type ClientArguments, connectTo } from '../options.ts';
import { Output } from '../output.ts';
import { Progress } from '../progress.ts';
import { leaveWithReader } from '../reader-gone.ts';

interface HashArguments extends ClientArguments, JobOptionArguments {
  readonly _: readonly (string | number)[];
  readonly algorithm: string;
  readonly recursive: boolean;
  readonly lines: boolean;
  readonly range?: string | undefined;
  readonly tag: boolean;
  readonly zero: boolean;
}

const STANDARD_INPUT = ['-'];

const HASH_OPTIONS = {
  ...CLIENT_OPTIONS,
  algorithm: {
    alias: 'a',
    type: 'string',
    requiresArg: true,
    default: 'sha256',
    describe: 'Any that Node knows',
  },
  recursive: { alias: 'r', type: 'boolean', default: false, describe: 'Hash the files in folders too' },
  lines: {
    type: 'boolean',
    default: false,
    describe: 'Hash every line of the files: one digest per line',
  },
  range: {
    type: 'string',
    requiresArg: true,
    describe: 'START..END[..STEP]: hash these integers as text, both ends included; one digest per line',
  },
  tag: { type: 'boolean', default: false, describe: 'BSD-style lines' },
  zero: {
    alias: 'z',
    type: 'boolean',
    default: false,
    describe: 'End lines with NUL; escape no names',
  },
} as const;

export const hashCommand: CommandModule<object, HashArguments> = {
  command: 'hash',
  describe: 'Print the digests of files, as sha256sum does',
  builder: (yargs) =>
    withJobOptions(yargs, HASH_OPTIONS)
      .usage(
        '$0 hash [options] [FILE..]\n\nPrints the digests of files, as sha256sum does. - is standard input.',
      )
      // Operands stay out of yargs' hands: it would take quotes off names and make numbers of some.
      .strict(false)
      .strictOptions()
      .example('$0 hash *.iso', 'What sha256sum *.iso prints')
      .example('$0 hash -r photos > sums', 'Then, any time: sha256sum -c sums')
      .example('$0 hash --lines words.txt', 'One digest per line of words.txt')
      .example(
        '$0 hash --range 0..1000000000',
        'What seq 0 1000000000 | hive hash --lines prints, much sooner',
      )
      .example('tar c . | $0 hash -a sha512 -', 'Standard input, with SHA-512') as never,
  handler: runHash,
};

async function runHash(argv: HashArguments): Promise<void> {
  if (argv.lines && argv.recursive)
    throw new UsageError('--lines takes files, so it does not go with --recursive.');
  if (argv.lines && argv.tag)
    throw new UsageError('--lines prints digests only, so it does not go with --tag.');
  if (argv.range !== undefined && (argv.lines || argv.recursive || argv.tag || argv._.length > 1))
    throw new UsageError('--range hashes integers, so it goes with no files, nor with --lines, -r or --tag.');
  const algorithm = findAlgorithm(argv.algorithm);
  const progress = new Progress(argv.range !== undefined ? 'integers' : argv.lines ? 'lines' : 'files');
  const signal = await hashAll(argv, algorithm, progress).finally(() => progress.end());
  // A read that hangs (a pipe that nobody writes to) must not keep an interrupted process.
  if (signal !== null) leaveBy(signal);
  process.stdin.destroy();
}

/** Resolves with the signal that cancelled it, if one did. */
async function hashAll(argv: HashArguments, algorithm: string, progress: Progress): Promise<Signal | null> {
  await using hive = await connectTo(argv, 'hive hash');
  // Digests that go to a file do not disturb the bar.
  const output = new Output(process.stdout, () => process.stdout.isTTY && progress.stepAside());
  const note = (text: string) => {
    progress.stepAside();
    process.stderr.write(`hive hash: ${text}\n`);
  };
  let job: JobHandle | null = null;
  let interruptedBy: Signal | null = null;
  // Before the job is submitted: it must not be left behind by a Ctrl-C that comes early.
  using _signals = onInterrupt((signal) => {
    interruptedBy = signal;
    note('cancelling; press Ctrl-C again to leave at once');
    if (job !== null) cancel(job);
  });
  using _lost = noteLostQueen(hive, note);
  using _reader = leaveWithReader(hive);
  const work = workOf(argv, algorithm, progress, output);
  job = await submit(hive, algorithm, work, await jobOptionsOf(argv, hive));
  if (interruptedBy !== null) cancel(job);
  void hintAtDrones(hive, note);
  await printResults(job, work, output);
  await job.done;
  return interruptedBy;
}

function submit(hive: Hive, algorithm: string, work: Work, options: JobOptions): Promise<JobHandle> {
  return hive.submit({
    name: 'hive hash',
    // A file that cannot be read now is reported, as sha256sum does it, not tried again.
    retries: 0,
    ...options,
    ...work.source(),
    kind: 'hash',
    params: { algorithm },
    encoding: work.encoding,
    attached: true,
  });
}

function cancel(job: JobHandle): void {
  // If this fails, so does the job, which is reported.
  job.cancel('interrupted').catch(() => {});
}

function workOf(argv: HashArguments, algorithm: string, progress: Progress, output: Output): Work {
  const named = argv._.slice(1).map(String);
  const operands = operandBytes(named.length === 0 ? STANDARD_INPUT : named);
  const complain = (text: string) => {
    process.exitCode = 1;
    output.flush();
    progress.stepAside();
    process.stderr.write(`hive hash: ${text}\n`);
  };
  if (argv.range !== undefined) return new RangeWork(parseRange(argv.range), argv.zero, progress, complain);
  if (argv.lines) return new LineWork(operands, argv.zero, progress, complain);
  const format = { tag: argv.tag ? tagOf(algorithm) : null, isZeroEnded: argv.zero };
  return new FileWork(operands, argv.recursive, format, progress, complain);
}

async function printResults(job: JobHandle, work: Work, output: Output): Promise<void> {
  for await (const result of job.results({ ordered: true })) {
    // What was cancelled has no result, whether it had begun or not.
    if (result.outcome === 'cancelled') continue;
    const line = work.print(hashedOf(result));
    const wait = line === null ? null : output.write(line);
    if (wait !== null) await wait;
  }
  work.end();
  await output.end();
}

function hashedOf(result: TaskResult): Hashed {
  const { index } = result;
  if (result.outcome !== 'succeeded') return { index, digest: null, message: result.error.message };
  const value = result.value as string | Uint8Array;
  return { index, digest: typeof value === 'string' ? value : hexOf(value), message: '' };
}

function hexOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('hex');
}
