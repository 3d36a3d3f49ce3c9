/**
 * Commands as one job of the kind `command`: they go in as slots fall free, and their results come out as they finish.
 *
 * A command that fails is no failed task: its exit code is its result, and whether to try it again is decided here, at
 * once, as GNU parallel does. The Queen tries again only what its Drone could not run, or took down with it.
 */
import { giveBaseFiles, type Hive, type JobHandle, type Printed, type TaskResult } from '@hive/client';
import { UsageError } from '@hive/shared';
import { Spool } from '../../hash/spool.ts';
import type { CommandEvent, CommandResult, CommandTask, Execute, ExecuteOptions } from '../command-task.ts';
import { hasFailed } from '../halt.ts';
import { Feed } from './feed.ts';
import { returnPath, sentPath } from './files.ts';
import type { Labels } from './fitting.ts';
import { Inbox } from './inbox.ts';
import { LiveOutput } from './live-output.ts';
import { paramsOf } from './params.ts';
import { notRun, resultOf, type SaveFiles } from './result.ts';
import { noteMissingDrones } from './watch-drones.ts';

export interface ClusterOptions {
  /** Commands run only where whoever submits them could have run them himself. */
  readonly isOwnHost: boolean;
  /** Labels that a Drone must have. */
  readonly labels: Labels;
  /** Slots of the Drones that fit. */
  readonly slots: number;
  /** A word to the person, without our name before it. */
  readonly say: (text: string) => void;
}

export function executeOn(hive: Hive, cluster: ClusterOptions): Execute {
  return (commands, options) => new ClusterRun(hive, cluster, commands, options).events();
}

const NOTHING = { data: new Uint8Array(), truncated: 0 };

/** What a run hears of. */
type News =
  | { readonly type: 'started'; readonly index: number }
  | { readonly type: 'printed'; readonly piece: Printed }
  | { readonly type: 'result'; readonly next: IteratorResult<TaskResult> }
  | { readonly type: 'failed'; readonly error: unknown };

class ClusterRun {
  readonly #hive: Hive;
  readonly #cluster: ClusterOptions;
  readonly #options: ExecuteOptions;
  readonly #feed: Feed;
  readonly #spool = new Spool();
  readonly #inbox = new Inbox<News>();
  readonly #live = new LiveOutput();
  #isCancelled = false;

  constructor(
    hive: Hive,
    cluster: ClusterOptions,
    commands: AsyncIterable<CommandTask>,
    options: ExecuteOptions,
  ) {
    this.#hive = hive;
    this.#cluster = cluster;
    this.#options = options;
    const most = Math.min(options.slots, cluster.slots);
    const started = (index: number) => this.#inbox.put({ type: 'started', index });
    this.#feed = new Feed(commands, options, most, started, cluster.say);
  }

  async *events(): AsyncGenerator<CommandEvent> {
    const { halt } = this.#options;
    if (halt.aborted) return;
    const job = await this.#submit();
    const stop = () => this.#stop(job, halt.reason === 'now');
    halt.addEventListener('abort', stop);
    if (halt.aborted) stop();
    using _watch = noteMissingDrones(this.#hive, job.id, this.#cluster);
    let isOver = false;
    try {
      yield* this.#read(job);
      await this.#checkEnd(job);
      isOver = true;
    } finally {
      halt.removeEventListener('abort', stop);
      if (!isOver) this.#stop(job, true);
      this.#feed.stop();
      this.#spool.close();
    }
  }

  async #submit(): Promise<JobHandle> {
    const { labels, isOwnHost } = this.#cluster;
    const { baseFiles: paths, cwd, sandbox } = this.#options;
    const sent = paths.map((path) => sentPath('--basefile', path, cwd));
    const { baseFiles, blobs } = await giveBaseFiles(this.#hive.blobs, sent);
    return await this.#hive.submit({
      kind: 'command',
      name: 'hive run',
      params: { ...paramsOf(this.#options, isOwnHost), ...(sent.length === 0 ? {} : { baseFiles }) },
      ...(blobs.length === 0 ? {} : { blobs }),
      ...(sandbox === null ? {} : { sandbox }),
      labels,
      inputs: this.#feed.inputs(),
    });
  }

  /** Hands out no more, and, if it is urgent, ends what runs. */
  #stop(job: JobHandle, isUrgent: boolean): void {
    this.#feed.stop();
    if (!isUrgent || this.#isCancelled) return;
    this.#isCancelled = true;
    // If the Queen cannot be told, closing the session tells her.
    job.cancel('ended by hive run').catch(() => {});
  }

  async *#read(job: JobHandle): AsyncGenerator<CommandEvent> {
    const results = job.results({ ordered: false, streams: true });
    const ask = () => {
      results.next().then(
        (next) => this.#inbox.put({ type: 'result', next }),
        (error) => this.#inbox.put({ type: 'failed', error }),
      );
    };
    ask();
    const pieces = this.#options.streamsOutput ? job.output() : null;
    // Without live pieces everything comes with the results.
    const listen = () => {
      pieces?.next().then(
        ({ done, value }) => done !== true && this.#inbox.put({ type: 'printed', piece: value }),
        () => {},
      );
    };
    listen();
    for (;;) {
      const news = await this.#inbox.take();
      if (news.type === 'started') yield news;
      else if (news.type === 'printed') {
        yield* this.#printed(news.piece);
        listen();
      } else if (news.type === 'failed') throw news.error;
      else if (news.next.done === true) return;
      else {
        yield* this.#arrived(job, news.next.value);
        ask();
      }
    }
  }

