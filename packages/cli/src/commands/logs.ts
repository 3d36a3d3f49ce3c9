/** `hive logs ID [INDEX]`: what a job's commands print. */
import type { CommandModule } from 'yargs';
import { followPrinted, printKept, printSoFar } from '../job/printed.ts';
import { PrintedLines } from '../job/printed-lines.ts';
import { findJob } from '../job-view.ts';
import { noteLostQueen } from '../lost-queen.ts';
import { CLIENT_OPTIONS, type ClientArguments, connectTo, wholeNumber } from '../options.ts';
import { Output } from '../output.ts';

interface LogsArguments extends ClientArguments {
  readonly id: string;
  readonly index?: string | undefined;
  readonly follow: boolean;
  readonly tag: boolean;
}

export const logsCommand: CommandModule<object, LogsArguments> = {
  command: 'logs <id> [index]',
  describe: "What a job's commands print, also while they run",
  builder: (yargs) =>
    yargs
      .positional('id', {
        type: 'string',
        demandOption: true,
        describe: 'Its id, or a beginning or end that only it has',
      })
      .positional('index', { type: 'string', describe: 'Only of this task; from 0' })
      .options({
        ...CLIENT_OPTIONS,
        follow: {
          alias: 'f',
          type: 'boolean',
          default: false,
          describe: 'Go on with what is printed from now on, until the job has ended',
        },
        tag: { type: 'boolean', default: false, describe: 'Begin each line with the index of its task' },
      })
      .example('$0 logs $ID', 'What has been printed so far')
      .example('$0 logs $ID 7 --follow', 'What task 7 prints, as it comes')
      .example('$0 logs $ID --tag | sort -sn', 'Sorted by task') as never,
  handler: runLogs,
};

async function runLogs(argv: LogsArguments): Promise<void> {
  const index =
    argv.index === undefined
      ? undefined
      : wholeNumber('INDEX', Number(argv.index), 0, Number.MAX_SAFE_INTEGER);
  await using hive = await connectTo(argv, 'hive logs');
  const note = (text: string) => process.stderr.write(`hive logs: ${text}\n`);
  using _lost = noteLostQueen(hive, note);
  const id = await findJob(hive, argv.id);
  const info = await hive.job(id);
  const job = await hive.open(id);
  const lines = new PrintedLines(new Output(process.stdout), new Output(process.stderr), argv.tag);
  const what = { hive, job, index, lines };
  if (info.endedAt !== undefined) await printKept(what, false);
  else if (argv.follow) await followPrinted(what, info.attached);
  else {
    await printSoFar(what, info.attached);
    note(`the job is ${info.state}; --follow goes on`);
  }
  await lines.end();
}
