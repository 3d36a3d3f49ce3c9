/** `hive bench recovery`: what it takes to come back after something was killed. */
import { UsageError } from '@hive/shared';
import type { Argv, CommandModule } from 'yargs';
import { STORE_SETTINGS } from '../cluster.ts';
import { hardware } from '../hardware.ts';
import { parseBytes, positive } from '../options.ts';
import { type LossReport, measureLoss } from './drone-loss.ts';
import { type MemoryReport, measureMemory } from './memory.ts';
import { printRecovery } from './print.ts';
import { measureRestart, type RestartReport } from './restart.ts';
import { measureSurvivors, type SurvivorsReport } from './survivors.ts';

const PARTS = ['restart', 'memory', 'killed', 'frozen', 'survivors'] as const;
type Part = (typeof PARTS)[number];

export interface RecoveryOptions {
  readonly jobs: number;
  readonly tasks: number;
  readonly historyBytes: number;
  readonly memoryJobs: number;
  readonly memoryTasks: number;
  readonly submissions: number;
  readonly runs: number;
  readonly only: readonly Part[];
}
export interface RecoveryReport {
  readonly bench: 'recovery';
  readonly hardware: ReturnType<typeof hardware>;
  readonly store: 'sqlite';
  readonly storeSettings: string;
  /** Its sessions are always secured. */
  readonly tls: true;
  readonly restart?: RestartReport;
  readonly memory?: MemoryReport;
  readonly killed?: LossReport;
  readonly frozen?: LossReport;
  readonly survivors?: SurvivorsReport;
}

const FAILED_EVERY = 50;

export async function measureRecovery(
  options: RecoveryOptions,
  say: (line: string) => void,
): Promise<RecoveryReport> {
  const { jobs, tasks, historyBytes, memoryJobs, memoryTasks, submissions, runs, only } = options;
  const measured: { -readonly [P in Part]?: unknown } = {};
  const measures: { readonly [P in Part]: () => Promise<unknown> } = {
    restart: () => measureRestart({ jobs, tasks, historyBytes, runs }, say),
    memory: () => measureMemory({ jobs: memoryJobs, tasks: memoryTasks, failedEvery: FAILED_EVERY }, say),
    killed: () => measureLoss('SIGKILL', runs, say),
    frozen: () => measureLoss('SIGSTOP', runs, say),
    survivors: () => measureSurvivors(submissions),
  };
  for (const part of PARTS) if (only.includes(part)) measured[part] = await measures[part]();
  return {
    bench: 'recovery',
    hardware: hardware(),
    store: 'sqlite',
    storeSettings: STORE_SETTINGS.sqlite,
    tls: true,
    ...(measured as Pick<RecoveryReport, Part>),
  };
}

const count = (name: string, standard: number, describe: string) =>
  ({ type: 'number', default: standard, coerce: positive(name), describe }) as const;

interface RecoveryArguments extends Omit<RecoveryOptions, 'historyBytes'> {
  readonly history: string;
  readonly json: boolean;
}
export const recoveryCommand: CommandModule<object, RecoveryArguments> = {
  command: 'recovery',
  describe: 'What it takes to come back after the Queen or a Drone was killed or frozen',
  builder: (argv: Argv) =>
    argv.options({
      jobs: count('jobs', 10_000, 'Jobs that are queued when the Queen is killed'),
      tasks: count('tasks', 1_000_000, 'Tasks in them'),
      history: { type: 'string', default: '1GiB', describe: 'Results of finished jobs beside them' },
      'memory-jobs': count('memory-jobs', 100_000, "Jobs queued when the Queen's memory is looked at"),
      'memory-tasks': count('memory-tasks', 10_000_000, 'Tasks in them; every 50th has failed once'),
      submissions: count('submissions', 10_000, 'Submissions just before the Queen is killed'),
      runs: count('runs', 5, 'Times that a process is killed or frozen'),
      only: { type: 'array', choices: PARTS, default: PARTS, describe: 'What to measure' },
      json: { type: 'boolean', default: false, describe: 'Print one JSON object' },
    }) as unknown as Argv<RecoveryArguments>,
  handler: async ({ history, json, ...options }) => {
    const historyBytes = parseBytes(history);
    if (historyBytes === null) throw new UsageError(`"${history}" is not a size. Write 100MiB or 1GiB.`);
    const say = json ? () => {} : (line: string) => console.error(`  ${line}`);
    const report = await measureRecovery({ ...options, historyBytes }, say);
    console.log(json ? JSON.stringify(report) : printRecovery(report));
  },
};
