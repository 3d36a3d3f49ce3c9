/**
 * The nodes of a run, as a person would start them, and what can be done to them: killed, frozen, cut off from the others.
 * Each has a data folder of its own and hears of the others only through relays. Every fault ends by itself; `heal` makes
 * all of them end now.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Keyring } from '@hive/shared/node';
import type { Log } from '../log.ts';
import { Rests } from '../rests.ts';
import { type Cut, Relay } from './relay.ts';

export interface NodeFaults {
  killed: number;
  dronesKilled: number;
  frozen: number;
  cutOff: number;
}
export const noFaults = (): NodeFaults => ({ killed: 0, dronesKilled: 0, frozen: 0, cutOff: 0 });

const MAIN = join(import.meta.dirname, '../../../cli/src/main.ts');
const START_MILLIS_MAX = 60_000;
const HEARTBEAT = '500ms';

/** A node, whichever process it is just now. */
export class FleetNode {
  readonly name: string;
  readonly data: string;
  /** Through which it reaches each of the others. */
  readonly ways: Relay[] = [];
  /** Through which the others reach it. */
  readonly waysHere: Relay[] = [];
  /** URL of its API; null while it is not there. */
  api: string | null = null;
  child: ChildProcess | null = null;
  /** Something is being done to it; nothing else is meanwhile. */
  isSuffering = false;

  constructor(name: string, data: string) {
    this.name = name;
    this.data = data;
  }
  /** Where its store is. */
  get store(): string {
    return join(this.data, 'node-1', 'hive.db');
  }
}

