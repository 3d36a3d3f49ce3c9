/** `hive hash`: what `sha256sum` prints or, with `--check`, says, computed by the Drones. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Hive, JobHandle, JobOptions, TaskResult } from '@hive/client';
import type { CommandModule } from 'yargs';
import { formatCount } from '../format.ts';
import { findAlgorithm, tagOf } from '../hash/algorithm.ts';
import { checkArguments, checkOptionsOf, HASH_OPTIONS, type HashArguments } from '../hash/arguments.ts';
import { CheckWork } from '../hash/check-work.ts';
import { FileWork } from '../hash/file-work.ts';
import { jsonLine } from '../hash/json-lines.ts';
import { LineWork } from '../hash/line-work.ts';
import { operandBytes } from '../hash/operands.ts';
import { RangeWork } from '../hash/range-work.ts';
import type { Complain, Hashed, Work } from '../hash/work.ts';
import { leaveBy, onInterrupt, type Signal } from '../interrupt.ts';
import { hintAtDrones } from '../job/follow.ts';
import { jobOptionsOf, withJobOptions } from '../job/options.ts';
import { parseRange } from '../job/range.ts';
import { noteLostQueen } from '../lost-queen.ts';
import { connectTo } from '../options.ts';
import { Output } from '../output.ts';
import { Progress } from '../progress.ts';
import { leaveWithReader } from '../reader-gone.ts';

const STANDARD_INPUT = ['-'];

/** Results that are printed before whatever else has happened is looked at. */
const RESULTS_PER_TURN = 1_024;

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
      .example('$0 hash -c sums', 'The same, with the Drones at work')
      .example('$0 hash --lines words.txt', 'One digest per line of words.txt')
      .example(
        '$0 hash --range 0..1000000000',
        'What seq 0 1000000000 | hive hash --lines prints, much sooner',
      )
      .example('tar c . | $0 hash -a sha512 -', 'Standard input, with SHA-512') as never,
  handler: runHash,
};

async function runHash(argv: HashArguments): Promise<void> {
  checkArguments(argv);
  const algorithm = findAlgorithm(argv.algorithm);
  const unit = unitOf(argv);
  const progress = new Progress(unit);
  const signal = await hashAll(argv, algorithm, progress, unit).finally(() => progress.end());
  // A read that hangs (a pipe that nobody writes to) must not keep an interrupted process.
  if (signal !== null) leaveBy(signal);
  process.stdin.destroy();
}

function unitOf({ range, lines }: HashArguments): string {
  if (range !== undefined) return 'integers';
  return lines ? 'lines' : 'files';
}

/** Resolves with the signal that cancelled it, if one did. */
async function hashAll(
  argv: HashArguments,
  algorithm: string,
  progress: Progress,
  unit: string,
): Promise<Signal | null> {
  await using hive = await connectTo(argv, 'hive hash');
  // Digests that go to a file do not disturb the bar.
  const output = new Output(process.stdout, () => process.stdout.isTTY && progress.stepAside());
  const note = (text: string) => {
    output.flush();
    progress.stepAside();
    process.stderr.write(`hive hash: ${text}\n`);
  };
  let job: JobHandle | null = null;
  let interruptedBy: Signal | null = null;
  const stop = new AbortController();
  // Before the job is submitted: it must not be left behind by a Ctrl-C that comes early.
  using _signals = onInterrupt((signal) => {
    interruptedBy = signal;
    note('cancelling; press Ctrl-C again to leave at once');
    stop.abort();
    if (job !== null) cancel(job);
  });
  using _lost = noteLostQueen(hive, note);
  using _reader = leaveWithReader(hive);
  const work = workOf(argv, algorithm, progress, output, note);
  job = await submit(hive, algorithm, work, await jobOptionsOf(argv, hive));
  if (interruptedBy !== null) cancel(job);
  void hintAtDrones(hive, note);
  await printResults(job, work, output, stop.signal);
  const { counts, message } = await job.done;
  if (counts.cancelled > 0) {
    process.exitCode = 1;
    const why = interruptedBy === null && message !== undefined ? ` (${message})` : '';
    const { succeeded, failed, appended } = counts;
    note(
      `cancelled${why}: ${formatCount(succeeded + failed)} of ${formatCount(appended)} ${unit} were hashed`,
    );
  }
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

function workOf(
  argv: HashArguments,
  algorithm: string,
  progress: Progress,
  output: Output,
  note: (text: string) => void,
): Work {
  const named = argv._.slice(1).map(String);
  const operands = operandBytes(named.length === 0 ? STANDARD_INPUT : named);
  const fail = () => {
    process.exitCode = 1;
  };
  const complain: Complain = (text, { error, ...about }) => {
    fail();
    if (argv.json) void output.write(jsonLine(algorithm, about, { error }));
    else note(text);
  };
  const json = argv.json ? algorithm : null;
  const isBinary = argv.binary && !argv.text;
  const format = { tag: argv.tag ? tagOf(algorithm) : null, isBinary, isZeroEnded: argv.zero, json };
  if (argv.range !== undefined) return new RangeWork(parseRange(argv.range), format, progress, complain);
  if (argv.lines) return new LineWork(operands, format, progress, complain);
  if (!argv.check) return new FileWork(operands, argv.recursive, format, progress, complain);
  const host = { write: (bytes: Uint8Array) => void output.write(bytes), warn: note, fail };
  return new CheckWork(operands, algorithm, checkOptionsOf(argv), progress, host);
}

/** Prints until the end, or until it is told to stop: then nothing more appears. */
async function printResults(job: JobHandle, work: Work, output: Output, stop: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) =>
    stop.addEventListener('abort', () => resolve(), { once: true }),
  );
  let untilTurn = RESULTS_PER_TURN;
  for await (const result of job.results({ ordered: true })) {
    if (stop.aborted) return;
    // What was cancelled has no result, whether it had begun or not.
    if (result.outcome === 'cancelled') continue;
    const line = work.print(hashedOf(result));
    const wait = line === null ? null : output.write(line);
    if (wait !== null) await Promise.race([wait, stopped]);
    // Results that are here already come without a turn of the event loop, and a Ctrl-C needs one to be heard.
    if (--untilTurn > 0) continue;
    untilTurn = RESULTS_PER_TURN;
    await nextTurn();
  }
  if (stop.aborted) return;
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
