/**
 * A function in a process of its own, inside of a sandbox: for jobs that ask for one, and on Drones whose operator demands
 * it. The slot's thread starts the process, gives it one call after another over pipes, and stays free meanwhile; the main
 * thread ends it as it ends a command (docs/adr/0019).
 *
 * States of the process: none (before the first call, and after it has ended), loading, idle, calling. Whatever ends it
 * costs the call that runs and no other: the next one starts another process.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, createWriteStream, realpathSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { decodeHiveJs } from '@hive/shared';
import { copyEncoder } from '@hive/shared/node';
import { signalGroup } from '../commands/group.ts';
import { CommandSandbox, type Entered } from '../commands/sandbox.ts';
import { Workplace } from '../commands/workplace.ts';
import { TaskFailure } from '../kinds/failure.ts';
import type { KindSlot, Task } from '../kinds/kind.ts';
import { LAUNCH_FAILED } from '../sandbox/launcher.ts';
import { BoxHive } from './box-hive.ts';
import { type BoxAnswer, BoxReader, boxFrame } from './box-wire.ts';
import { bundleFile } from './modules.ts';
import type { CodeSource, FunctionParams } from './params.ts';
import type { Printed } from './printer.ts';
import { chooseReducer, chooseTask } from './task-module.ts';

const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './box-child.ts' : './box-child.js', import.meta.url),
);
/** As much of what a process says on its way out as is told. */
const LAST_WORDS = 1_600;
/** What a process may say between two calls: what its tasks have left behind may print, but not keep the thread busy. */
const IDLE_BYTES_MAX = 1024 * 1024;
/** So long after its end its outputs are read, if what it has started holds them open. What it said itself is there at once. */
const INHERITED_MILLIS = 200;
/** Answers to what it has submitted that a process may leave unread. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

/** With these ends `docker run` where there is no container; where its program cannot be executed; where it is not there. */
const NO_PROGRAM: readonly number[] = [LAUNCH_FAILED, 126, 127];

/** What comes of a call. */
export type BoxOutcome = Extract<BoxAnswer, { type: 'result' | 'finish' | 'thrown' | 'misfolded' }>;
/** What comes of a fold. */
export type FoldOutcome = Extract<BoxAnswer, { type: 'result' | 'misfolded' | 'thrown' }>;

const LOADED = ['loaded'] as const;
const CALLED = ['result', 'finish', 'thrown'] as const;
const CALLED_AND_FOLDED = [...CALLED, 'misfolded'] as const;
const FOLDED = ['result', 'thrown', 'misfolded'] as const;

interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly entered: Entered;
  readonly isLoaded: boolean;
  /** What its module exports. */
  readonly tasks: readonly string[];
  readonly reducers: readonly string[];
}
interface Call {
  readonly task: Task;
  readonly printed: Printed;
  /** What may come of it. */
  readonly outcomes: readonly BoxAnswer['type'][];
  resolve(outcome: BoxAnswer): void;
  reject(failure: TaskFailure): void;
}

interface Gone {
  readonly child: ChildProcessWithoutNullStreams;
  readonly cut: string | null;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A thread has one folder for its boxes, and one process at a time: that of the job that it runs. */
let place: Workplace | null = null;
let active: FunctionBox | null = null;
/** What calls a job's tasks folds what they give, too. */
const boxes = new Map<string, FunctionBox>();
/** Boxes that are remembered; those without a process are next to nothing. */
const BOXES_MAX = 64;

export class FunctionBox {
  readonly #params: FunctionParams;
  readonly #slot: KindSlot;
  readonly #sandbox: CommandSandbox;
  readonly #place: Workplace;
  #running: Running | null = null;
  #call: Call | null = null;
  /** How the last process ended that nobody had asked anything at that moment. */
  #gone: Gone | null = null;
  #who: 'task' | 'reducer' = 'task';
  /** Of the call, if its task submits work, and with which params it is made. */
  #hive: BoxHive | null = null;
  #called: FunctionParams;
  #printedLast = '';
  /** That came since the last call. */
  #idleBytes = 0;
  #uncaught: string | null = null;

