/** `hive results ID`: what came out of a detached job, as often as one likes. */
import type { CommandModule } from 'yargs';
import { EXIT_CODES_TEXT, exitCodeOfJobs } from '../job/exit-code.ts';
import { formatEnd, printAll, printResults, resultsSoFar } from '../job/follow.ts';
import { jobValueOf } from '../job/job-value.ts';
import { ResultLines } from '../job/result-lines.ts';
import { findJob, formatProgress } from '../job-view.ts';
import { noteLostQueen } from '../lost-queen.ts';
import { connectTo, JOB_POSITIONAL, type JobArguments } from '../options.ts';
import { Output } from '../output.ts';

interface ResultsArguments extends JobArguments {
  readonly follow: boolean;
  readonly asFinished: boolean;
}

export const resultsCommand: CommandModule<object, ResultsArguments> = {
  command: 'results <id>',
  describe: "A job's results, one a line, and its value if it has one",
  builder: (yargs) =>
    JOB_POSITIONAL(yargs)
      .options({
        follow: {
          alias: 'f',
          type: 'boolean',
          default: false,
          describe: 'Wait for those that are still to come',
        },
        'as-finished': {
          type: 'boolean',
          default: false,
          describe: 'As they came, not in the order of the inputs',
        },
        json: { type: 'boolean', default: false, describe: 'One JSON object per task, failed ones included' },
      })
      .example('$0 results $ID', 'What is there; failed tasks are told on standard error')
      .example('$0 results $ID --follow --as-finished', 'All of it, each result as soon as it is there')
      .example('$0 results $ID --json | jq .value', 'For programs')
      .epilogue(EXIT_CODES_TEXT) as never,
  handler: runResults,
};

async function runResults(argv: ResultsArguments): Promise<void> {
  await using hive = await connectTo(argv, 'hive results');
  const note = (text: string) => process.stderr.write(`hive results: ${text}\n`);
  using _lost = noteLostQueen(hive, note);
  const id = await findJob(hive, argv.id);
  const info = await hive.job(id);
  const job = await hive.open(id);
  const output = new Output(process.stdout);
  const lines = new ResultLines(output, argv.json, info.kind, note);
  const ordered = !argv.asFinished;
  if (argv.follow || info.endedAt !== undefined) {
    const end = await printResults(job, job.results({ ordered }), lines, output);
    const only = await jobValueOf(job);
    if (only !== null) {
      void lines.printJobValue(only.value);
      await output.end();
      // A task has ended it before its time: which.
      if (end.message !== undefined) note(formatEnd(id, end));
    }
    process.exitCode = exitCodeOfJobs([end.state]);
    return;
  }
  await printAll(resultsSoFar(hive, job, ordered), lines, output);
  note(`the job is ${info.state}, ${formatProgress(info)} done; --follow waits for the rest`);
}
