/**
 * The whole value of a reply, for `--verbose`: the scheduler holds no values, but the page that it has just recorded has
 * it. Decoded for people only; the Queen does nothing with it.
 */
import { wholeValue } from '@hive/shared/node';
import type { Effects, Notice, State } from './scheduler/index.ts';

/** The notice with the value that its step recorded; as it is when there is none: a failure, or a stream. */
export function withValue(
  notice: Notice,
  { append }: Pick<Effects, 'append'>,
  { jobs }: Pick<State, 'jobs'>,
): Notice {
  if (notice.type !== 'replyReceived') return notice;
  const { job, index } = notice;
  for (const record of append) {
    if (record.type !== 'resultsRecorded' || record.job !== job || record.page.first !== index) continue;
    const { page, failures, streams } = record;
    const encoding = jobs.get(job)?.spec.encoding;
    if (page.count !== 1 || failures.length > 0 || streams.length > 0 || encoding === undefined) break;
    return { ...notice, value: wholeValue(encoding, page.data) };
  }
  return notice;
}
