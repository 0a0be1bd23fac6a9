/** Computes with one model, so that the page does not wait: see model.js. */
import { Denoiser } from "./denoiser.js";
import { GraphDenoiser, loadRuntime } from "./graph.js";

const TIMED = 200; // milliseconds
const WARM = [300, 1000]; // hops and milliseconds at most, until a browser has compiled what it runs
let model;
let stop = () => {}; // what is heard live

const actions = {
  async load({ module, graph, runtime }) {
    model = module ? new Denoiser(module) : await GraphDenoiser.load(graph, await loadRuntime(runtime));
    const stream = model.stream();
    const begin = performance.now();
    for (let n = 0; n < WARM[0] && performance.now() - begin < WARM[1]; n++) {
      await stream.process(new Float32Array(model.info.signal));
    }
    stream.free?.();
  },

  async enhance({ samples }) {
    const begin = performance.now();
    const enhanced = await model.enhance(samples, (share) => postMessage({ share }));
    return { enhanced, seconds: (performance.now() - begin) / 1000 };
  },

  /** Processing time over the duration of the sound. */
  async time() {
    const { hop, sampleRate } = model.info;
    const stream = model.stream();
    const noise = new Float32Array(hop).map(() => 0.1 * (Math.random() - 0.5));
    await stream.process(noise.slice());
    const begin = performance.now();
    let count = 0;
    for (; performance.now() - begin < TIMED; count++) await stream.process(noise.slice());
    const seconds = (performance.now() - begin) / 1000;
    stream.free?.();
    return seconds / ((count * hop) / sampleRate);
  },

  /** Hops that a worklet sends, one after the other. */
  live({ port }) {
    let last = Promise.resolve();
    let on = true;
    stop();
    stop = () => (on = false);
    const stream = model.stream();
    port.onmessage = ({ data: { hop, block } }) => {
      last = last.then(async () => on && port.postMessage({ hop, block: Float32Array.from(await stream.process(block)) }));
    };
  },
};

onmessage = async ({ data: { id, action, ...given } }) => {
  try {
    const result = await actions[action](given);
    postMessage({ id, result }, result?.enhanced ? [result.enhanced.buffer] : []);
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
