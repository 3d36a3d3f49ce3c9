/** How a Queen makes herself known in the network: as far as she can be dialled, and no further. */
import {
  type AnnouncerStats,
  DiscoveryAnnouncer,
  type Keyring,
  type QueenInfo,
  reachOf,
  signersOf,
} from '@hive/shared/node';

export interface DiscoveryChoice {
  /** UDP port at which newcomers ask, and to which she announces. */
  readonly port: number;
  /** Between two announcements. Default: 5 s. */
  readonly everyMillis?: number;
}
export interface Presence {
  readonly stats: AnnouncerStats;
  close(): Promise<void>;
}

/**
 * @param host where her TCP socket listens
 * @param keys with which she signs; null when she has none
 */
export async function startPresence(
  info: QueenInfo,
  host: string,
  keys: Keyring | null,
  choice: DiscoveryChoice,
): Promise<Presence> {
  const announcer = new DiscoveryAnnouncer(info, {
    ...choice,
    signers: signersOf(keys),
    reach: reachOf(host),
  });
  await announcer.start();
  return announcer;
}
