/**
 * The thread of a slot: runs the tasks of one lease after another, and nothing else. Started by slot.ts.
 *
 * Cost goal: for kinds that never wait, nothing per task but the claim (two shared words), the kind's own call and the
 * commit (one shared word): no object, promise or message, and a look at the clock only about every 0.2 ms.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { useDoor } from '../commands/libc.ts';
import { groupsFile, slotFolder } from '../commands/workplace.ts';
import { folderOf, foldRunner, threadReducer, withReducer } from '../folds/folder.ts';
import type { ThreadReducer } from '../folds/reducer.ts';
import { TaskFailure } from '../kinds/failure.ts';
import {
  BUILT_IN,
  type Kind,
  type KindSlot,
  type OperatorTasks,
  type Runner,
  type Several,
} from '../kinds/kind.ts';
import type { SandboxSetup } from '../sandbox/plan.ts';
import {
  type ControlBlock,
  clock,
  controlBlock,
  type FromThread,
  RENEWED,
  SAYS,
  type ThreadData,
  type ThreadJob,
  TIME,
  type ToThread,
  WORD,
} from './control-block.ts';
import { Crew, type CrewGuard } from './crew.ts';
import { ThreadFolder } from './folding.ts';
import { GroupWords } from './group-words.ts';
import { OutputWriter } from './output-writer.ts';
import { ThreadBlobs } from './thread-blobs.ts';
import { ThreadNesting } from './thread-nesting.ts';
import { ThreadTask } from './thread-task.ts';

const CLOCK_MILLIS = 0.2;
const STRIDE_MAX = 4096;
/** Texts of failures are cut here; what a Queen accepts is longer. */
const MESSAGE_MAX = 2_000;

type Limit = Extract<FromThread, { limitMillis: number } | { diskBytes: number | null }>;

interface Prepared {
  readonly job: ThreadJob;
  readonly run: Runner;
  /** The user's function that folds what its tasks give, in this thread. */
  readonly reducer: ThreadReducer | null;
}

class Thread {
  readonly #block: ControlBlock;
  readonly #words: Int32Array;
  readonly #task: ThreadTask;
  readonly #folder: ThreadFolder;
  readonly #kinds: ReadonlyMap<string, Kind>;
  readonly #jobs = new Map<number, Prepared>();
  readonly #say: (code: number) => void;
  readonly #slot: KindSlot;
  readonly #blobs: ThreadBlobs;
  readonly #nesting: ThreadNesting;
  #number = 0;
  #run: Runner = () => {};
  /** Tasks until the clock is read again, and how many it is at a time. */
  #untilClock = 1;
  #stride = 1;
  #strideMax = STRIDE_MAX;
  #clockAt = 0;
  #isRunning = false;
  /** Several tasks at once, while there are. */
  #crew: Crew | null = null;
  /** Tasks of this job run one by one, because one of several has ended a thread before. */
  #isSequential = false;
  /** The thread begins nothing more. */
  #isSpent = false;
  #attempts: ReadonlyMap<number, number> | null = null;

