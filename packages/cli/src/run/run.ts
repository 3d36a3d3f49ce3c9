/**
 * `hive run`, all of it but what runs the commands: from arguments and standard input to output and exit code.
 *
 * An alias `parallel='hive run'` should surprise nobody: what GNU parallel does is done, or refused by name.
 */
import { resolve } from 'node:path';
import { UsageError } from '@hive/shared';
import type { StartEngine } from './cluster/engine.ts';
import { LINE_BYTES_MAX, lineBytesLimit } from './command-length.ts';
import type { Execute, ExecuteOptions } from './command-task.ts';
import { Driver } from './driver.ts';
import { executeDry } from './dry-run.ts';
import { HaltRules } from './halt.ts';
import { helpText } from './help.ts';
import { type CommandLine, splitAtSeparators } from './input/separators.ts';
import type { OptionValues } from './options/option-parser.ts';
import { GNU_VERSION } from './options/option-table.ts';
import { parseWithProfiles } from './options/profiles.ts';
import { type RunSettings, settingsOf } from './options/settings.ts';
import { Joblog } from './output/joblog.ts';
import { Reporter } from './output/reporter.ts';
import { RunProgress } from './output/run-progress.ts';
import { type Sink, sinkOf } from './output/sink.ts';
import { cutBlocks } from './pipe/blocks.ts';
import { Plan, type Planned, type PlanPlace } from './plan.ts';
import { type EarlierRun, readEarlierRun } from './resume.ts';
import { shellFor } from './shell.ts';

/** What of the process it uses, so that tests can run it in theirs. */
export interface RunPlace {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly pid: number;
  readonly parentPid: number;
  /** What `-j 100%` means. */
  readonly cpus: number;
  readonly version: string;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Aborted when the person wants it to end. */
  readonly interrupt: AbortSignal;
}

/** GNU parallel's exit code for what is wrong with the command line or the input. */
export const USAGE_EXIT_CODE = 255;
const NAME = 'hive run';

/**
 * @param start opens what runs the commands; --dry-run needs nothing
 * @returns the exit code
 */
export async function run(args: readonly string[], place: RunPlace, start: StartEngine): Promise<number> {
  const sinks = { stdout: sinkOf(place.stdout), stderr: sinkOf(place.stderr) };
  const say = (text: string) => void sinks.stderr.write(Buffer.from(prefixed(text)));
  try {
    const { values, rest } = parseWithProfiles(args, place.env);
    const answer = answerOf(values, place);
    if (answer === null) return await runCommands(values, rest, start, { place, sinks, say });
    await sinks.stdout.write(Buffer.from(answer.text));
    return answer.exitCode;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(`Error: ${error.message}`);
    return USAGE_EXIT_CODE;
  }
}

/** Every line says whose it is, except those that quote a command. */
function prefixed(text: string): string {
  const [first, ...others] = text.split('\n');
  const rest = others.map((line) => (line.startsWith('Warning: ') ? `${NAME}: ${line}` : line));
  return `${[`${NAME}: ${first}`, ...rest].join('\n')}\n`;
}

/** Options that are questions. */
function answerOf(
  values: OptionValues,
  { env, version }: RunPlace,
): { readonly text: string; readonly exitCode: number } | null {
  const least = values.get('min-version')?.at(-1);
  if (values.has('help')) return { text: helpText(), exitCode: 0 };
  if (values.has('max-line-length-allowed'))
    return { text: `${Math.min(LINE_BYTES_MAX, lineBytesLimit(env) - 1)}\n`, exitCode: 0 };
  if (values.has('version'))
    return { text: `hive run ${version}, as GNU parallel ${GNU_VERSION}\n`, exitCode: 0 };
  if (least === undefined) return null;
  return { text: `${GNU_VERSION}\n`, exitCode: Number(least) <= GNU_VERSION ? 0 : USAGE_EXIT_CODE };
}

interface Surroundings {
  readonly place: RunPlace;
  readonly sinks: { readonly stdout: Sink; readonly stderr: Sink };
  readonly say: (text: string) => void;
}

async function runCommands(
  values: OptionValues,
  rest: readonly string[],
  start: StartEngine,
  around: Surroundings,
): Promise<number> {
  const { cpus, interrupt } = around.place;
  // What is wrong with the command line is told before anything is started.
  const settings = settingsOf(values, cpus);
  const line = splitAtSeparators(rest, settings.input.separators);
  if (settings.execution.isDryRun) return await new Run(settings, line, around).run(executeDry);
  await using engine = await start({ values, settings, cpus, interrupt, say: around.say });
  return await new Run(settingsOf(values, engine.cpus), line, around).run(engine.execute);
}

