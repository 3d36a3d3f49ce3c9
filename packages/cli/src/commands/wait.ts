/** `hive wait ID…`: until jobs have ended; the exit code says how. */
import { type Hive, type JobSummary, millisOf } from '@hive/client';
import type { JobId } from '@hive/shared';
import type { CommandModule } from 'yargs';
import { EXIT_CODES_TEXT, exitCodeOfJobs, STILL_RUNNING } from '../job/exit-code.ts';
import { formatEnd } from '../job/follow.ts';
import { findJob } from '../job-view.ts';
import { noteLostQueen } from '../lost-queen.ts';
import { CLIENT_OPTIONS, connectTo, JSON_OPTION, type ViewArguments } from '../options.ts';

interface WaitArguments extends ViewArguments {
  readonly ids: readonly string[];
  readonly timeout?: string | undefined;
}
type Ended = JobSummary & { readonly id: JobId };

export const waitCommand: CommandModule<object, WaitArguments> = {
  command: 'wait <ids..>',
  describe: 'Wait until jobs have ended',
  builder: (yargs) =>
    yargs
      .positional('ids', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Their ids, or parts of them',
      })
      .options({
        ...CLIENT_OPTIONS,
        ...JSON_OPTION,
        timeout: {
          type: 'string',
          requiresArg: true,
          describe: 'Wait no longer than this: 500ms, 10s, 5m, 2h',
        },
      })
      .example('$0 wait $ID && $0 results $ID', 'Results, if all went well')
      .example('$0 wait --timeout 1h $A $B', 'Two jobs, for an hour at most')
      .epilogue(`${EXIT_CODES_TEXT} Of several jobs, a failed one counts first.`) as never,
  handler: async (argv) => {
    const timeout = argv.timeout === undefined ? null : millisOf('--timeout', argv.timeout);
    await using hive = await connectTo(argv, 'hive wait');
    const ids = await Promise.all(argv.ids.map((id) => findJob(hive, id)));
    using _lost = noteLostQueen(hive, (text) => process.stderr.write(`hive wait: ${text}\n`));
    const ended: Ended[] = [];
    const all = Promise.all(ids.map((id) => waitFor(hive, id, (one) => tell(argv, one, ended))));
    await (timeout === null ? all : withinTime(all, timeout));
    if (argv.json) process.stdout.write(`${JSON.stringify({ jobs: ended }, null, 2)}\n`);
    process.exitCode =
      ended.length < ids.length ? STILL_RUNNING : exitCodeOfJobs(ended.map(({ state }) => state));
  },
};

async function waitFor(hive: Hive, id: JobId, tell: (ended: Ended) => void): Promise<void> {
  const job = await hive.open(id);
  tell({ id, ...(await job.done) });
}

function tell({ json }: WaitArguments, one: Ended, ended: Ended[]): void {
  ended.push(one);
  if (!json) process.stdout.write(`${formatEnd(one.id, one)}\n`);
}

async function withinTime(all: Promise<unknown>, millis: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const time = new Promise((resolve) => {
    timer = setTimeout(resolve, millis);
  });
  await Promise.race([all, time]);
  clearTimeout(timer);
  // The others are given up when the client is closed.
  all.catch(() => {});
}
