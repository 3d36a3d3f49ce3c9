/** `hive doctor`: why a Queen is not found, step by step, and what to do. */
import type { CommandModule } from 'yargs';
import { type DoctorArguments, examine } from '../doctor/examine.ts';
import type { Step } from '../doctor/step.ts';
import { CLIENT_OPTIONS, JSON_OPTION } from '../options.ts';
import { print } from '../print.ts';

const MARKS = { ok: '✅', failed: '❌', skipped: '➖' } as const;

export const doctorCommand: CommandModule<object, DoctorArguments & { readonly json: boolean }> = {
  command: 'doctor',
  describe: 'Why a Queen is not found or not reached, and what to do',
  builder: {
    ...CLIENT_OPTIONS,
    role: {
      choices: ['drone', 'client', 'observer'],
      requiresArg: true,
      describe: 'What you want to be (default: what your key is for)',
    },
    ...JSON_OPTION,
  },
  handler: async (argv) => {
    const steps = await examine(argv);
    const isWell = steps.every(({ status }) => status !== 'failed');
    print(argv, { ok: isWell, steps }, () => formatSteps(steps));
    if (!isWell) process.exitCode = 1;
  },
};

export function formatSteps(steps: readonly Step[]): string {
  const width = Math.max(...steps.map(({ name }) => name.length)) + 2;
  return steps
    .flatMap(({ name, status, text, advice = [] }) => [
      `${MARKS[status]} ${name.padEnd(width)}${text}`,
      ...advice.map((sentence) => `${' '.repeat(width + 3)}→ ${sentence}`),
    ])
    .join('\n');
}