export class Fleet {
  readonly nodes: readonly FleetNode[];
  readonly faults = noFaults();
  /** Every process that was ever started. */
  readonly pids: number[] = [];
  readonly #log: Log;
  readonly #doomed = new Set<ChildProcess>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #rests = new Rests();
  readonly #reap = () => {
    for (const { child } of this.nodes) child?.kill('SIGKILL');
  };

  private constructor(nodes: readonly FleetNode[], log: Log) {
    this.nodes = nodes;
    this.#log = log;
    process.once('exit', this.#reap);
  }

  /** Resolves when all of them listen; they may not have found each other yet. */
  static async start(folder: string, count: number, log: Log): Promise<Fleet> {
    const nodes = Array.from({ length: count }, (_, n) => {
      const name = `node-${String.fromCharCode(97 + n)}`;
      return new FleetNode(name, join(folder, name));
    });
    for (const node of nodes) mkdirSync(node.data, { mode: 0o700 });
    // One secret, made once.
    const [{ data }] = nodes as [FleetNode];
    Keyring.ofFolder(data);
    for (const node of nodes.slice(1)) cpSync(join(data, 'hive.secret'), join(node.data, 'hive.secret'));
    for (const node of nodes)
      for (const other of nodes) {
        if (other === node) continue;
        const way = await Relay.listen();
        node.ways.push(way);
        other.waysHere.push(way);
      }
    const fleet = new Fleet(nodes, log);
    try {
      await Promise.all(nodes.map((node) => fleet.#start(node)));
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  /** kill -9: its Drone ends with it. It is started again after a while. */
  kill(node: FleetNode, downMillis: number): void {
    this.#suffer(node, async () => {
      this.faults.killed++;
      this.#log.say(`${node.name} is killed for ${Math.round(downMillis)} ms`);
      const child = node.child!;
      this.#doomed.add(child);
      node.api = null;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      await this.#rests.rest(downMillis);
      await this.#start(node);
    });
  }

  /** kill -9 of its Drone alone, which the node starts again. */
  killDrone(node: FleetNode): void {
    const pids = node.isSuffering ? [] : childrenOf(node.child?.pid);
    if (pids.length > 0) this.faults.dronesKilled++;
    for (const pid of pids) signal(pid, 'SIGKILL');
    if (pids.length > 0) this.#log.say(`the Drone of ${node.name} is killed`);
  }

  /** @param what of it stands still: the node's own process, its Drone, or both */
  freeze(node: FleetNode, millis: number, what: 'node' | 'drone' | 'both'): void {
    this.#suffer(node, async () => {
      this.faults.frozen++;
      this.#log.say(`${what} of ${node.name} is frozen for ${Math.round(millis)} ms`);
      const drones = what === 'node' ? [] : childrenOf(node.child!.pid);
      const pids = what === 'drone' ? drones : [node.child!.pid!, ...drones];
      for (const pid of pids) signal(pid, 'SIGSTOP');
      await this.#rests.rest(millis);
      for (const pid of pids) signal(pid, 'SIGCONT');
      this.#log.say(`${node.name} goes on`);
    });
  }

  cutOff(node: FleetNode, millis: number, how: Cut): void {
    this.#suffer(node, async () => {
      this.faults.cutOff++;
      this.#log.say(`${node.name} is cut off (${how}) for ${Math.round(millis)} ms`);
      const ways = [...node.ways, ...node.waysHere];
      for (const way of ways) way.cut(how);
      await this.#rests.rest(millis);
      for (const way of ways) way.mend();
      this.#log.say(`${node.name} is connected again`);
    });
  }

  /** Ends every fault, and waits until all nodes are there. */
  async heal(): Promise<void> {
    this.#rests.end();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Each node must go by itself. */
  async stop(): Promise<void> {
    const running = this.nodes.flatMap(({ child, name }) => (child === null ? [] : [{ child, name }]));
    await Promise.all(running.map(({ child, name }) => this.#end(child, name)));
    const ways = this.nodes.flatMap((node) => node.ways);
    await Promise.all(ways.map((way) => way.close()));
    process.off('exit', this.#reap);
  }

  async #end(child: ChildProcess, name: string): Promise<void> {
    this.#doomed.add(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<string | number>((resolve) =>
      child.once('exit', (code, killedBy) => resolve(code ?? killedBy ?? 'unknown')),
    );
    child.kill('SIGTERM');
    const end = await gone;
    if (end !== 0) this.#log.problem(`${name} did not stop in order (${end})`);
  }

  #suffer(node: FleetNode, body: () => Promise<void>): void {
    if (node.isSuffering || this.#rests.isOver || node.child === null) return;
    node.isSuffering = true;
    const fault = body()
      .catch((error: Error) => this.#log.problem(`${node.name}: ${error.stack}`))
      .finally(() => {
        node.isSuffering = false;
        this.#underWay.delete(fault);
      });
    this.#underWay.add(fault);
  }

  async #start(node: FleetNode): Promise<void> {
    const queens = node.ways.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const options = {
      '--port': 0,
      '--api-port': 0,
      '--slots': 1,
      '--host': '127.0.0.1',
      '--name': node.name,
    };
    const args = ['node', '--queen', queens, '--discovery-port', '0', '--data', node.data];
    for (const [name, value] of Object.entries(options)) args.push(name, String(value));
    const { HIVE_KEY: _, HIVE_KEY_FILE: __, HIVE_INSECURE: ___, ...inherited } = process.env;
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...inherited, HEARTBEAT_INTERVAL: HEARTBEAT },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    node.child = child;
    this.pids.push(child.pid!);
    child.once('exit', (code, killedBy) => {
      if (!this.#doomed.has(child))
        this.#log.problem(`${node.name} ended by itself (${killedBy ?? `exit code ${code}`})`);
    });
    this.#log.follow(node.name, child.stderr);
    const port = await said(child, /listening on port (\d+)/, /HTTP API is at (\S+)/, (line) =>
      this.#log.say(`${node.name} | ${line}`),
    );
    for (const way of node.waysHere) way.target = Number(port[0]);
    node.api = port[1]!;
    this.pids.push(...childrenOf(child.pid));
    this.#log.say(`${node.name} is process ${child.pid}, ${node.api}`);
  }
}

/** What stands in the first group of each, once all have been said; every line is passed on, for as long as it runs. */
function said(
  child: ChildProcess,
  first: RegExp,
  second: RegExp,
  tell: (line: string) => void,
): Promise<[string, string]> {
  return new Promise((resolve, reject) => {
    const found: (string | undefined)[] = [undefined, undefined];
    const timer = setTimeout(() => reject(new Error('it does not start')), START_MILLIS_MAX);
    child.once('exit', () => {
      clearTimeout(timer);
      reject(new Error('it ended before it had started'));
    });
    let rest = '';
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        tell(line);
        found[0] ??= first.exec(line)?.[1];
        found[1] ??= second.exec(line)?.[1];
      }
      if (found[0] === undefined || found[1] === undefined) return;
      clearTimeout(timer);
      resolve([found[0], found[1]]);
    });
  });
}

/** Processes that a process has started; none where that cannot be known. */
function childrenOf(pid: number | undefined): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').map(Number).filter(Boolean);
  } catch {
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
