/**
 * Scenarios: small stories for the scheduler, told in commands and recorded with all that happens. A scenario file holds
 * commands (`> drone join a slots=2`), comments (`# why`), and what was recorded below each command; a change of behaviour
 * shows as a diff of the file. Drones, sessions and network are those of the simulation, without faults but the ones told.
 */
import type { StoreRecord } from '@hive/queen';
import type { JobId } from '@hive/shared';
import { Auditor } from './auditor.ts';
import { SimClient } from './client.ts';
import { SimDrone } from './drone.ts';
import { Network } from './network.ts';
import { type JobPlan, NO_TROUBLES } from './plan.ts';
import { SimQueen } from './queen.ts';
import { Random } from './random.ts';
import { show } from './scenario-show.ts';
import { SlowStore } from './slow-store.ts';
import { Trace } from './trace.ts';
import { VirtualTime } from './virtual-time.ts';
import type { World } from './world.ts';

/** Words of a command: names, and settings such as `slots=2`. */
interface Words {
  readonly names: readonly string[];
  readonly settings: ReadonlyMap<string, string>;
}
type Command = (scenario: Scenario, words: Words) => readonly string[] | undefined;

/** Messages that every story is full of; an answer to a job that came whole says more, and is told. */
const UNTOLD =
  / (Heartbeat|Progress|ResultAck|ResultCredit|InputCredit|Append|Seal|JobSpec|ForgetJob|Welcome|Submit)\b| Accepted (?!.* state=)/;

const COMMANDS: Readonly<Record<string, Command>> = {
  drone: (s, words) => s.addDrone(words),
  client: (s, { names }) => s.addClient(names[1]!),
  submit: (s, words) => s.submit(words),
  cancel: (s, { names }) => s.client(names[0]!).cancel(s.idOf(names[1]!), indices(names.slice(2))),
  advance: (s, { names }) => s.advance(millisOf(names[0]!), names.includes('quiet')),
  close: (s, { names }) => s.onWire(names[0]!, 'cut'),
  silence: (s, { names }) => s.onWire(names[0]!, 'goDead'),
  freeze: (s, { names }) => s.process(names[0]!).freeze(),
  thaw: (s, { names }) => s.process(names[0]!).thaw(),
  kill: (s, { names }) => s.kill(names[0]!),
  network: (s, { names }) => s.setNetwork(names[0]!),
  restart: (s) => s.restart(),
  show: (s) => show(s.state, s.nameOf),
} as Readonly<Record<string, Command>>;

