/** What the parts of one simulation share: time, chance, the network, the auditor, and the plans of all jobs. */
import type { Auditor } from './auditor.ts';
import type { Network } from './network.ts';
import type { JobPlan } from './plan.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface World {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: Network;
  readonly trace: Trace;
  readonly auditor: Auditor;
  readonly planOf: (job: string) => JobPlan;
  /** A task is about to submit this job. */
  adopt(plan: JobPlan): void;
  /** A job's short name. */
  readonly nameOf: (job: string) => string;
}