  constructor({ memory, slot, outputs, sandbox, tasks }: ThreadData, kinds: ReadonlyMap<string, Kind>) {
    const port = parentPort!;
    this.#kinds = kinds;
    this.#block = controlBlock(memory.control);
    this.#words = this.#block.words;
    this.#say = (code) => port.postMessage(code);
    this.#blobs = new ThreadBlobs((blob) => port.postMessage({ blob }));
    this.#nesting = new ThreadNesting(
      (message) => port.postMessage(message),
      () => this.#number,
    );
    this.#slot = this.#slotOf(slot, outputs, sandbox, tasks, (limit) => port.postMessage(limit));
    const output = new OutputWriter(outputs, slot);
    this.#folder = new ThreadFolder(
      this.#block,
      memory,
      () => this.#task.input,
      (folding) => port.postMessage(folding),
    );
    const full = () => this.#folder.fold();
    this.#task = new ThreadTask(
      memory,
      this.#block,
      output,
      this.#say,
      (pull) => port.postMessage(pull),
      full,
    );
    port.on('message', (message: ToThread) => this.#receive(message));
    this.#say(SAYS.ready);
  }

  #receive(message: ToThread): void {
    if (typeof message === 'number') {
      if (message !== 0) this.#begin(message);
      this.#drive();
      return;
    }
    if (message.type === 'job') this.#prepare(message.id, message.job);
    else if (message.type === 'forgetJob') this.#jobs.delete(message.id);
    else if (message.type === 'attempts') this.#attempts = attemptsOf(message.attempts);
    else if (message.type === 'input') this.#task.useInput(message.input);
    else if (message.type === 'blob') this.#blobs.answered(message);
    else if (message.type === 'pass') this.#nesting.answered(message);
    else if (message.type === 'goOn') this.#nesting.goOn(message.problem);
    else if (message.type === 'abort') this.#abort(message.position, message.reason);
    else this.#task.chunkArrived(message.position, message.chunk);
  }

  #prepare(id: number, job: ThreadJob): void {
    try {
      this.#jobs.set(id, this.#prepared(job));
    } catch (error) {
      const run = () => {
        throw error;
      };
      this.#jobs.set(id, { job, run, reducer: null });
    }
  }

  #prepared(job: ThreadJob): Prepared {
    if (job.isFold) return { job, run: foldRunner(job, this.#slot), reducer: null };
    const kind = this.#kinds.get(job.kind);
    if (kind === undefined) throw new TaskFailure('unknownKind', `There is no kind "${job.kind}" here.`);
    const run = kind.prepare(job, this.#slot);
    if (job.reduce !== null && job.reduce.op !== 'function') folderOf(job.reduce);
    const reducer = threadReducer(job, this.#slot);
    return { job, run: reducer === null ? run : withReducer(run, reducer), reducer };
  }

  #slotOf(
    number: number,
    outputs: string,
    sandbox: SandboxSetup | null,
    tasks: OperatorTasks,
    tell: (limit: Limit) => void,
  ): KindSlot {
    const thread = this;
    return {
      number,
      folder: slotFolder(outputs, number),
      groups: groupsFile(outputs),
      group: new GroupWords(this.#block),
      get run() {
        return thread.#number;
      },
      get isWatched() {
        return Atomics.load(thread.#words, WORD.isWatched) === 1;
      },
      limit: (position, limitMillis) => tell({ position, limitMillis }),
      limitDisk: (position, { diskBytes, folder, tmp }) => tell({ position, diskBytes, folder, tmp }),
      sandbox,
      tasks,
      blob: (hash) => thread.#blobs.get(hash),
      nesting: this.#nesting,
      get boxRuns() {
        return thread.#folder.boxRuns;
      },
      renew: () => {
        thread.#isSpent = true;
      },
    };
  }

  #abort(position: number | null, reason: string): void {
    if (this.#crew !== null) {
      this.#crew.abort(position, reason);
      return;
    }
    if (!this.#isRunning || (position !== null && position !== this.#task.position)) return;
    this.#task.abort(reason);
  }

  #begin(number: number): void {
    this.#number = number;
    this.#nesting.beginLease();
    const { job, run, reducer } = this.#jobs.get(this.#words[WORD.job]!)!;
    this.#run = run;
    this.#isSequential = job.isSequential === true;
    this.#task.begin(job, number, this.#attempts);
    this.#task.onValue = this.#folder.begin(job, number, reducer);
    this.#attempts = null;
    this.#strideMax = this.#words[WORD.isTimed] === 1 ? 1 : STRIDE_MAX;
    this.#stride = 1;
    this.#block.times[TIME.busy] = 0;
  }

  /** Runs tasks until there are none left to claim. */
  #drive(): void {
    this.#clockAt = clock();
    this.#untilClock = 1;
    this.#continue();
  }

  #continue(): void {
    if (this.#isSpent) this.#renew();
    const { several } = this.#run;
    if (several !== undefined && several.limit > 1 && !this.#isSequential) {
      this.#startCrew(several);
      return;
    }
    const pending = this.#runAll();
    if (pending === null) {
      this.#stop();
      return;
    }
    this.#isRunning = true;
    pending.then(
      () => this.#settled(null),
      (error: unknown) => this.#settled({ error }),
    );
  }

  /** What it has folded would have to be folded again. */
  #renew(): never {
    this.#folder.fold();
    process.exit(RENEWED);
  }

  #stop(): void {
    this.#folder.fold();
    this.#readClock(-1);
    Atomics.store(this.#words, WORD.stopped, this.#number);
    this.#say(-this.#number);
  }

  #settled(thrown: { error: unknown } | null): void {
    this.#isRunning = false;
    this.#finish(thrown);
    this.#untilClock = 1;
    this.#continue();
  }

  /** Several tasks at once, until none may start. */
  #startCrew(several: Several): void {
    const guard: CrewGuard = {
      isMarked: (position) => this.#words[WORD.aborts] !== 0 && this.#isMarked(position),
      isSpent: () => this.#isSpent,
      failed: (error, isAborted) => this.#task.failed(failureOf(error, isAborted)),
      worked: () => this.#readClock(-1),
    };
    this.#crew = new Crew(this.#block, this.#task, several, guard, () => {
      this.#crew = null;
      if (this.#isSpent) this.#renew();
      this.#stop();
    });
    this.#crew.start();
  }

  /** The tight loop: returns a promise when a task waits, null when it may start no more. */
  #runAll(): Promise<void> | null {
    const words = this.#words;
    const task = this.#task;
    const run = this.#run;
    for (let n = words[WORD.next]!; ; n++) {
      Atomics.store(words, WORD.next, n + 1);
      if (n >= Atomics.load(words, WORD.end)) {
        Atomics.store(words, WORD.next, n);
        return null;
      }
      if (--this.#untilClock <= 0) this.#readClock(n);
      task.load(n);
      if (words[WORD.aborts] !== 0 && this.#isMarked(n)) {
        task.failed({
          outcome: 'cancelled',
          code: 'cancelled',
          message: 'The task was cancelled before it started.',
        });
        continue;
      }
      try {
        const pending = run(task);
        if (pending !== undefined) return pending;
        task.succeeded();
      } catch (error) {
        this.#finish({ error });
      }
      if (this.#isSpent) this.#renew();
    }
  }

  #finish(thrown: { error: unknown } | null): void {
    let error = thrown?.error;
    if (thrown === null) {
      try {
        this.#task.succeeded();
        return;
      } catch (problem) {
        error = problem;
      }
    }
    const keepsOutput = error instanceof TaskFailure && error.keepsOutput && !this.#task.isAborted;
    this.#task.failed(failureOf(error, this.#task.isAborted), keepsOutput);
  }

  #isMarked(position: number): boolean {
    return ((this.#block.abortBits[position >>> 3]! >>> (position & 7)) & 1) === 1;
  }

  /** Counts the time since the last look as work, and sets when to look again. -1: nothing starts now. */
  #readClock(position: number): void {
    const { times } = this.#block;
    const now = clock();
    const elapsed = now - this.#clockAt;
    // Waiting for room is not work; it is not known how much of the time it was.
    if (this.#task.hasWaited) this.#task.hasWaited = false;
    else times[TIME.busy] = times[TIME.busy]! + elapsed;
    this.#clockAt = now;
    if (elapsed < CLOCK_MILLIS / 2) this.#stride = Math.min(this.#stride * 2, this.#strideMax);
    else if (elapsed > CLOCK_MILLIS * 2) {
      this.#stride = Math.max(1, Math.floor((this.#stride * CLOCK_MILLIS) / elapsed));
    }
    this.#untilClock = this.#stride;
    this.#folder.maybeFold(now, this.#task.unreadBytes);
    if (position < 0) return;
    times[TIME.startedAt] = now;
    Atomics.store(this.#words, WORD.startedPosition, position);
  }
}

function failureOf(error: unknown, isAborted: boolean) {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_MAX);
  if (isAborted) return { outcome: 'cancelled', code: 'cancelled', message };
  if (error instanceof TaskFailure) {
    const { outcome, code, retryable, error: thrown } = error;
    return {
      outcome,
      code,
      message,
      ...(retryable ? {} : { retryable: false }),
      ...(thrown === null ? {} : { error: thrown }),
    };
  }
  const code = (error as { code?: unknown } | null)?.code;
  const name = error instanceof Error ? error.name : 'Error';
  return {
    outcome: 'failed',
    code: typeof code === 'string' ? code.slice(0, 256) : name.slice(0, 256),
    message,
  };
}

function attemptsOf(pairs: readonly number[]): Map<number, number> {
  const attempts = new Map<number, number>();
  for (let i = 0; i < pairs.length; i += 2) attempts.set(pairs[i]!, pairs[i + 1]!);
  return attempts;
}

async function loadKinds({ kindModules }: ThreadData): Promise<Map<string, Kind>> {
  const kinds = new Map(BUILT_IN.map((kind) => [kind.name, kind]));
  for (const [name, url] of Object.entries(kindModules)) {
    const module = (await import(url)) as { kind: Kind };
    kinds.set(name, module.kind);
  }
  return kinds;
}

const data = workerData as ThreadData;
useDoor(data.door);
new Thread(data, await loadKinds(data));
