/**
 * For tests: a Queen on a real socket that runs tasks by a plain function. She follows PROTOCOL.md, section 4, and is
 * driven by the test: she can hold results back, cut connections, and forget everything, as one with her store in memory.
 */
import { createServer, type Server, type Socket } from 'node:net';
import {
  appendValue,
  type Encoding,
  type Failure,
  type JobState,
  type Message,
  type Page,
  PageBuilder,
  type Plain,
  type QueenToClient,
  readValues,
  Session,
  type Spec,
  type Streamed,
} from '@hive/shared';
import { Connection, randomIncarnation, randomQueenId } from '@hive/shared/node';
import { FakeGraph } from './fake-graph.ts';

/** What a task does; throwing makes it fail. */
export type Task = (input: unknown, index: number) => unknown;

interface ResultEntry extends Page {
  readonly seq: number;
  readonly failures: readonly Failure[];
}
interface Subscription {
  order: 'seq' | 'index';
  cursor: number;
  credit: number;
  isDone: boolean;
}
export interface FakeJob {
  readonly id: string;
  readonly spec: Spec;
  readonly inputs: unknown[];
  readonly streams: Streamed[];
  readonly appends: number[];
  /** Of a graph job. */
  readonly graph: FakeGraph;
  /** How many inputs have been run. */
  done: number;
  isSealed: boolean;
  state: JobState;
  message: string | undefined;
  results: ResultEntry[];
  seq: number;
  received: number;
  client: FakeClient | null;
  subscription: Subscription | null;
}
interface FakeClient {
  readonly connection: Connection;
  watchMillis: number;
}

export interface FakeOptions {
  readonly task?: Task;
  readonly inputCredit?: number;
  readonly heartbeatMillis?: number;
  readonly resultsPerPage?: number;
  /** Takes jobs with all of their inputs. */
  readonly wholeJobs?: boolean;
}

