/** The Queen's memory with very many tasks queued, some of which have failed before and wait for their retry. */
import { startProcesses } from '@hive/local';
import { FailingDrone, Peer } from './peer.ts';
import { queueJobs } from './queue.ts';

export interface MemoryOptions {
  readonly jobs: number;
  readonly tasks: number;
  /** One task of so many has failed once. */
  readonly failedEvery: number;
}
export interface MemoryReport extends MemoryOptions {
  readonly failed: number;
  readonly submitSeconds: number;
  /** Of the Queen, with everything queued. */
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** Of a Queen that was started again with all of it. */
  readonly restartedBytes: number;
  readonly restartedPeakBytes: number;
  readonly restartMillis: number;
}

const PLACES = 64;
/** What has failed shall go on waiting while we look. */
const BACKOFF_MILLIS = 24 * 3_600_000;

export async function measureMemory(
  options: MemoryOptions,
  say: (line: string) => void,
): Promise<MemoryReport> {
  const { jobs, tasks, failedEvery } = options;
  const processes = await startProcesses({ drones: 0, store: 'sqlite' });
  try {
    const failuresPerJob = Math.max(1, Math.round(tasks / jobs / failedEvery));
    const drone = await Peer.drone(processes.access, PLACES, ['echo']);
    const failing = new FailingDrone(drone, failuresPerJob, jobs);
    const backoff = { backoff: BACKOFF_MILLIS, backoffMax: BACKOFF_MILLIS };
    const { seconds } = await queueJobs(processes.access, jobs, tasks, backoff);
    say(`memory: ${jobs} jobs submitted in ${seconds.toFixed(1)} s`);
    drone.send({ type: 'TaskRequest', slots: PLACES });
    await failing.isDone;
    say(`memory: ${failing.failures} tasks have failed`);
    drone.close();
    const { residentBytes, peakBytes } = await processes.queen.rusage();
    say('memory: restarting');
    processes.queen.kill('SIGKILL');
    await processes.queen.exited;
    const start = performance.now();
    await processes.restartQueen();
    const restartMillis = performance.now() - start;
    const restarted = await processes.queen.rusage();
    return {
      ...options,
      failed: failing.failures,
      submitSeconds: seconds,
      residentBytes,
      peakBytes,
      restartedBytes: restarted.residentBytes,
      restartedPeakBytes: restarted.peakBytes,
      restartMillis,
    };
  } finally {
    await processes.stop();
  }
}
