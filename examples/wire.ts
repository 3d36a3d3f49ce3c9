// The wire itself, without a socket: what a Drone or a client in any language has to speak.
import { decode, encode, FrameDecoder } from '@hive/shared';

const frame = encode({ type: 'TaskRequest', slots: 2 });
console.log(Buffer.from(frame).toString('hex'));

const decoder = new FrameDecoder();
for (const body of decoder.push(frame)) console.log(decode(body));
