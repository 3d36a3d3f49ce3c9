/** How many of the submissions that were acknowledged just before kill -9 of the Queen are there afterwards. */
import { connect } from '@hive/client';
import { startProcesses } from '@hive/local';
import { inFlight, queueJobs } from './queue.ts';

export interface SurvivorsReport {
  readonly submissions: number;
  /** Whole: with their task, and sealed. */
  readonly survivors: number;
  readonly submitSeconds: number;
}

const QUESTIONS_IN_FLIGHT = 256;

export async function measureSurvivors(submissions: number): Promise<SurvivorsReport> {
  const processes = await startProcesses({ drones: 0, store: 'sqlite' });
  try {
    const { ids, seconds } = await queueJobs(processes.access, submissions, submissions, {}, () =>
      processes.queen.kill('SIGKILL'),
    );
    await processes.queen.exited;
    await processes.restartQueen();
    await using hive = await connect({ ...processes.access, name: 'bench' });
    let survivors = 0;
    await inFlight(submissions, QUESTIONS_IN_FLIGHT, async (i) => {
      const job = await hive.job(ids[i]!).catch(() => null);
      if (job?.sealed === true && job.counts.appended === 1) survivors++;
    });
    return { submissions, survivors, submitSeconds: seconds };
  } finally {
    await processes.stop();
  }
}
