/**
 * A submission with a name of its own (an idempotency key, a job_id) that another node of the mesh has accepted already: it is
 * answered for, and not given a second time. The other nodes are asked, and of those that are away what was heard last
 * counts. It is no promise: two nodes that are given it at the same moment, or cannot reach each other, each make a job of
 * it, because nobody coordinates them.
 */
import type { Hive, JobInfo } from '@hive/client';
import { UsageError } from '@hive/shared';
import { hasEnded } from './job-view.ts';
import { inputsBrokeOff, inputsStillCome, keyReused, Problem } from './problem.ts';
import type { Order } from './submission.ts';

/** Null when no other node is known to have it. @throws Problem 422 when it is another job; 409 when it has not all of its inputs */
export async function knownElsewhere(hive: Hive, order: Order): Promise<JobInfo | null> {
  let info: JobInfo;
  try {
    info = await hive.job(order.id);
  } catch (error) {
    if (error instanceof UsageError && error.code === 'unknownJob') return null;
    throw error;
  }
  // Of her own jobs a Queen tells no place; and she compares the whole of what is submitted again.
  if (info.nodeName === undefined) return null;
  if (isOther(info, order)) throw keyReused();
  if (!info.sealed) throw notWhole(info);
  return info;
}

/** Nothing is accepted yet of a job whose inputs come with another request. */
function notWhole(info: JobInfo): Problem {
  if (hasEnded(info)) return inputsBrokeOff(info);
  if (info.lastKnownAt === undefined) return inputsStillCome(info);
  return new Problem(
    409,
    'job_held',
    `Job ${info.id} belongs to the node ${info.nodeName}, which is away, and not all of its inputs had come there. Send it again when the node is back, or with another idempotency key, or job_id.`,
  );
}

/** As far as a summary tells. */
function isOther({ kind, name, params, sealed, counts }: JobInfo, order: Order): boolean {
  const count = Array.isArray(order.inputs) ? order.inputs.length : undefined;
  return (
    kind !== order.kind ||
    name !== (order.name ?? order.kind) ||
    (params !== undefined && JSON.stringify(params) !== JSON.stringify(order.params ?? {})) ||
    (sealed && count !== undefined && counts.appended !== count)
  );
}

/** What is to be said of a job that another node has. */
export function noteOn({ nodeName, lastKnownAt }: JobInfo): string {
  const where = `It was given to the node ${nodeName} before, with this idempotency key or job_id, and is that node's.`;
  return lastKnownAt === undefined ? where : `${where} The node is away; the job goes on when it is back.`;
}
