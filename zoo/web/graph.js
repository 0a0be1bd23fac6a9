/**
 * Runs streaming wav2wav graphs (.onnx) of `speechzoo export` with onnxruntime-web, which is loaded when the
 * first one is. ONNX Runtime's web API shows no metadata of a file, so they are read here.
 *
 * @module
 */

const KEY = "speechzoo"; // of the record in the metadata
const METADATA = 14; // field of a ModelProto
const FILES = ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"];

/** A graph: one session, and any number of streams through it. */
export class GraphDenoiser {
  /**
   * @param {ArrayBuffer} bytes the file.
   * @param {object} runtime onnxruntime-web, as `loadRuntime` gives it.
   * @param {object} [manifest] its record, by default the one in the file.
   * @returns {Promise<GraphDenoiser>}
   */
  static async load(bytes, runtime, manifest = readManifest(bytes)) {
    const info = describe(manifest);
    const session = await runtime.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
    return new GraphDenoiser(info, manifest, runtime, session);
  }

  #last = Promise.resolve(); // a session computes one call after the other

  constructor(info, manifest, runtime, session) {
    Object.assign(this, { info, manifest, runtime, session });
  }

  /** Begin a stream. @returns {GraphStream} */
  stream() {
    return new GraphStream(this);
  }

  /** Enhance a whole recording: see Denoiser.enhance. @returns {Promise<Float32Array>} */
  async enhance(samples, progress) {
    const { hop, latency } = this.info;
    const stream = this.stream();
    const result = new Float32Array(Math.ceil((samples.length + latency) / hop) * hop);
    for (let at = 0, n = 0; at < result.length; at += hop, n++) {
      const block = new Float32Array(hop);
      block.set(samples.subarray(at, at + hop));
      result.set(await stream.process(block), at);
      if (progress && n % 64 === 0) progress(at / result.length);
    }
    return result.slice(latency, latency + samples.length);
  }

  /** Compute when what was asked for before is done. */
  run(inputs) {
    const found = this.#last.then(() => this.session.run(inputs));
    this.#last = found.catch(() => {});
    return found;
  }
}

/** One stream through a graph. */
export class GraphStream {
  /** @param {GraphDenoiser} graph */
  constructor(graph) {
    this.graph = graph;
    this.reset();
  }

  /** Begin anew. */
  reset() {
    const { manifest, runtime } = this.graph;
    this.memory = {};
    for (const { name, shape } of manifest.states) {
      const sizes = shape.map((size) => (typeof size === "number" ? size : 1));
      const zeros = new Float32Array(sizes.reduce((a, b) => a * b, 1));
      this.memory[name] = new runtime.Tensor("float32", zeros, sizes);
    }
  }

  /**
   * Process a hop; the next one when this one is done.
   * @param {Float32Array} block `info.hop` samples.
   * @returns {Promise<Float32Array>} as many, `info.latency` late.
   */
  async process(block) {
    const { manifest, runtime } = this.graph;
    const signal = new runtime.Tensor("float32", block, [1, block.length]);
    const outputs = await this.graph.run({ ...this.memory, [manifest.inputs[0].name]: signal });
    for (const name of Object.keys(this.memory)) this.memory[name] = outputs[`${name}.next`];
    return outputs[manifest.outputs[0].name].data;
  }
}

/**
 * Load onnxruntime-web.
 * @param {{address: string, integrity: Object<string, string>}} source onnxruntime.json: the folder, and the
 *   hashes of its files, without which they are not run.
 */
export async function loadRuntime({ address, integrity }) {
  const load = async (name) => {
    try {
      const response = await fetch(new URL(name, new URL(address, import.meta.url)), { integrity: integrity[name] });
      if (response.ok) return await response.arrayBuffer();
      throw new Error(`${response.status} ${response.statusText}`);
    } catch (error) {
      throw new Error(
        `A graph is run by ONNX Runtime, and ${address}${name} cannot be had (${error.message}). Without a ` +
          "network: speechzoo demo --onnxruntime-web FOLDER, or make a module of the graph.",
      );
    }
  };
  const [program, binary] = await Promise.all(FILES.map(load));
  const url = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const runtime = await import(url);
  URL.revokeObjectURL(url);
  Object.assign(runtime.env.wasm, { wasmBinary: binary, numThreads: 1, proxy: false });
  return runtime;
}

/** What `Denoiser.info` tells, of a graph's record. Throws of a graph that the page has no use for. */
export function describe(manifest) {
  const { model, form, streaming, front_end, latency, hops, weights, task } = manifest;
  if ((task ?? "enhancement") !== "enhancement") throw new Error(`${model}: it is for ${task}, not for enhancement`);
  if (form !== "wav2wav" || !streaming || typeof hops !== "number") {
    throw new Error(`${model}: expected a streaming graph of a fixed number of hops; export it with --form wav2wav`);
  }
  const hop = hops * front_end.hop_length;
  return {
    model, form, weightsSha256: weights.sha256 ?? "", licence: weights.licence ?? "",
    sampleRate: front_end.sample_rate, hop, signal: hop, result: hop, latency,
  };
}

/** The record in a file's metadata. @param {ArrayBuffer} bytes of a ModelProto. */
export function readManifest(bytes) {
  const none = "it is no graph that speechzoo export made: it has no record. Export the model, or pull it";
  try {
    for (const [field, entry] of fields(new Uint8Array(bytes))) {
      if (field !== METADATA) continue;
      const [key, value] = [...fields(entry)].map(([, text]) => new TextDecoder().decode(text));
      if (key === KEY) return JSON.parse(value);
    }
  } catch {
    throw new Error(none);
  }
  throw new Error(none);
}

/** The fields of a protocol buffer: number and bytes of those that have a length. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= bytes.length || scale > 2 ** 63) throw new Error("it is damaged");
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error("it is damaged");
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    } else throw new Error("it is damaged");
  }
}
