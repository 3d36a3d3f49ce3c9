/** How long a Queen takes to serve again after kill -9, with much queued beside a long history. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@hive/client';
import { type Processes, type ProcessesAccess, startProcesses } from '@hive/local';
import { Peer } from './peer.ts';
import { makeHistory, queueJobs } from './queue.ts';

export interface RestartOptions {
  readonly jobs: number;
  readonly tasks: number;
  readonly historyBytes: number;
  readonly runs: number;
}

/** All of them in milliseconds from the start of the new process. */
export interface Restart {
  /** A client's question after her status was answered. */
  readonly statusMillis: number;
  /** A Drone was given its first task. */
  readonly taskMillis: number;
  readonly peakBytes: number;
}
export interface RestartReport extends RestartOptions {
  readonly historyJobs: number;
  readonly storeBytes: number;
  readonly submitSeconds: number;
  readonly restarts: readonly Restart[];
}

export async function measureRestart(
  options: RestartOptions,
  say: (line: string) => void,
): Promise<RestartReport> {
  const { jobs, tasks, historyBytes, runs } = options;
  const processes = await startProcesses({ drones: 2, slotsPerDrone: 1, store: 'sqlite' });
  try {
    const historyJobs = await history(processes, historyBytes);
    say(`restart: ${historyJobs} jobs of history`);
    const { seconds } = await queueJobs(processes.access, jobs, tasks);
    say(`restart: ${jobs} jobs submitted in ${seconds.toFixed(1)} s`);
    const restarts: Restart[] = [];
    for (let i = 0; i < runs; i++) {
      restarts.push(await restartOnce(processes, jobs));
      say(`restart ${i + 1}: first task after ${restarts[i]!.taskMillis.toFixed(0)} ms`);
    }
    const storeBytes = statSync(join(processes.data, 'hive.db')).size;
    return { ...options, historyJobs, storeBytes, submitSeconds: seconds, restarts };
  } finally {
    await processes.stop();
  }
}

/** The Drones go when it is made: what is queued then stays so. */
async function history({ access, drones }: Processes, bytes: number): Promise<number> {
  await using hive = await connect({ ...access, name: 'bench' });
  const jobs = await makeHistory(hive, bytes);
  for (const drone of drones) {
    drone.kill('SIGKILL');
    await drone.exited;
  }
  return jobs;
}

async function restartOnce(processes: Processes, jobs: number): Promise<Restart> {
  processes.queen.kill('SIGKILL');
  await processes.queen.exited;
  const start = performance.now();
  const since = () => performance.now() - start;
  const restarted = processes.restartQueen();
  const [statusMillis, taskMillis] = await Promise.all([
    askStatus(processes.access, jobs).then(since),
    takeTask(processes.access).then(since),
    restarted,
  ]);
  const { peakBytes } = await processes.queen.rusage();
  return { statusMillis, taskMillis, peakBytes };
}

async function askStatus(queen: ProcessesAccess, jobs: number): Promise<void> {
  const peer = await Peer.client(queen);
  const answer = peer.next('Answer');
  peer.send({ type: 'Query', request: 1, about: 'status' });
  const { body } = await answer;
  peer.close();
  const { waiting, running } = (body as { jobs: { waiting: number; running: number } }).jobs;
  if (waiting + running !== jobs) throw new Error(`${waiting + running} jobs are queued, not ${jobs}`);
}

async function takeTask(queen: ProcessesAccess): Promise<void> {
  const peer = await Peer.drone(queen, 1, ['echo']);
  const assigned = peer.next('TaskAssign');
  peer.send({ type: 'TaskRequest', slots: 1 });
  await assigned;
  peer.close();
}