  /** @param slot as the sandbox has it: with a folder for this box alone */
  private constructor(params: FunctionParams, slot: KindSlot, sandbox: CommandSandbox) {
    this.#params = params;
    this.#called = params;
    this.#slot = slot;
    this.#sandbox = sandbox;
    place ??= new Workplace(slot.folder, slot.number, slot.groups);
    this.#place = place;
  }

  /** Null: neither the job nor the operator asks for a sandbox. @throws TaskFailure when it cannot be had here */
  static for(job: string, params: FunctionParams, slot: KindSlot): FunctionBox | null {
    const key = JSON.stringify([job, params.module, params.memoryMiB, params.sandbox ?? null]);
    const known = boxes.get(key);
    if (known !== undefined) return known;
    const readable = [dirname(realpathSync(process.execPath))];
    const own = Object.create(slot, { folder: { value: join(slot.folder, 'box') } }) as KindSlot;
    const sandbox = new CommandSandbox(params.sandbox, own, readable);
    if (sandbox.level === 'none') return null;
    const box = new FunctionBox(params, own, sandbox);
    boxes.set(key, box);
    for (const [oldest, { isActive }] of boxes) {
      if (boxes.size > BOXES_MAX && !isActive) boxes.delete(oldest);
    }
    return box;
  }

  /**
   * Runs one task.
   * @param reducer with which its process folds what the tasks give, as `slot.boxRuns` says
   * @throws TaskFailure when the process ends under it
   */
  call(
    task: Task,
    printed: Printed,
    called: FunctionParams,
    reducer: CodeSource | null,
  ): Promise<BoxOutcome> {
    this.#who = 'task';
    this.#called = called;
    const { export: own, file, params } = called;
    return this.#run<BoxOutcome>(
      task,
      printed,
      reducer === null ? CALLED : CALLED_AND_FOLDED,
      async (running) => {
        const { index, attempt } = task;
        const input = await this.#inputOf(task);
        const name = chooseTask(running.tasks, own, file);
        const folding = this.#foldingOf(task, reducer, running);
        return { type: 'call', task: name, ...input, index, attempt, params, folding };
      },
    );
  }

