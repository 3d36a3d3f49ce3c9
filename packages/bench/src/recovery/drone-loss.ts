/**
 * How long it takes until the task of a Drone that was killed, or frozen, runs elsewhere. The task sleeps; when its result
 * comes, it was started as long ago as it sleeps. The way of the result is counted too, so the figure is an upper bound.
 */
import { connect, type Hive } from '@hive/client';
import { type DroneProcess, type Processes, startProcesses } from '@hive/local';

/** Long enough for the victim never to finish it before it is found. */
const SLEEP_MILLIS = 1_500;
const POLL_MILLIS = 2;

export type Loss = 'SIGKILL' | 'SIGSTOP';
export interface LossReport {
  readonly signal: Loss;
  /** From the signal until the task was started on another Drone, run by run. */
  readonly millis: readonly number[];
}

export async function measureLoss(
  signal: Loss,
  runs: number,
  say: (line: string) => void,
): Promise<LossReport> {
  const processes = await startProcesses({ drones: 2, slotsPerDrone: 1, store: 'sqlite' });
  try {
    await using hive = await connect({ ...processes.access, name: 'bench' });
    const millis: number[] = [];
    for (let i = 0; i < runs; i++) {
      millis.push(await loseOnce(processes, hive, signal));
      say(`${signal} ${i + 1}: ${millis[i]!.toFixed(0)} ms`);
    }
    return { signal, millis };
  } finally {
    for (const drone of processes.drones) drone.kill('SIGCONT');
    await processes.stop();
  }
}

async function loseOnce(processes: Processes, hive: Hive, signal: Loss): Promise<number> {
  const result = hive.call('sleep', SLEEP_MILLIS, { retries: 0 });
  const victim = await busyDrone(processes, hive);
  const start = performance.now();
  victim.kill(signal);
  await result;
  const millis = performance.now() - start - SLEEP_MILLIS;
  if (signal === 'SIGSTOP') victim.kill('SIGCONT');
  else await processes.addDrone({ slots: 1 });
  await until(async () => (await hive.drones()).filter(({ leases }) => leases === 0).length === 2);
  return millis;
}

async function busyDrone({ drones }: Processes, hive: Hive): Promise<DroneProcess> {
  let busy: string | undefined;
  await until(async () => {
    busy = (await hive.drones()).find(({ busySlots }) => busySlots > 0)?.name;
    return busy !== undefined;
  });
  // The lease has left the Queen; give the Drone the moment that it needs to start the task.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return drones.find(({ name }) => name === busy)!;
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
}
