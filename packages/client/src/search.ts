/**
 * Looking for a Queen everywhere: at the known addresses first; when those fail or are slow, where discovery hears of one;
 * when there is none either, where a scan finds somebody. The first Queen that answers is taken.
 */
import {
  type Access,
  discoveryPortOf,
  formatAddress,
  parseScan,
  QueenFinder,
  type SeekerStats,
  seekingOf,
} from '@hive/shared/node';
import { type Candidate, candidates, type Failed, NoQueenError, noQueen } from './addresses.ts';
import { findQueen, type OpenSession, type SessionHandlers, type WhoWeAre } from './greeting.ts';

export interface FinderOptions {
  readonly queen?: string | readonly string[] | undefined;
  readonly data?: string | undefined;
  readonly scan?: string | undefined;
  readonly discoveryPort?: number | undefined;
}

/** @throws UsageError when one of them makes no sense */
export function finderFor(
  { queen, data, scan, discoveryPort }: FinderOptions,
  access: () => Access,
): QueenFinder {
  const named = typeof queen === 'string' ? queen : queen?.join(',');
  return new QueenFinder({
    known: () => candidates({ queen, data }),
    isNamed: Boolean(named || process.env['HIVE_QUEEN']),
    discovery: seekingOf(access, discoveryPortOf(discoveryPort)),
    ...(scan === undefined ? {} : { scan: parseScan(scan) }),
  });
}

/** The known addresses have it to themselves for so long. */
const HEAD_START_MILLIS = 400;
/** For the first answer to a question. */
const ANSWER_MILLIS = 1_000;

/** @throws UsageError 'noQueen' within `timeoutMillis`, with what was tried and what came of it */
export async function search(
  finder: QueenFinder,
  who: WhoWeAre,
  handlers: SessionHandlers,
  timeoutMillis: number,
  signal: AbortSignal,
): Promise<OpenSession> {
  const race = new AbortController();
  const stop = AbortSignal.any([race.signal, signal]);
  const deadline = performance.now() + timeoutMillis;
  const restMillis = () => Math.max(1, Math.round(deadline - performance.now()));
  const failed: Failed[] = [];
  const others: string[] = [];
  const attempt = async (list: readonly Candidate[]) => {
    if (list.length === 0) throw noQueen([]);
    try {
      return await findQueen(list, who, handlers, restMillis(), stop);
    } catch (error) {
      if (error instanceof NoQueenError) failed.push(...error.failed);
      throw error;
    }
  };
  const places = finder.known();
  const known = attempt(places);
  const heard = headStart(known, stop).then(async () => {
    const found = await finder.discovered(Math.min(ANSWER_MILLIS, restMillis()), stop);
    if (finder.stats !== null) others.push(heardText(found, finder.stats));
    return attempt(without(places, found));
  });
  const scanned = afterFailure(heard, stop).then(async () =>
    attempt(without(places, await finder.scanned(stop))),
  );
  try {
    const session = await Promise.any([known, heard, scanned]);
    for (const other of [known, heard, scanned]) other.then((late) => dropUnless(late, session), ignore);
    finder.reached(session.welcome.queen);
    void finder.rest();
    return session;
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const [first] = error.errors as Error[];
    if (!(first instanceof NoQueenError)) throw first;
    for (const { candidate } of failed) finder.failed(candidate.address);
    throw noQueen(failed, others);
  } finally {
    race.abort();
  }
}

function heardText(places: readonly Candidate[], { asked, failure }: SeekerStats): string {
  if (places.length > 0) return `the network: ${places.length} heard of`;
  if (failure !== null) return `the network: cannot be asked (${failure}); "hive doctor" says more`;
  if (asked === 0)
    return 'the network: not asked, for want of a key; "hive key --role client" makes one where the Queen runs';
  return 'the network: no Queen of this cluster has answered; "hive doctor" says more';
}

/** A Queen who is greeted twice by the same client ends the older session, so no place is dialled twice. */
function without(places: readonly Candidate[], found: readonly Candidate[]): Candidate[] {
  const dialled = new Set(places.map(({ address }) => formatAddress(address)));
  return found.filter(({ address }) => !dialled.has(formatAddress(address)));
}

/** The same session may have been reached in two ways; only one is kept. */
function dropUnless(late: OpenSession, kept: OpenSession): void {
  if (late !== kept) late.connection.destroy();
}
const ignore = () => {};

/** Resolves when the attempt has failed or was slow. @throws when it is not needed any more */
async function headStart(attempt: Promise<unknown>, stop: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, HEAD_START_MILLIS);
    const go = () => {
      clearTimeout(timer);
      resolve();
    };
    attempt.then(go, go);
  });
  stop.throwIfAborted();
}

async function afterFailure(attempt: Promise<unknown>, stop: AbortSignal): Promise<void> {
  await attempt.catch(ignore);
  stop.throwIfAborted();
}