  #foldingOf({ position }: Task, reducer: CodeSource | null, { child, reducers }: Running): object | null {
    const runs = this.#slot.boxRuns;
    if (reducer === null || runs === null) return null;
    const name = chooseReducer(reducers, reducer.export, reducer.file);
    return { reducer: name, ...runs.orderFor(position, child) };
  }

  /** Folds the values of neighbours, in their order. @throws TaskFailure when the process ends under it */
  fold(
    task: Task,
    printed: Printed,
    { export: own, file }: CodeSource,
    values: readonly unknown[],
  ): Promise<FoldOutcome> {
    this.#who = 'reducer';
    return this.#run<FoldOutcome>(task, printed, FOLDED, async ({ reducers }) => {
      const reducer = chooseReducer(reducers, own, file);
      this.#folds(true);
      return { type: 'fold', reducer, values };
    });
  }

  async #run<T extends BoxAnswer>(
    task: Task,
    printed: Printed,
    outcomes: readonly T['type'][],
    orderOf: (running: Running) => Promise<object>,
  ): Promise<T> {
    const { group } = this.#slot;
    if (this.#running !== null) this.#starts();
    try {
      const running = this.#running ?? (await this.#start(task, printed));
      group.started(running.child.pid!);
      const { handle } = running.entered;
      if (handle !== null && handle.diskBytes !== null) this.#slot.limitDisk(task.position, handle);
      // The main thread may have looked for the process before there was one.
      if (group.verdict(task.position) !== null) signalGroup(running.child.pid!, 'SIGKILL');
      const outcome = await this.#ask(running, await orderOf(running), task, printed, outcomes);
      if (outcome.type === 'broken') throw await this.#broken(outcome.message);
      return outcome as T;
    } finally {
      group.isFolding = false;
      group.ended();
      this.#hive?.end();
      this.#hive = null;
      this.#call = null;
    }
  }

  /** From now on the thread is not ended before its process is. */
  #starts(): void {
    this.#slot.group.starting(this.#sandbox.level === 'bwrap');
  }

  /** It is the one that may have a process. */
  get isActive(): boolean {
    return active === this;
  }

  /** Another job has the slot. */
  async end(): Promise<void> {
    const child = this.#running?.child;
    if (child === undefined) return;
    await new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.ref();
      signalGroup(child.pid!, 'SIGKILL');
    });
  }

  /** The input of a stream goes through a file: who reads it may read as it likes. */
  async #inputOf(task: Task): Promise<object> {
    if (task.streamBytes === null) return { input: task.value(), stream: null };
    if (task.isStreamEncoded) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of task.chunks()) chunks.push(chunk);
      return { input: decodeHiveJs(Buffer.concat(chunks)), stream: null };
    }
    const path = join(this.#place.work, 'input');
    rmSync(path, { force: true });
    // A file of ours, or none: what runs in there may have put a link in its place.
    await pipeline(task.chunks(), createWriteStream(path, { flags: 'wx', mode: 0o644 }));
    return { input: null, stream: { path, bytes: task.streamBytes } };
  }

  async #start(task: Task, printed: Printed): Promise<Running> {
    const { work, nothing } = this.#place;
    if (active !== this) await active?.end();
    active = this;
    this.#place.clean();
    const bundle = await bundleFile(this.#params, this.#slot);
    // Not before: while the code is fetched the thread has no process, and may be ended.
    this.#starts();
    // Who wants the thread's end may have seen no process.
    if (this.#slot.group.verdict(task.position) !== null) throw this.#failureOf(task, null, null, 'SIGKILL');
    const module = join(work, 'task.mjs');
    copyFileSync(bundle, module);
    // Its folder says nothing of what kind of module it is.
    const script = join(work, basename(CHILD).replace(/\.js$/, '.mjs'));
    copyFileSync(CHILD, script);
    for (const file of [module, script]) chmodSync(file, 0o644);
    const encoder = copyEncoder(join(work, 'hive'));
    const { memoryMiB } = this.#params;
    const heap = memoryMiB === null ? [] : [`--max-old-space-size=${memoryMiB}`];
    const node = this.#sandbox.level === 'docker' ? 'node' : realpathSync(process.execPath);
    const argv = [node, '--disable-warning=ExperimentalWarning', ...heap, script];
    const launch = { file: node, argv, env: [], cwd: work, stdin: nothing, stdout: nothing, stderr: nothing };
    const entered = this.#sandbox.enter(launch, {}, false);
    const child = this.#spawn(entered);
    this.#slot.group.started(child.pid!);
    this.#place.noteGroup(child.pid!);
    const running: Running = { child, entered, isLoaded: false, tasks: [], reducers: [] };
    this.#running = running;
    const loaded = await this.#ask(running, { type: 'load', path: module, encoder }, task, printed, LOADED);
    const { file } = this.#params;
    if (loaded.type === 'broken') {
      // The next task is told the same, by a process that tries again.
      await this.end();
      throw new TaskFailure('badModule', `${file} could not be loaded: ${loaded.message}`);
    }
    const { tasks, reducers } = loaded.type === 'loaded' ? loaded : running;
    this.#running = { ...running, isLoaded: true, tasks, reducers };
    return this.#running;
  }

  /** @throws TaskFailure */
  #spawn(entered: Entered): ChildProcessWithoutNullStreams {
    const { argv, env, cwd } = entered.launch;
    const [program = '', ...args] = argv.map(String);
    const variables = env.map((variable) => String(variable).split(/=(.*)/s).slice(0, 2));
    const child = spawn(program, args, {
      cwd,
      env: Object.fromEntries(variables) as Record<string, string>,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.on('error', () => {});
    if (child.pid === undefined) {
      entered.leave(null);
      throw new TaskFailure(
        'notStarted',
        `The process of the function could not be started: ${program}.`,
        true,
      );
    }
    const reader = new BoxReader((answer, bytes) => this.#heard(answer, bytes));
    child.stdout.on('data', (chunk: Buffer) => {
      if (this.#isHeard(child, chunk)) reader.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (this.#isHeard(child, chunk)) this.#printed('stderr', chunk);
    });
    child.stdin.on('error', () => {});
    child.once('close', (exitCode, signal) => this.#ended(child, entered, exitCode, signal));
    child.once('exit', () => setTimeout(() => closeOutputs(child), INHERITED_MILLIS));
    // A slot without work does not keep its thread.
    child.unref();
    return child;
  }

  #ask(
    { child }: Running,
    order: object,
    task: Task,
    printed: Printed,
    outcomes: Call['outcomes'],
  ): Promise<BoxAnswer> {
    this.#printedLast = '';
    this.#idleBytes = 0;
    this.#uncaught = null;
    // It may have been ended since it was found running, by itself or by the main thread: no answer would ever come.
    if (this.#gone?.child === child) {
      const { cut, exitCode, signal } = this.#gone;
      return Promise.reject(this.#failureOf(task, cut, exitCode, signal));
    }
    return new Promise((resolve, reject) => {
      this.#call = { task, printed, outcomes, resolve, reject };
      child.ref();
      child.stdin.write(boxFrame(order));
    });
  }

  /** Between calls it may say a little, and is ended when it says more: the thread works for another job by then. */
  #isHeard({ pid }: ChildProcessWithoutNullStreams, chunk: Buffer): boolean {
    if (this.#call !== null) return true;
    this.#idleBytes += chunk.length;
    if (this.#idleBytes <= IDLE_BYTES_MAX) return true;
    signalGroup(pid!, 'SIGKILL');
    return false;
  }

  /** What cannot be kept of what it says (the disk is full, it is no value) costs its call, and not the thread. */
  #heard(answer: BoxAnswer, bytes: number): void {
    try {
      this.#answered(answer, bytes);
    } catch (error) {
      const call = this.#call;
      this.#call = null;
      const failure =
        error instanceof TaskFailure ? error : new TaskFailure('badOutput', messageOf(error), true);
      void this.end().then(() => call?.reject(failure));
    }
  }

  #answered(answer: BoxAnswer, bytes: number): void {
    const call = this.#call;
    if (answer.type === 'uncaught') this.#uncaught = answer.message;
    else if (answer.type === 'printed') this.#printed(answer.name, answer.bytes);
    else if (call === null) {
      // What it says makes no sense any more, so it takes no further calls.
      if (answer.type === 'broken') void this.end();
    } else if (answer.type === 'folding') this.#folds(true);
    else if (answer.type === 'ask') this.#hiveOf(call).asked(answer, bytes);
    else if (answer.type === 'await') this.#hiveOf(call).awaited(answer.ask);
    else if (answer.type === 'event') call.printed.event(answer.value);
    else if (answer.type === 'write' && call.outcomes.includes('finish')) call.task.write(answer.bytes);
    else if (answer.type === 'piece' && call.outcomes.includes('finish'))
      call.task.writeEncoded(answer.bytes);
    else if (answer.type !== 'broken' && !call.outcomes.includes(answer.type))
      throw new TaskFailure(
        'badOutput',
        `The task has broken its process: it said "${answer.type}".`,
        true,
        'crashed',
      );
    else {
      this.#call = null;
      this.#running?.child.unref();
      call.resolve(answer);
    }
  }

  #folds(is: boolean): void {
    this.#who = is ? 'reducer' : 'task';
    this.#slot.group.isFolding = is;
  }

  #hiveOf({ task }: Call): BoxHive {
    const child = this.#running?.child;
    const wish = this.#called.sandbox ?? this.#sandbox.level;
    this.#hive ??= new BoxHive(this.#slot, this.#called, wish, task.signal, (order) => {
      if (child === undefined || this.#running?.child !== child) return;
      // It asks, and does not read the answers.
      if (child.stdin.writableLength > UNREAD_BYTES_MAX) signalGroup(child.pid!, 'SIGKILL');
      else child.stdin.write(boxFrame(order));
    });
    return this.#hive;
  }

  #printed(name: 'stdout' | 'stderr', bytes: Uint8Array): void {
    this.#call?.printed.write(name, bytes);
    this.#printedLast = (this.#printedLast + Buffer.from(bytes.subarray(-LAST_WORDS)).toString()).slice(
      -LAST_WORDS,
    );
  }

  #ended(
    child: ChildProcessWithoutNullStreams,
    entered: Entered,
    exitCode: number | null,
    signal: NodeJS.Signals | null,
  ): void {
    const call = this.#call;
    const isLoading = this.#running?.isLoaded === false;
    this.#running = null;
    this.#call = null;
    // What it has left running goes with it.
    signalGroup(child.pid!, 'SIGKILL');
    this.#place.noteGroup(0);
    const number = signal === null ? null : constants.signals[signal];
    const cut = entered.leave({ exitCode, signal: number, usage: null });
    if (call === null) {
      this.#gone = { child, cut, exitCode, signal };
      return;
    }
    const noImage = isLoading && exitCode !== null ? this.#imageProblem(exitCode) : null;
    call.reject(noImage ?? this.#failureOf(call.task, cut, exitCode, signal));
  }

  /** Nothing that it says can be told from what it prints any more. */
  async #broken(why: string): Promise<TaskFailure> {
    await this.end();
    return new TaskFailure('badOutput', `The task has broken its process: ${why}.`, true, 'crashed');
  }

  /** A container that did not get as far as running our script. */
  #imageProblem(exitCode: number): TaskFailure | null {
    const { image } = this.#sandbox;
    if (image === null || !NO_PROGRAM.includes(exitCode)) return null;
    const text =
      exitCode === LAUNCH_FAILED
        ? `docker could not start the image "${image}": ${this.#printedLast.trim().split('\n')[0]}`
        : `The image "${image}" has no program "node" that could be started. For functions it needs Node, version 22 or newer: name another image, or ask the operator of the Drone for one.`;
    return new TaskFailure('noSandbox', text, true);
  }

  #failureOf(
    task: Task,
    cut: string | null,
    exitCode: number | null,
    signal: NodeJS.Signals | null,
  ): TaskFailure {
    const verdict = this.#slot.group.verdict(task.position);
    if (verdict?.why === 'cancelled')
      return new TaskFailure('cancelled', verdict.message, false, 'cancelled');
    if (verdict?.why === 'timedOut') return new TaskFailure('timedOut', verdict.message, true, 'timedOut');
    if (verdict?.why === 'disk') return new TaskFailure('diskLimit', verdict.message, true);
    const [code, text] = this.#reasonOf(cut, exitCode, signal);
    const printed = this.#printedLast.trim();
    const message = printed === '' ? text : `${text}\nIt had printed:\n${printed}`;
    return new TaskFailure(code, message, true, 'crashed');
  }

  #reasonOf(
    cut: string | null,
    exitCode: number | null,
    signal: NodeJS.Signals | null,
  ): readonly [string, string] {
    const isHeap = /JavaScript heap out of memory|Allocation failed/.test(this.#printedLast);
    if (cut !== null || isHeap)
      return ['outOfMemory', cut ?? `The ${this.#who} needed more than the memory of its process.`];
    if (this.#uncaught !== null)
      return ['uncaught', `An error was thrown outside of the task's promise: ${this.#uncaught}`];
    if (signal !== null) return ['signal', `The process of the ${this.#who} was ended by ${signal}.`];
    return ['exit', `The ${this.#who} has ended its process: exit code ${exitCode}.`];
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What a process has started, and left behind, may hold its outputs for ever. Nobody waits for that. */
function closeOutputs({ stdout, stderr }: ChildProcessWithoutNullStreams): void {
  stdout.destroy();
  stderr.destroy();
}
