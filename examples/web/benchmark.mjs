/**
 * Time a hop of a module beside onnxruntime-web on the same graph, in turns, in Node.js:
 *
 *   npm install onnxruntime-web            # in a folder of your own
 *   speechzoo pull gtcrn                   # the graph, or one from speechzoo export, in wav2wav
 *   node benchmark.mjs gtcrn.wasm gtcrn.onnx .../node_modules/onnxruntime-web
 */
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Denoiser } from "../../zoo/web/denoiser.js";

const [, , modulePath, graphPath, runtime] = process.argv;
const ROUNDS = 40;
const HOPS = 50; // of a round

const ort = await import(pathToFileURL(path.resolve(runtime, "dist/ort.wasm.min.mjs")));
ort.env.wasm.numThreads = 1;
const denoiser = await Denoiser.load(fs.readFileSync(modulePath));
const { hop, model } = denoiser.info;
const stream = denoiser.stream();
const session = await ort.InferenceSession.create(fs.readFileSync(graphPath), { executionProviders: ["wasm"] });
const [signal, ...states] = session.inputMetadata;
let memory = Object.fromEntries(
  states.map(({ name, shape }) => [name, new ort.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b, 1)), shape)]),
);

async function graph(block) {
  const outputs = await session.run({ ...memory, [signal.name]: new ort.Tensor("float32", block, [1, hop]) });
  memory = Object.fromEntries(states.map(({ name }) => [name, outputs[`${name}.next`]]));
}

/** Processor time of a hop in microseconds: what else runs on the machine does not count. */
async function time(call) {
  const begin = process.cpuUsage();
  for (let n = 0; n < HOPS; n++) await call(noise.subarray(n * hop, (n + 1) * hop));
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / HOPS;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const noise = new Float32Array(HOPS * hop).map(() => 0.2 * (Math.random() - 0.5));
const own = (block) => stream.process(block);
for (let n = 0; n < 5; n++) await time(own), await time(graph); // warms up
const found = [];
for (let n = 0; n < ROUNDS; n++) found.push([await time(own), await time(graph)]);
const [wasm, web, ratio] = [([a]) => a, ([, b]) => b, ([a, b]) => a / b].map((of) => median(found.map(of)));
console.log(`${model}: ${wasm.toFixed(1)} us, onnxruntime-web ${web.toFixed(1)} us, ratio ${ratio.toFixed(3)}`);
