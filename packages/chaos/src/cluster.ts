/**
 * The Queen and the Drones of a run, and what can be done to them. Every fault ends by itself: what was killed is started
 * again, what was frozen goes on; `heal` makes all of them end now.
 */
import {
  type DroneProcess,
  type Processes,
  type ProcessesAccess,
  type QueenProcess,
  startProcesses,
} from '@hive/local';
import type { Log } from './log.ts';
import { Rests } from './rests.ts';
import type { Faults } from './tally.ts';

export interface ClusterOptions {
  readonly data: string;
  readonly drones: number;
  readonly slots: number;
}

export class Cluster {
  readonly slots: number;
  readonly #processes: Processes;
  readonly #log: Log;
  readonly #faults: Faults;
  #drones: DroneProcess[];
  /** Processes to which something is being done: nothing else is done to them meanwhile. */
  readonly #suffering = new Set<QueenProcess | 'queen'>();
  /** Processes whose end is no surprise. */
  readonly #doomed = new Set<QueenProcess>();
  readonly #pids: number[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #rests = new Rests();

  private constructor(processes: Processes, options: ClusterOptions, log: Log, faults: Faults) {
    this.#processes = processes;
    this.slots = options.slots;
    this.#log = log;
    this.#faults = faults;
    this.#drones = [...processes.drones];
    this.#adopt('queen', processes.queen);
    for (const drone of this.#drones) this.#adopt(drone.name, drone);
  }

  static async start(options: ClusterOptions, log: Log, faults: Faults): Promise<Cluster> {
    const { data, drones, slots } = options;
    const processes = await startProcesses({
      data,
      drones,
      slotsPerDrone: slots,
      store: 'sqlite',
      stdio: 'pipe',
    });
    return new Cluster(processes, options, log, faults);
  }

  get access(): ProcessesAccess {
    return this.#processes.access;
  }
  /** Every process that was ever started. */
  get pids(): readonly number[] {
    return this.#pids;
  }
  get drones(): number {
    return this.#drones.length;
  }

  /** Kills the Queen and starts her again after a while. Nothing happens if she suffers already. */
  killQueen(downMillis: number): void {
    this.#suffer('queen', async () => {
      this.#faults.queensKilled++;
      const { queen } = this.#processes;
      this.#log.say(`queen ${queen.pid} is killed for ${Math.round(downMillis)} ms`);
      await this.#kill(queen);
      await this.#rests.rest(downMillis);
      await this.#restartQueen();
    });
  }

  freezeQueen(millis: number): void {
    this.#suffer('queen', async () => {
      this.#faults.queensFrozen++;
      await this.#freeze('queen', this.#processes.queen, millis);
    });
  }

  /** @param which from 0 to 1, over the Drones that are there */
  killDrone(which: number, downMillis: number): void {
    const drone = this.#pick(which);
    this.#suffer(drone, async () => {
      this.#faults.dronesKilled++;
      this.#log.say(`${drone.name} is killed for ${Math.round(downMillis)} ms`);
      await this.#kill(drone);
      await this.#rests.rest(downMillis);
      await this.#replace(drone);
    });
  }

  freezeDrone(which: number, millis: number): void {
    const drone = this.#pick(which);
    this.#suffer(drone, async () => {
      this.#faults.dronesFrozen++;
      await this.#freeze(drone.name, drone, millis);
    });
  }

  /** Ends every fault, and waits until all that was there in the beginning is there again. */
  async heal(): Promise<void> {
    this.#rests.end();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Ends everything in order; each process must go by itself. */
  async stop(): Promise<void> {
    const all = [this.#processes.queen, ...this.#drones];
    for (const process of all) this.#doomed.add(process);
    await this.#processes.stop();
    for (const process of all) {
      const { code, signal } = await process.exited;
      if (code !== 0) this.#log.problem(`process ${process.pid} did not stop in order (${signal ?? code})`);
    }
  }

  #pick(which: number): DroneProcess {
    return this.#drones[Math.min(this.#drones.length - 1, Math.floor(which * this.#drones.length))]!;
  }

  #suffer(who: DroneProcess | 'queen', body: () => Promise<void>): void {
    if (this.#suffering.has(who) || this.#rests.isOver) return;
    this.#suffering.add(who);
    const fault = body()
      .catch((error) => this.#log.problem(`a process could not be started again: ${error.stack}`))
      .finally(() => {
        this.#suffering.delete(who);
        this.#underWay.delete(fault);
      });
    this.#underWay.add(fault);
  }

  async #kill(process: QueenProcess): Promise<void> {
    this.#doomed.add(process);
    process.kill('SIGKILL');
    await process.exited;
  }

  async #freeze(name: string, process: QueenProcess, millis: number): Promise<void> {
    this.#log.say(`${name} ${process.pid} is frozen for ${Math.round(millis)} ms`);
    process.kill('SIGSTOP');
    await this.#rests.rest(millis);
    process.kill('SIGCONT');
    this.#log.say(`${name} ${process.pid} goes on`);
  }

  async #restartQueen(): Promise<void> {
    const start = performance.now();
    const restarted = this.#processes.restartQueen();
    // The new process is there as soon as the old one is known to be gone.
    await Promise.resolve();
    try {
      await restarted;
    } finally {
      this.#adopt('queen', this.#processes.queen);
    }
    const millis = Math.round(performance.now() - start);
    this.#log.say(`queen ${this.#processes.queen.pid} is back after ${millis} ms`);
  }

  async #replace(gone: DroneProcess): Promise<void> {
    const joined = this.#processes.addDrone({ slots: this.slots });
    const drone = this.#processes.drones.at(-1)!;
    this.#drones = this.#drones.map((each) => (each === gone ? drone : each));
    this.#adopt(drone.name, drone);
    this.#suffering.add(drone);
    await joined.finally(() => this.#suffering.delete(drone));
  }

  #adopt(name: string, process: QueenProcess): void {
    this.#pids.push(process.pid);
    this.#log.follow(name, process.stdout, process.stderr);
    void process.exited.then(({ code, signal }) => {
      if (this.#doomed.has(process)) return;
      this.#log.problem(`${name} ${process.pid} ended by itself (${signal ?? `exit code ${code}`})`);
    });
  }
}
