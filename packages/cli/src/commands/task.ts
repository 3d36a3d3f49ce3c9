/** `hive task ID INDEX`: the story of one task. */
import type { AttemptInfo, TaskStory } from '@hive/client';
import type { CommandModule } from 'yargs';
import { formatDuration } from '../format.ts';
import { wordsOf } from '../job/result-lines.ts';
import { findJob } from '../job-view.ts';
import { connectTo, JOB_POSITIONAL, type JobArguments, wholeNumber } from '../options.ts';
import { print } from '../print.ts';
import { formatPairs } from '../table.ts';

interface TaskArguments extends JobArguments {
  readonly index: string;
}

export const taskCommand: CommandModule<object, TaskArguments> = {
  command: 'task <id> <index>',
  describe: 'The story of one task: every attempt, where, and how it ended',
  builder: (yargs) =>
    JOB_POSITIONAL(yargs)
      .positional('index', {
        type: 'string',
        demandOption: true,
        describe: 'Its place among the inputs, from 0',
      })
      .example('$0 task $ID 7', 'Why the eighth one failed') as never,
  handler: async (argv) => {
    const index = wholeNumber('INDEX', Number(argv.index), 0, Number.MAX_SAFE_INTEGER);
    await using hive = await connectTo(argv, 'hive task');
    const story = await hive.task(await findJob(hive, argv.id), index);
    print(argv, story, () => formatStory(story));
  },
};

const STATES: Readonly<Record<string, string>> = {
  queued: 'waits for its turn',
  leased: 'is with a Drone, and not started',
  running: 'runs',
  held: 'may still run on a Drone that has not come back since the Queen was restarted',
  waitingForRetry: 'has failed, and waits to be tried again',
  failed: 'failed for good',
  cancelled: 'was cancelled before it ran',
};

export function formatStory({ job, index, name, state, drone, attempts }: TaskStory): string {
  const end = attempts.at(-1)?.outcome;
  const words = state === 'recorded' ? endWords(end) : (STATES[state] ?? state);
  const where = drone === undefined ? '' : ` (on ${drone})`;
  const title = name === undefined ? job : `${job} (${name})`;
  const lines = attempts.flatMap((attempt, i) => formatAttempt(attempt, i + 1));
  return [
    formatPairs([
      ['Task', `${index} of job ${title}`],
      ['State', `${words}${where}`],
    ]),
    ...lines,
  ].join('\n');
}

function endWords(outcome = 'succeeded'): string {
  return outcome === 'cancelled' ? 'was cancelled' : wordsOf(outcome);
}

function formatAttempt(attempt: AttemptInfo, number: number): string[] {
  const { outcome, drone, endedAt, millis, code, message } = attempt;
  const where = drone === undefined ? '' : ` on ${drone}`;
  const what = code === undefined ? wordsOf(outcome) : `${wordsOf(outcome)} (${code})`;
  const text = message === undefined ? [] : message.split('\n').map((line) => `      ${line}`);
  const time = millis === undefined ? '' : ` after ${formatDuration(millis)}`;
  return [`${String(number).padStart(4)}. ${what}${time}${where}, ${endedAt}`, ...text];
}