/** Tells a scenario anew: its commands and comments as they were, with what happens now. */
export function tell(text: string): string {
  const scenario = new Scenario();
  const told: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') told.push(line);
    else if (line.startsWith('> ')) told.push(line, ...scenario.perform(line.slice(2)));
  }
  return `${told
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

class Scenario implements World {
  readonly time = new VirtualTime();
  readonly random = new Random(1);
  readonly network: Network;
  readonly trace: Trace;
  readonly auditor: Auditor;
  readonly #plans = new Map<string, JobPlan>();
  #queen: SimQueen;
  readonly #queenId: string;
  #openings = 1;
  readonly #drones = new Map<string, SimDrone>();
  readonly #clients = new Map<string, SimClient>();
  #heard: string[] = [];

  constructor() {
    this.trace = new Trace(this.time, { kept: 100, listener: (line) => this.#hear(line) });
    this.auditor = new Auditor(this.planOf, 1);
    this.network = new Network(this.time, this.random.fork(), {
      latencyMillis: 0.5,
      jitterMillis: 0,
      chunkBytesMax: 65_536,
      cutShare: 0,
      refusedShare: 0,
    });
    this.#queenId = this.random.hex(32);
    this.#queen = this.#open([]);
    this.addClient('c');
    this.time.advance(10);
    this.#heard = [];
  }

  get state() {
    return this.#queen.scheduler.state;
  }
  readonly planOf = (job: string): JobPlan => this.#plans.get(job)!;
  adopt(plan: JobPlan): void {
    this.#plans.set(plan.id, plan);
  }
  readonly nameOf = (job: string): string => this.#plans.get(job)?.name ?? job;
  readonly idOf = (name: string): JobId => {
    for (const plan of this.#plans.values()) if (plan.name === name) return plan.id;
    throw new Error(`there is no job ${name}`);
  };

  /** Returns what was heard meanwhile. */
  perform(line: string): readonly string[] {
    const [verb = '', ...rest] = line.split(/\s+/);
    const command = COMMANDS[verb];
    if (command === undefined) throw new Error(`a scenario does not know "${line}"`);
    const names = rest.filter((word) => !word.includes('='));
    const settings = new Map(
      rest.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]),
    );
    const said = command(this, { names, settings }) ?? [];
    const heard = this.#heard;
    this.#heard = [];
    return [...heard, ...said];
  }

  addDrone({ names, settings }: Words): undefined {
    const { slots = '1', kinds = 'echo', ...labels } = Object.fromEntries(settings);
    const name = names[1]!;
    const options = { name, slots: Number(slots), kinds: kinds.split(','), labels };
    this.#drones.set(name, new SimDrone([this], options));
    this.time.advance(100);
  }
  addClient(name: string): undefined {
    this.#clients.set(name, new SimClient(this, name));
  }

  /**
   * `millis` is what a task takes (or up to `to`), `credit` the result bytes that the client asks for ahead. `whole`: its inputs
   * come with it; `left`: and nobody follows it.
   */
  submit({ names, settings }: Words): undefined {
    const number = (key: string, absent: number) => Number(settings.get(key) ?? absent);
    const name = names[0]!;
    const count = number('tasks', 1);
    const optional = Object.fromEntries(
      ['priority', 'weight', 'slots', 'retries'].flatMap((key) =>
        settings.has(key) ? [[key, number(key, 0)]] : [],
      ),
    );
    const zone = settings.get('zone');
    const plan: JobPlan = {
      id: `018f3c5e-7a10-7c3e-9f2b-${String(this.#plans.size).padStart(12, '0')}` as JobId,
      name,
      seed: this.#plans.size + 1,
      spec: {
        kind: settings.get('kind') ?? 'echo',
        encoding: 'raw',
        name,
        attached: !names.includes('detached'),
        ...optional,
        ...(zone === undefined ? {} : { labels: { zone } }),
      },
      count,
      millis: [number('millis', 1), number('to', number('millis', 1))],
      inputBytes: 8,
      isUniform: true,
      padBytes: number('bytes', 0),
      troubles: { ...NO_TROUBLES, flaky: number('flaky', 0), broken: number('broken', 0) },
    };
    this.#plans.set(plan.id, plan);
    this.client(settings.get('client') ?? 'c').start({
      plan,
      order: settings.get('order') === 'index' ? 'index' : 'seq',
      pageTasks: 1_000_000,
      creditBytes: number('credit', 1e6),
      appendMillis: 0,
      readMillis: 0,
      saysReceived: false,
      isFollower: false,
      ...(names.includes('whole') ? { whole: 'followed' } : names.includes('left') ? { whole: 'left' } : {}),
    });
  }

  advance(millis: number, isQuiet: boolean): undefined {
    this.time.advance(millis);
    if (isQuiet) this.#heard = [];
  }
  #open(log: readonly StoreRecord[]): SimQueen {
    const disk = { commitMillis: [0, 0] as const, failShare: 0 };
    const store = new SlowStore(this.time, this.random.fork(), disk, log);
    return new SimQueen(this, store, this.#queenId, this.#openings);
  }
  /** The Queen is killed, and started again at once. */
  restart(): undefined {
    this.#queen.crash();
    this.#openings++;
    this.#queen = this.#open(this.#queen.store.durableLog);
    this.#queen.recover();
  }
  onWire(name: string, what: 'cut' | 'goDead'): undefined {
    this.process(name);
    const connection = (this.#drones.get(name) ?? this.client(name)).wire;
    if (connection !== null) connection[what]('both');
  }
  kill(name: string): undefined {
    (this.#drones.get(name) ?? this.client(name)).kill();
  }
  /** `down`: no connection can be made; `up`: as ever. */
  setNetwork(how: string): undefined {
    this.network.conditions.refusedShare = how === 'down' ? 1 : 0;
  }

  process(name: string) {
    return (this.#drones.get(name) ?? this.client(name)).process;
  }
  client(name: string): SimClient {
    const client = this.#clients.get(name);
    if (client === undefined) throw new Error(`there is nobody called ${name}`);
    return client;
  }

  #hear(line: string): void {
    const match = /^(\S+) queen (\S+)\/\d+ (.*)$/.exec(line);
    if (match === null || UNTOLD.test(line)) return;
    const [, at, who, what] = match;
    this.#heard.push(`  ${Number(at).toFixed(3)} ${who} ${what}`);
  }
}

function millisOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|min)$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no time, such as 200ms, 3s or 2min`);
  return Number(match[1]) * { ms: 1, s: 1_000, min: 60_000 }[match[2] as 'ms' | 's' | 'min'];
}
function indices(words: readonly string[]): number[] | undefined {
  return words.length === 0 ? undefined : words.map(Number);
}

export type { Scenario };
