/**
 * For tests: `queen NAME` (of the data folder's cluster) or `drone NAME` (of that of HIVE_KEY). Says what happens, one line
 * each; also what `hive queen` and `hive drone` keep to themselves: that others were heard.
 */
import { startDrone } from '@hive/drone';
import { startQueen } from '@hive/queen';
import { accessOf, DISCOVERY_PORT, defaultDataFolder, QueenFinder, seekingOf } from '@hive/shared/node';

const [role, name] = process.argv.slice(2);
const say = (text: string) => process.stdout.write(`${text}\n`);

if (role === 'queen') {
  const queen = await startQueen({
    host: '0.0.0.0',
    data: defaultDataFolder(),
    name: name!,
    discovery: { port: DISCOVERY_PORT, everyMillis: 500 },
    onEvent: (event) => {
      if (event.type === 'droneJoined') say(`joined by ${event.name}`);
    },
  });
  say('listening');
  setInterval(() => {
    if ((queen.discovery?.foreign ?? 0) > 0) say('asked by strangers');
  }, 200);
} else {
  const finder = new QueenFinder({
    known: () => [],
    isNamed: false,
    discovery: seekingOf(accessOf({}, 'drone'), DISCOVERY_PORT),
  });
  startDrone({
    slots: 1,
    name: name!,
    queens: async () => (await finder.discovered(1_000)).map(({ address }) => address),
    onEvent: (event) => {
      if (event.type === 'connected') say(`connected to ${event.name}`);
    },
  });
  setInterval(() => {
    if ((finder.stats?.foreign ?? 0) > 0) say('heard strangers');
  }, 200);
}