class Run {
  readonly #settings: RunSettings;
  readonly #line: CommandLine;
  readonly #place: RunPlace;
  readonly #sinks: { readonly stdout: Sink; readonly stderr: Sink };
  readonly #say: (text: string) => void;
  readonly #resolvePath: (path: string) => string;

  constructor(settings: RunSettings, line: CommandLine, { place, sinks, say }: Surroundings) {
    this.#settings = settings;
    this.#line = line;
    this.#place = place;
    this.#sinks = sinks;
    this.#say = say;
    this.#resolvePath = (path) => resolve(place.cwd, path);
  }

  async run(execute: Execute): Promise<number> {
    const { execution, output } = this.#settings;
    const earlier = this.#earlierRun();
    const plan = await this.#open(earlier);
    const rules = new HaltRules(execution.halt, () => plan.total);
    await plan.countIfNeeded(rules.needsTotal || output.progress === 'bar' || output.progress === 'eta');
    using joblog = await this.#joblog(earlier);
    using progress = new RunProgress(output.progress, this.#place.stderr, this.#place.now);
    const reporter = new Reporter({
      sinks: this.#sinks,
      output,
      isDryRun: execution.isDryRun,
      joblog,
      resolvePath: this.#resolvePath,
    });
    const driver = new Driver({
      commands: this.#commands(plan, earlier),
      execute,
      executeOptions: this.#executeOptions(plan),
      rules,
      reporter,
      progress,
      total: () => plan.total,
      interrupt: this.#place.interrupt,
      say: this.#say,
    });
    return await driver.run();
  }

  #earlierRun(): EarlierRun {
    const { execution, output } = this.#settings;
    const path = output.joblog === null ? null : this.#resolvePath(output.joblog.path);
    return readEarlierRun(execution.resume, path, this.#resolvePath);
  }

  async #open(earlier: EarlierRun): Promise<Plan> {
    const { pipe, execution } = this.#settings;
    const { command, sources } = this.#line;
    const place: PlanPlace = {
      stdin: this.#place.stdin as AsyncIterable<Uint8Array>,
      resolvePath: this.#resolvePath,
      warn: (text) => this.#say(`Warning: ${text}`),
      lineBytesMax: lineBytesLimit(this.#place.env),
      pid: this.#place.pid,
      doneBefore: earlier,
    };
    if (execution.resume === 'failedOfLog') return await Plan.open(this.#settings, [], [], place);
    const readsStdin = pipe !== null || (sources.length === 0 && this.#settings.input.files.length === 0);
    if (readsStdin && this.#place.stdin.isTTY === true)
      this.#say('Warning: Input is read from the terminal; end it with Ctrl-D. Was ::: forgotten?');
    return await Plan.open(this.#settings, command, sources, place);
  }

  #commands(plan: Plan, earlier: EarlierRun): AsyncIterable<Planned> | Iterable<Planned> {
    const { pipe, execution } = this.#settings;
    if (execution.resume === 'failedOfLog') return plan.commandsAgain(earlier.failed);
    if (pipe === null) return plan.commands();
    const stdin = this.#place.stdin as AsyncIterable<Uint8Array>;
    return plan.commandsForBlocks(cutBlocks(stdin, pipe, (text) => this.#say(`Warning: ${text}`)));
  }

  async #joblog({ isLogged }: EarlierRun): Promise<Joblog | null> {
    const { joblog } = this.#settings.output;
    if (joblog === null || this.#settings.execution.isDryRun) return null;
    const path = joblog.path === '-' ? null : this.#resolvePath(joblog.path);
    const goesOn = joblog.appends || isLogged;
    const log = new Joblog(path, this.#sinks.stdout, goesOn);
    if (!goesOn) await log.writeHeader();
    return log;
  }

  #executeOptions(plan: Plan): Omit<ExecuteOptions, 'halt'> {
    const { execution, command, output } = this.#settings;
    const { env, cwd, parentPid } = this.#place;
    const hasFiles = command.transfer.length + command.return.length + execution.baseFiles.length > 0;
    return {
      shell: shellFor(execution.sandbox, env, parentPid),
      cwd,
      env: Object.fromEntries(
        Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
      slotVariable: command.slotVariable,
      carriedEnv: execution.carriedEnv,
      sandbox: execution.sandbox,
      hasOwnFolder: hasFiles || command.folder !== null,
      slots: execution.slots,
      pullsWhenFree: plan.pullsWhenFree,
      attempts: execution.attempts,
      timeoutMillis: execution.timeoutMillis,
      delayMillis: execution.delayMillis,
      baseFiles: execution.baseFiles,
      cleanup: execution.cleanup,
      streamsOutput: output.mode !== 'group',
    };
  }
}
