/** The story of a task for people: every attempt, where it ran, for how long, and how it ended. */
import type { Message, Plain } from '@hive/shared';
import type { StoryRef } from './scheduler/index.ts';
import type { Attempt, ResultPage, Store } from './store/store.ts';

/** The last ones of very many; they fit an answer whatever they say. */
const ATTEMPTS_TOLD = 100;

/** Adds the attempts, oldest first, to the body of an answer. `formatTime` turns the store's time into RFC 3339. */
export function tellStory(
  store: Store,
  answer: Message<'Answer'>,
  { job, index, seq }: StoryRef,
  formatTime: (at: number) => string,
): Message<'Answer'> {
  const all = store.readAttempts(job, index);
  const attempts = all.slice(-ATTEMPTS_TOLD).map((attempt) => entryOf(attempt, formatTime));
  const page = seq === null ? undefined : store.readResults(job, seq);
  if (page !== undefined) attempts.push(entryOf(lastAttempt(page, index), formatTime));
  return { ...answer, body: { ...(answer.body as object), attempts } };
}

type Told = Omit<Attempt, 'message' | 'drone'> & {
  readonly message: string | null;
  readonly drone: string | null;
};

/** The attempt whose outcome was recorded. */
function lastAttempt({ failures, drone, at, millis }: ResultPage, index: number): Told {
  const failure = failures.find((each) => each.index === index);
  const { outcome = 'succeeded', code = null, message = null } = failure ?? {};
  return { outcome, code, message, drone, at, millis };
}

function entryOf(
  { outcome, code, message, drone, at, millis }: Told,
  formatTime: (at: number) => string,
): Plain {
  return {
    outcome,
    ...(code === null ? {} : { code }),
    ...(message === null ? {} : { message }),
    ...(drone === null ? {} : { drone }),
    ...(millis === null ? {} : { startedAt: formatTime(at - millis), millis }),
    endedAt: formatTime(at),
  };
}
