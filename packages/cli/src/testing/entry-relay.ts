/**
 * For tests, where the kernel cannot delay packets: `PORT HOST:PORT MILLIS` listens, and passes on what it hears, both ways,
 * in order and so much later.
 */
import { connect, createServer, type Socket } from 'node:net';
import { parseAddress } from '@hive/shared/node';

const [port, target, millis] = process.argv.slice(2);
const { host, port: targetPort } = parseAddress(target!);

function pass(from: Socket, to: Socket): void {
  const later = (act: () => void) => setTimeout(act, Number(millis));
  from.on('data', (chunk) => later(() => to.destroyed || to.write(chunk)));
  from.on('close', () => later(() => to.destroy()));
  from.on('error', () => {});
}
createServer((near) => {
  const far = connect(targetPort, host);
  pass(near, far);
  pass(far, near);
}).listen(Number(port), '0.0.0.0', () => process.stdout.write('relaying\n'));