  *#printed(piece: Printed): Generator<CommandEvent> {
    const away = this.#feed.away(piece.index);
    const data = away === undefined ? null : this.#live.pass(piece);
    if (data !== null) yield { type: 'output', index: away!.task.index, stream: piece.stream, data };
  }

  async *#arrived(job: JobHandle, task: TaskResult): AsyncGenerator<CommandEvent> {
    const away = this.#feed.away(task.index);
    if (away === undefined || (this.#isCancelled && task.outcome === 'cancelled')) return;
    const { index } = away.task;
    const result = { ...(await this.#resultOf(job, task, away.task)), sentBytes: away.sentBytes };
    const isStreamed = this.#options.streamsOutput;
    if (isStreamed) yield* this.#live.rest(index, task.index, result);
    if (hasFailed(result) && this.#feed.maybeAgain(task.index)) return;
    yield {
      type: 'finished',
      index,
      result: isStreamed ? { ...result, stdout: NOTHING, stderr: NOTHING } : result,
    };
    // Not before: what it ended with may be the reason to start no more.
    this.#feed.ended(task.index);
  }

  async #resultOf(
    job: JobHandle,
    { index, outcome, value, error }: TaskResult,
    command: CommandTask,
  ): Promise<CommandResult> {
    const host = this.#cluster.isOwnHost ? ':' : await this.#hostOf(job, index);
    const save = (files: SaveFiles) => this.#save(files, command);
    if (outcome === 'succeeded') return await resultOf(value, host, this.#spool, save);
    return notRun(`It could not be run: ${error.message}`, Date.now());
  }

  /** Puts what comes back where it belongs. Returns how many bytes those are. */
  async #save(files: SaveFiles, command: CommandTask): Promise<number> {
    const asked = command.return.map((path) => returnPath(path, this.#options.cwd));
    const folderOf = (wanted: string) => asked.find(({ path }) => path === wanted)!.folder;
    const paths = asked.map(({ path }) => path);
    const { bytes, missing } = await files(folderOf, paths);
    for (const { path, why } of missing)
      this.#cluster.say(`Warning: ${path} does not come back from command ${command.seq}: ${why}.`);
    return bytes;
  }

  /** Results do not name their Drone; the Queen knows it of every attempt. */
  async #hostOf(job: JobHandle, index: number): Promise<string> {
    const { attempts } = await this.#hive.task(job.id, index);
    return attempts.at(-1)?.drone ?? '?';
  }

  /** A job may be ended by others, and then not all of its commands have. */
  async #checkEnd(job: JobHandle): Promise<void> {
    const { state, message } = await job.done;
    if (this.#isCancelled || state !== 'cancelled') return;
    throw new UsageError(
      `Job ${job.id} was cancelled${message === undefined ? '' : `: ${message}`}.`,
      'cancelled',
    );
  }
}
