/**
 * What Prometheus reads. Names and units follow its conventions: base units, `_total` for what only grows, a prefix for
 * what is ours. Labels have few values: a route's pattern, never its path.
 */
import type { QueenStatus } from '@hive/client';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { statusOf } from './job-view.ts';
import { VERSION } from './version.ts';

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const JOB_STATES = ['waiting', 'running', 'succeeded', 'failed', 'cancelled'] as const;

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter('hive_http_requests_total', 'HTTP requests that were answered.', [
    'method',
    'route',
    'code',
  ]);
  readonly #seconds = new Histogram({
    name: 'hive_http_request_duration_seconds',
    help: 'Time until an HTTP request was answered in full, streams left out.',
    labelNames: ['method', 'route'],
    buckets: BUCKETS,
    registers: [this.#registry],
  });
  readonly #streams = this.#gauge(
    'hive_http_streams_open',
    'Uploads, results, logs and events that are under way.',
  );
  readonly #lines = this.#counter(
    'hive_http_lines_total',
    'Lines of NDJSON that came in as inputs or went out as results.',
    ['direction'],
  );
  readonly #up = this.#gauge('hive_queen_up', 'Whether the gateway has a session with the Queen.');
  readonly #jobs = this.#gauge('hive_jobs', 'Jobs that the Queen knows, by state.', ['state']);
  readonly #running = this.#gauge('hive_tasks_running', 'Tasks that are with Drones.');
  readonly #ready = this.#gauge('hive_tasks_ready', 'Tasks that are ready to go out.');
  readonly #recorded = this.#counter(
    'hive_tasks_recorded_total',
    'Outcomes of tasks recorded since the Queen started.',
  );
  readonly #leases = this.#counter('hive_leases_total', 'Leases given since the Queen started.');
  readonly #drones = this.#gauge('hive_drones', 'Drones that are connected.');
  readonly #slots = this.#gauge('hive_slots', 'Slots of all Drones.');
  readonly #busy = this.#gauge('hive_slots_busy', 'Slots that are at work.');
  readonly #clients = this.#gauge('hive_clients', 'Clients that are connected to the Queen.');
  readonly #uptime = this.#gauge('hive_queen_uptime_seconds', 'Time since the Queen started.');

  constructor() {
    this.#gauge('hive_gateway_info', 'The version of the gateway; always 1.', ['version']).set(
      { version: VERSION },
      1,
    );
    this.#process();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  answered(method: string, route: string, code: number, seconds: number | null): void {
    this.#requests.inc({ method, route, code: String(code) });
    if (seconds !== null) this.#seconds.observe({ method, route }, seconds);
  }
  streamsOpen(open: number): void {
    this.#streams.set(open);
  }
  lines(direction: 'in' | 'out', count: number): void {
    this.#lines.inc({ direction }, count);
  }

  /** @param status of the Queen; null: she is away, and what she said last is not told again */
  async text(status: QueenStatus | null): Promise<string> {
    this.#up.set(status === null ? 0 : 1);
    if (status !== null) this.#tell(status);
    else
      for (const gauge of [this.#running, this.#ready, this.#drones, this.#slots, this.#busy, this.#clients])
        gauge.set(0);
    return this.#registry.metrics();
  }

  #tell(status: QueenStatus): void {
    this.#jobs.reset();
    const counts = { appended: 0, running: 1, succeeded: 0, failed: 0, cancelled: 0 };
    for (const state of JOB_STATES)
      this.#jobs.set({ state: statusOf({ state, counts }) }, status.jobs[state]);
    this.#running.set(status.tasksRunning);
    this.#ready.set(status.tasksReady);
    this.#drones.set(status.drones);
    this.#slots.set(status.slots);
    this.#busy.set(status.busySlots);
    this.#clients.set(status.clients);
    this.#uptime.set(status.uptimeMillis / 1000);
    setTotal(this.#recorded, status.tasksRecorded);
    setTotal(this.#leases, Number(status['leases'] ?? 0));
  }

  /** Of this process. prom-client's own set has names that promtool refuses. */
  #process(): void {
    const startedAt = Date.now() / 1000 - process.uptime();
    this.#gauge('process_start_time_seconds', 'Start of this process, in seconds since 1970.').set(startedAt);
    const cpu = this.#counter('process_cpu_seconds_total', 'CPU time of this process.');
    const memory = this.#gauge('process_resident_memory_bytes', 'Memory of this process.');
    const heap = this.#gauge('nodejs_heap_used_bytes', "Memory of JavaScript's objects.");
    Object.assign(cpu, {
      collect: () => {
        const { user, system } = process.cpuUsage();
        setTotal(cpu, (user + system) / 1e6);
      },
    });
    Object.assign(memory, {
      collect: () => {
        const { rss, heapUsed } = process.memoryUsage();
        memory.set(rss);
        heap.set(heapUsed);
      },
    });
  }

  #counter(name: string, help: string, labelNames: readonly string[] = []): Counter<string> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge<string> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
}

/** Counted elsewhere. It begins anew when that starts anew, as Prometheus expects of a counter. */
function setTotal(counter: Counter<string>, value: number): void {
  counter.reset();
  counter.inc(value);
}
