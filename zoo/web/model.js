/** A model in a worker: a module (.wasm) or a graph (.onnx), which are told apart by their bytes. */
import { createEnhancerNode, createNode, Denoiser, latencyOf, QUANTUM } from "./denoiser.js";
import { describe, readManifest } from "./graph.js";

const MAGIC = 0x6d736100; // of WebAssembly
const MARGIN = 0.05; // seconds that a worker may take

export class Model {
  /** @param {ArrayBuffer} bytes the file. @returns {Promise<Model>} */
  static async open(bytes) {
    const isModule = bytes.byteLength > 4 && new DataView(bytes).getUint32(0, true) === MAGIC;
    const denoiser = isModule ? await Denoiser.load(bytes) : undefined;
    const model = new Model(denoiser?.info ?? describe(readManifest(bytes)), denoiser);
    try {
      await model.#call("load", denoiser ? { module: denoiser.module } : { graph: bytes, runtime: await runtime() });
    } catch (error) {
      model.close();
      throw error;
    }
    return model;
  }

  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #calls = 0;

  constructor(info, denoiser) {
    this.info = info;
    this.denoiser = denoiser; // of a module
    this.#worker.onmessage = ({ data: { id, share, error, result } }) => {
      if (share !== undefined) return this.onprogress?.(share);
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    this.#worker.onerror = ({ message }) => this.#fail(message ?? "the worker stopped");
  }

  /** @param {Float32Array} samples @returns {Promise<{enhanced: Float32Array, seconds: number}>} */
  enhance(samples) {
    return this.#call("enhance", { samples });
  }

  /** The real-time factor, on noise. @returns {Promise<number>} */
  time() {
    return this.#call("time");
  }

  /** What enhances in a context, `latency` samples late. @returns {Promise<AudioWorkletNode>} */
  async node(context) {
    if (this.denoiser) return createEnhancerNode(context, this.denoiser);
    const margin = QUANTUM * Math.ceil((MARGIN * this.info.sampleRate) / QUANTUM);
    const node = await createNode(context, "speechzoo-relay", this.info, { info: this.info, margin });
    const { port1, port2 } = new MessageChannel();
    await this.#call("live", { port: port1 }, [port1]);
    node.port.postMessage({ worker: port2 }, [port2]);
    node.latency = latencyOf(this.info, QUANTUM, margin);
    return node;
  }

  /** End it, and what it computes. */
  close() {
    this.#worker.terminate();
    this.#fail("another model was chosen");
  }

  #fail(message) {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }

  #call(action, given = {}, transfer = []) {
    const id = this.#calls++;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#worker.postMessage({ id, action, ...given }, transfer);
    return answer;
  }
}

/** Where onnxruntime-web is. */
export async function runtime() {
  return (await fetch(new URL("onnxruntime.json", import.meta.url))).json();
}