export class FakeQueen {
  readonly jobs = new Map<string, FakeJob>();
  readonly clients = new Set<FakeClient>();
  /** Everything that was received, in order; heartbeats left out. */
  readonly heard: Message[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #options: FakeOptions;
  #server: Server | null = null;
  #queen = randomQueenId();
  #waiting: (() => void)[] = [];
  /** While true, tasks wait. */
  isHolding = false;
  /** Called before a message is served; may answer true to swallow it. */
  intercept: (message: Message, connection: Connection) => boolean = () => false;
  port = 0;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async listen(): Promise<this> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as { port: number }).port;
    return this;
  }

  /** Cuts every connection, as a broken network does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    const server = this.#server;
    if (server === null) return;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    this.#server = null;
  }

  /** Killed and started again with her store in memory. */
  async restartEmpty(): Promise<void> {
    await this.close();
    this.jobs.clear();
    this.#queen = randomQueenId();
    await this.listen();
  }

  /** Resolves when the condition holds; it is looked at after every message and every cut connection. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The one job, or the one of this kind. */
  job(kind?: string): FakeJob {
    for (const job of this.jobs.values()) if (kind === undefined || job.spec.kind === kind) return job;
    throw new Error('the fake Queen has no such job');
  }

  /** Lets held tasks run. */
  release(): void {
    this.isHolding = false;
    for (const job of this.jobs.values()) this.#work(job);
  }

  /** Runs `count` tasks of a job although tasks are held. */
  run(job: FakeJob, count: number): void {
    this.#runTasks(job, count);
    this.#flush(job);
  }

  send(message: QueenToClient): void {
    for (const { connection } of this.clients) connection.send(message);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const session = new Session(null);
    const connection: Connection = new Connection(socket, session, {
      message: (message) => {
        if (message.type !== 'Heartbeat') this.heard.push(message);
        if (!this.intercept(message, connection)) this.#receive(client, message);
        this.#stir();
      },
      closed: () => {
        this.#sockets.delete(socket);
        this.clients.delete(client);
        for (const job of this.jobs.values()) if (job.client === client) job.client = null;
        this.#stir();
      },
    });
    const client: FakeClient = { connection, watchMillis: 0 };
  }

  #stir(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #receive(client: FakeClient, message: Message): void {
    const { connection } = client;
    switch (message.type) {
      case 'Hello':
        this.#hello(client, message);
        break;
      case 'Heartbeat':
        connection.send({ type: 'Heartbeat' });
        break;
      case 'Submit':
        this.#submit(client, message);
        break;
      case 'Append':
        this.#append(message);
        break;
      case 'Seal':
        this.#must(message.job).isSealed = true;
        this.#work(this.#must(message.job));
        break;
      case 'ResultCredit':
        this.#credit(message);
        break;
      case 'Cancel':
        this.#cancel(client, message);
        break;
      case 'Query':
        this.#query(client, message);
        break;
      case 'Manage':
        this.#manage(client, message);
        break;
      case 'Watch':
        client.watchMillis = message.everyMillis;
        if (message.everyMillis > 0)
          connection.send({ type: 'Overview', body: { clients: this.clients.size } });
        break;
      default:
    }
  }

  #hello(client: FakeClient, { role }: Message<'Hello'>): void {
    client.connection.session.open(role);
    this.clients.add(client);
    client.connection.send({
      type: 'Welcome',
      protocol: 1,
      session: '0'.repeat(32),
      queen: this.#queen,
      incarnation: randomIncarnation(),
      epoch: 1,
      name: 'fake',
      heartbeatMillis: this.#options.heartbeatMillis ?? 1_000,
      frameBytesMax: 16 * 1024 * 1024,
      valueBytesMax: 1024 * 1024,
      capabilities: this.#options.wholeJobs ? ['wholeJobs'] : [],
    });
  }

  #submit(client: FakeClient, { job: id, spec, inputs, follow = true }: Message<'Submit'>): void {
    if (spec.kind === 'nothing') {
      client.connection.send({
        type: 'Refused',
        job: id,
        code: 'unknownKind',
        message: 'No Drone offers it.',
      });
      return;
    }
    const job = this.jobs.get(id) ?? newJob(id, spec);
    this.jobs.set(id, job);
    if (follow) job.client = client;
    if (inputs !== undefined && !job.isSealed) {
      job.inputs.push(...readValues({ first: 0, ...inputs }, spec.encoding));
      job.isSealed = true;
    }
    const stands = inputs === undefined && follow ? {} : { state: 'waiting' as const, createdAt: 'today' };
    client.connection.send({
      type: 'Accepted',
      job: job.id as never,
      count: countOf(job),
      sealed: job.isSealed,
      bytes: this.#options.inputCredit ?? 1024 * 1024,
      ...stands,
    });
    if (job.state !== 'running') this.#tellEnd(job);
    this.#work(job);
  }

  #append({ job: id, streams, parents, ...page }: Message<'Append'>): void {
    const job = this.#must(id);
    if (page.first > job.inputs.length) throw new Error(`a gap: ${page.first} after ${job.inputs.length}`);
    job.appends.push(page.count);
    if (parents !== undefined) job.graph.append(page.first, parents);
    const streamed = new Set((streams ?? []).map(({ index }) => index));
    let index = page.first;
    const values =
      streamed.size > 0 ? new Array(page.count).fill(new Uint8Array(0)) : readValues(page, job.spec.encoding);
    for (const value of values) if (index++ >= job.inputs.length) job.inputs.push(value);
    job.streams.push(...(streams ?? []));
    const bytes = page.data.length + 4 * page.count;
    this.#tell(job, { type: 'InputCredit', job: id, count: job.inputs.length, bytes });
    this.#work(job);
  }

  #credit({ job: id, bytes, order, after, received }: Message<'ResultCredit'>): void {
    const job = this.jobs.get(id);
    if (job === undefined) return;
    if (received !== undefined) job.received = received;
    if (order !== undefined || job.subscription === null) {
      job.subscription = { order: order ?? 'seq', cursor: after ?? 0, credit: 0, isDone: false };
    }
    job.subscription.credit += bytes;
    this.#flush(job);
  }

  #cancel(client: FakeClient, { request, job: id, reason, indices }: Message<'Cancel'>): void {
    const job = this.jobs.get(id);
    if (job !== undefined && job.state === 'running' && indices === undefined) {
      job.state = 'cancelled';
      job.message = reason;
      this.#tellEnd(job);
      this.#flush(job);
    }
    client.connection.send({ type: 'Answer', request, body: { state: job?.state ?? 'unknown' } });
  }

  #manage(client: FakeClient, { request, action, drone, job, key }: Message<'Manage'>): void {
    const bodies: Record<typeof action, Plain> = {
      revokeKey: { key: key ?? '', sessions: 0 },
      rotateKeys: { generation: 2, generations: [2, 1] },
      retireKeys: { generation: 2, generations: [2] },
      retry: { id: job ?? '', state: 'running', retried: 1 },
      drain: { name: drone ?? '', draining: true, leases: 0 },
      resume: { name: drone ?? '', draining: false, leases: 0 },
      gc: { removed: job === undefined ? this.jobs.size : 1 },
    };
    client.connection.send({ type: 'Answer', request, body: bodies[action] });
  }

  /** Two at a time, newest first. */
  #jobsPage({ limit = 2, before = this.jobs.size }: Message<'Query'>): Plain {
    const next = Math.max(0, before - Math.min(limit, 2));
    const ids = [...this.jobs.keys()].slice(next, before).reverse();
    return { jobs: ids.map((id) => ({ id })), ...(next === 0 ? {} : { next }) };
  }

  #query(client: FakeClient, message: Message<'Query'>): void {
    const { request, about, job } = message;
    const bodies: Record<string, Plain> = {
      status: { name: 'fake' },
      drones: { drones: [] },
      jobs: this.#jobsPage(message),
      explain: { lines: ['It is a fake.'] },
      task: { job: job ?? '', index: 0, state: 'recorded', attempts: [] },
    };
    const found = job === undefined ? undefined : this.jobs.get(job);
    const body =
      about === 'job' && found !== undefined
        ? { id: found.id, encoding: found.spec.encoding }
        : bodies[about];
    if (body !== undefined) client.connection.send({ type: 'Answer', request, body });
    else
      client.connection.send({
        type: 'Refused',
        request,
        code: 'unknownJob',
        message: 'There is no such job.',
      });
  }

  #work(job: FakeJob): void {
    if (!this.isHolding) this.#runTasks(job, Number.POSITIVE_INFINITY);
    if (job.state === 'running' && job.isSealed && job.done === countOf(job)) {
      job.state = job.results.some(({ failures }) => failures.length > 0) ? 'failed' : 'succeeded';
      this.#tellEnd(job);
    }
    this.#flush(job);
  }

  #runTasks(job: FakeJob, count: number): void {
    if (job.state !== 'running') return;
    const end = Math.min(countOf(job), job.done + count);
    while (job.done < end) {
      const size = Math.min(end - job.done, this.#options.resultsPerPage ?? 1_000);
      job.results.push(this.#execute(job, job.done, size));
      job.done += size;
    }
  }

  #execute(job: FakeJob, first: number, count: number): ResultEntry {
    const builder = new PageBuilder(first);
    const failures: Failure[] = [];
    for (let index = first; index < first + count; index++) {
      try {
        const input = inputOf(job, index);
        const value = this.#options.task === undefined ? input : this.#options.task(input, index);
        job.graph.succeeded(index, value);
        appendValue(builder, job.spec.encoding as Encoding, value);
      } catch (error) {
        job.graph.failed(index);
        failures.push({ index, outcome: 'failed', code: 'BOOM', message: (error as Error).message });
        builder.wrote(0);
      }
    }
    return { ...builder.take(), seq: ++job.seq, failures };
  }

  #flush(job: FakeJob): void {
    const { subscription } = job;
    if (subscription === null) return;
    while (subscription.credit > 0) {
      const entry = nextEntry(job, subscription);
      if (entry === undefined) break;
      subscription.cursor = subscription.order === 'seq' ? entry.seq : entry.first + entry.count;
      subscription.credit -= entry.data.length + 4 * entry.count;
      const { failures, ...page } = entry;
      const message = { type: 'Results' as const, job: job.id as never, ...page };
      this.#tell(job, failures.length === 0 ? message : { ...message, failures });
    }
    if (job.state === 'running' || subscription.isDone || nextEntry(job, subscription) !== undefined) return;
    subscription.isDone = true;
    const empty = { first: 0, count: 0, sizes: 0, data: new Uint8Array(0), last: true };
    this.#tell(job, { type: 'Results', job: job.id as never, seq: job.seq, ...empty });
  }

  #tellEnd(job: FakeJob): void {
    const { id, state, seq, message } = job;
    const failed = job.results.reduce((sum, { failures }) => sum + failures.length, 0);
    const counts = { appended: countOf(job), succeeded: job.done - failed, failed, cancelled: 0, running: 0 };
    const text = message === undefined ? {} : { message };
    this.#tell(job, { type: 'JobDone', job: id as never, state, counts, seq, elapsedMillis: 1, ...text });
  }

  #tell(job: FakeJob, message: QueenToClient): void {
    job.client?.connection.send(message);
  }

  #must(id: string): FakeJob {
    const job = this.jobs.get(id);
    if (job === undefined) throw new Error(`the fake Queen does not know job ${id}`);
    return job;
  }
}

function newJob(id: string, spec: Spec): FakeJob {
  return {
    id,
    spec,
    inputs: [],
    streams: [],
    appends: [],
    graph: new FakeGraph(spec),
    done: 0,
    isSealed: spec.range !== undefined,
    state: 'running',
    message: undefined,
    results: [],
    seq: 0,
    received: 0,
    client: null,
    subscription: null,
  };
}

const countOf = ({ spec, inputs }: FakeJob): number => spec.range?.count ?? inputs.length;

function inputOf({ spec, inputs, graph }: FakeJob, index: number): unknown {
  if (spec.graph !== undefined) return graph.inputOf(index, inputs[index]);
  return spec.range === undefined ? inputs[index] : spec.range.start + index * spec.range.step;
}

function nextEntry(job: FakeJob, { order, cursor }: Subscription): ResultEntry | undefined {
  if (order === 'seq') return job.results.find(({ seq }) => seq > cursor);
  return job.results.find(({ first, count }) => first >= cursor && first + count > cursor);
}
