/** Where a Drone looks for its Queens: where it was told to, else everywhere, again before every attempt. */
import type { DroneEvent } from '@hive/drone';
import {
  type AccessOptions,
  type Address,
  accessOf,
  DEFAULT_PORT,
  defaultDataFolder,
  discoveryPortOf,
  distinct,
  formatAddress,
  LOOPBACK,
  type Place,
  parseAddress,
  parseScan,
  QueenFinder,
  readQueenAddress,
  seekingOf,
} from '@hive/shared/node';
import type { ClientArguments } from './options.ts';
import { traceAddress } from './trace.ts';

/** A newcomer who knows nobody waits so long for the first answer. */
const ANSWER_MILLIS = 1_000;
const FALLBACK: Address = { host: LOOPBACK, port: DEFAULT_PORT };

type SearchOptions = Pick<ClientArguments, 'queen' | 'scan' | 'discoveryPort'> & AccessOptions;

export class DroneSearch {
  readonly #finder: QueenFinder;
  /** Where a session stands, or stood until a moment ago. */
  readonly #reached = new Set<string>();

  /**
   * @param onQueen another Queen may be among the addresses now
   * @throws UsageError when a text is no address, no range, no port, no key, or the key is not a Drone's
   */
  constructor({ queen, data, scan, discoveryPort, ...access }: SearchOptions, onQueen: () => void) {
    traceAddress({ queen, data });
    const named = queen ?? process.env['HIVE_QUEEN'];
    const known = named ? namedPlaces(named) : () => leftPlaces(data ?? defaultDataFolder());
    this.#finder = new QueenFinder({
      known,
      isNamed: Boolean(named),
      onQueen,
      discovery: seekingOf(accessOf({ ...access, data }, 'drone'), discoveryPortOf(discoveryPort)),
      ...(scan === undefined ? {} : { scan: parseScan(scan) }),
    });
  }

  /** All that is known now; never empty. */
  async addresses(): Promise<Address[]> {
    const known = this.#finder.known();
    const heard = await this.#finder.discovered(known.length === 0 ? ANSWER_MILLIS : 0);
    const places = heard.length > 0 ? [...known, ...heard] : [...known, ...(await this.#finder.scanned())];
    return places.length === 0 ? [FALLBACK] : distinct(places).map(({ address }) => address);
  }

  /** What became of an address. */
  note(event: DroneEvent): void {
    if (event.type === 'connected') {
      this.#reached.add(formatAddress(event.address));
      this.#finder.reached(event.queen, event.address);
    }
    if (event.type !== 'disconnected') return;
    if (!this.#reached.delete(formatAddress(event.address))) this.#finder.failed(event.address);
  }

  close(): Promise<void> {
    return this.#finder.close();
  }
}

function namedPlaces(texts: string): () => Place[] {
  const places = texts.split(',').map((text) => ({ address: parseAddress(text), source: 'named' }));
  return () => places;
}
function leftPlaces(folder: string): Place[] {
  const address = readQueenAddress(folder);
  return address === null ? [] : [{ address, source: `left in ${folder}` }];
}
