/**
 * Serves a module to another program: `node node.js model.wasm`. First a line of JSON with the sizes and the
 * record. Then, for each call, the memory before it and the signal come in on standard input, and the result and
 * the memory after it go out on standard output, as 32-bit floats of this machine.
 */
import fs from "node:fs";
import { Denoiser } from "./denoiser.js";

const [, , path] = process.argv;

function read(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const count = fs.readSync(0, bytes, at, bytes.length - at);
    if (!count) process.exit(0); // the other program is done
    at += count;
  }
}

function write(bytes) {
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
}

const bytesOf = (floats) => new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);

let denoiser;
try {
  denoiser = await Denoiser.load(fs.readFileSync(path));
} catch (error) {
  write(Buffer.from(JSON.stringify({ error: error.message }) + "\n"));
  process.exit(1);
}
const { info, manifest } = denoiser;
write(Buffer.from(JSON.stringify({ info, manifest }) + "\n"));
const stream = denoiser.stream();
const memory = new Float32Array(info.memoryBytes / 4);
const signal = new Float32Array(info.signal);
for (;;) {
  read(bytesOf(memory));
  read(bytesOf(signal));
  stream.memory.set(memory);
  write(bytesOf(stream.process(signal)));
  write(bytesOf(stream.memory));
}
