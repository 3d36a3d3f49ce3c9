/** Where text for people and programs goes: a stream that is written to no faster than it is read. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
}

/** Errors of the stream are for whoever made it; a write that waits ends when the stream does. */
export function sinkOf(stream: NodeJS.WritableStream): Sink {
  return {
    async write(bytes) {
      if (bytes.length === 0 || stream.write(bytes)) return;
      await new Promise<void>((resolve) => {
        const done = () => {
          for (const event of ['drain', 'close']) stream.off(event, done);
          resolve();
        };
        for (const event of ['drain', 'close']) stream.on(event, done);
      });
    },
  };
}
