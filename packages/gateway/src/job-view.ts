/** A job as the API shows it, from what the Queen says of it. */
import type { JobInfo } from '@hive/client';
import type { JobBody, ResultBody } from './schemas.ts';
import { NODE_ID_LABEL, NODE_LABEL } from './target-node.ts';

export type JobStatusText = 'JOB_PENDING' | 'JOB_RUNNING' | 'JOB_COMPLETED' | 'JOB_FAILED' | 'JOB_CANCELLED';

/** Of a job whose tasks are not looked at. */
export const STATUSES: Readonly<Record<JobInfo['state'], JobStatusText>> = {
  waiting: 'JOB_PENDING',
  running: 'JOB_RUNNING',
  succeeded: 'JOB_COMPLETED',
  failed: 'JOB_FAILED',
  cancelled: 'JOB_CANCELLED',
};

export function statusOf({ state, counts }: Pick<JobInfo, 'state' | 'counts'>): JobStatusText {
  const begun = counts.running + counts.succeeded + counts.failed + counts.cancelled;
  return state === 'running' && begun === 0 ? 'JOB_PENDING' : STATUSES[state];
}

/** Whether its one task has a result that belongs to it. */
export const isSingle = ({ sealed, counts }: Pick<JobInfo, 'sealed' | 'counts'>): boolean =>
  sealed && counts.appended === 1;
export const hasEnded = ({ state }: Pick<JobInfo, 'state'>): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

export function jobView(info: JobInfo, node: string, result: ResultBody | null = null): JobBody {
  const { id, name, kind, counts, createdAt, endedAt, elapsedMillis, priority, sealed, message, labels } =
    info;
  const { lastKnownAt } = info;
  const command = commandOf(info);
  return {
    job_id: id,
    name,
    kind,
    ...(command === null ? {} : { command }),
    target_node: pinnedTo(labels) ?? info.nodeName ?? node,
    status: statusOf(info),
    created_at: createdAt,
    ...(endedAt === undefined ? {} : { finished_at: endedAt }),
    elapsed_seconds: elapsedMillis / 1000,
    priority,
    sealed,
    tasks: {
      total: counts.appended,
      running: counts.running,
      succeeded: counts.succeeded,
      failed: counts.failed,
      cancelled: counts.cancelled,
    },
    ...(message === undefined ? {} : { message }),
    ...(lastKnownAt === undefined ? {} : { last_known: true, last_known_at: lastKnownAt }),
    ...(result === null ? {} : { result }),
  };
}

/** The node that a job with these labels may run on only, as it was named. */
export const pinnedTo = (labels: JobInfo['labels']): string | undefined =>
  labels?.[NODE_LABEL] ?? labels?.[NODE_ID_LABEL];

/**
 * Its line or words; of one whose parameters are too long to be told, its name. Null: it is no command, or one whose
 * every input is a command of its own.
 */
export function commandOf({ kind, params, name }: Pick<JobInfo, 'kind' | 'params' | 'name'>): string | null {
  if (kind !== 'command') return null;
  if (params === undefined) return name === kind ? null : name;
  const { line, argv } = params;
  if (typeof line === 'string') return line;
  return Array.isArray(argv) ? argv.join(' ') : null;
}
