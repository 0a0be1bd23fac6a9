/** Runs speech enhancers that `speechzoo build model.c -o model.wasm` made: in pages, worklets and Node. */

const ALIGNMENT = 64; // bytes, of a state
const PAGE = 65536;

/** A model: one instance of its module, and any number of streams through it. */
export class Denoiser {
  /**
   * Load a model.
   * @param {string | URL | BufferSource | WebAssembly.Module} source an address, the file's bytes, or a module.
   * @returns {Promise<Denoiser>}
   */
  static async load(source) {
    if (typeof source === "string" || source instanceof URL) {
      const response = await fetch(source);
      if (!response.ok) throw new Error(`${source}: ${response.status} ${response.statusText}`);
      source = await response.arrayBuffer();
    }
    return new Denoiser(source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source));
  }

  /** @param {WebAssembly.Module} module a compiled one, as worklets get it. */
  constructor(module) {
    const names = WebAssembly.Module.exports(module).map((entry) => entry.name);
    if (WebAssembly.Module.imports(module).length || !names.includes("speechzoo_process")) {
      throw new Error("this is no module that speechzoo build made");
    }
    this.module = module;
    this.exports = new WebAssembly.Instance(module).exports;
    this.end = this.exports.__heap_base.value; // of the memory that is in use
    this.info = this.#information();
  }

  /** The record of the model with its recording, as JSON; null of a module without. */
  get manifest() {
    const { memory, speechzoo_manifest } = this.exports;
    if (!speechzoo_manifest) return null;
    let text = "";
    const pieces = new Uint32Array(memory.buffer, speechzoo_manifest());
    for (let n = 0; pieces[n]; n++) text += this.#text(pieces[n]);
    return text;
  }

  /** Begin a stream. @returns {Stream} */
  stream() {
    return new Stream(this);
  }

  /**
   * Enhance a whole recording.
   * @param {Float32Array} samples in [-1, 1], mono, at `info.sampleRate`.
   * @returns {Float32Array} as long as it, and aligned with it.
   */
  enhance(samples) {
    const { form, hop, latency } = this.info;
    if (form !== "wav2wav") throw new Error(`${this.info.model}: it takes spectra; export it as wav2wav`);
    const stream = this.stream();
    const result = new Float32Array(Math.ceil((samples.length + latency) / hop) * hop);
    const block = new Float32Array(hop);
    for (let at = 0; at < result.length; at += hop) {
      const given = samples.subarray(at, at + hop);
      block.set(given);
      block.fill(0, given.length);
      result.set(stream.process(block), at);
    }
    stream.free();
    return result.slice(latency, latency + samples.length);
  }

  /** Memory for so many bytes, which may move all views of it. */
  allocate(bytes) {
    const begin = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT;
    this.end = begin + bytes;
    const { memory } = this.exports;
    const lacking = this.end - memory.buffer.byteLength;
    if (lacking > 0) memory.grow(Math.ceil(lacking / PAGE));
    return begin;
  }

  /** States that were given back. */
  unused = [];

  #information() {
    const { memory, speechzoo_info } = this.exports;
    const words = new Uint32Array(memory.buffer, speechzoo_info(), 12);
    const [model, form, weightsSha256, licence] = [...words.subarray(0, 4)].map((at) => this.#text(at));
    const [sampleRate, hop, signal, result, latency, stateBytes, memoryBytes, memoryOffset] = words.subarray(4);
    return {
      model, form, weightsSha256, licence, // of the weights
      sampleRate, hop: form === "wav2wav" ? signal : hop, signal, result, latency, // samples; of a call
      stateBytes, memoryBytes, memoryOffset,
    };
  }

  #text(at) {
    const bytes = new Uint8Array(this.exports.memory.buffer);
    let text = ""; // no TextDecoder in a worklet; the file is ASCII
    for (; bytes[at]; at++) text += String.fromCharCode(bytes[at]);
    return text;
  }
}

/** One stream through a model. */
export class Stream {
  /** @param {Denoiser} denoiser */
  constructor(denoiser) {
    const { info, unused } = denoiser;
    this.denoiser = denoiser;
    this.state = unused.pop() ?? denoiser.allocate(info.stateBytes + 4 * (info.signal + info.result));
    this.signal = this.state + info.stateBytes;
    this.result = this.signal + 4 * info.signal;
    this.#look();
    this.reset();
  }

  /** Begin anew. */
  reset() {
    this.denoiser.exports.speechzoo_init(this.state);
  }

  /**
   * Process a hop.
   * @param {Float32Array} block `info.signal` samples.
   * @returns {Float32Array} `info.result` samples, `info.latency` late: a view that the next call overwrites.
   */
  process(block) {
    const { exports, info } = this.denoiser;
    if (block.length !== info.signal) throw new Error(`expected ${info.signal} samples, not ${block.length}`);
    if (this.given.buffer !== exports.memory.buffer) this.#look(); // the memory grew
    this.given.set(block);
    exports.speechzoo_process(this.state, this.signal, this.result);
    return this.enhanced;
  }

  /** What one call leaves for the next: a view, which may be read and set. @returns {Float32Array} */
  get memory() {
    const { exports, info } = this.denoiser;
    return new Float32Array(exports.memory.buffer, this.state + info.memoryOffset, info.memoryBytes / 4);
  }

  /** Give its memory to the next stream. */
  free() {
    this.denoiser.unused.push(this.state);
    this.state = null;
  }

  #look() {
    const { exports, info } = this.denoiser;
    this.given = new Float32Array(exports.memory.buffer, this.signal, info.signal);
    this.enhanced = new Float32Array(exports.memory.buffer, this.result, info.result);
  }
}

/** Samples in blocks of any size through a stream: as many come out as go in, `latency` late in all. */
export class Blocks {
  /**
   * @param {Stream} stream
   * @param {number} size of blocks, where all have the same; the delay is the shorter.
   */
  constructor(stream, size = 1) {
    const { form, hop, latency } = stream.denoiser.info;
    if (form !== "wav2wav") throw new Error("the model takes spectra; export it as wav2wav");
    this.stream = stream;
    this.block = new Float32Array(hop);
    this.filled = 0;
    this.delay = hop - divisor(hop, size); // so that no block waits
    this.latency = latency + this.delay;
    this.ready = new Float32Array(2 * hop + size); // a ring
    this.reset();
  }

  /** Begin anew. */
  reset() {
    this.stream.reset();
    this.filled = this.read = 0;
    this.ready.fill(0);
    this.write = this.delay;
  }

  /**
   * @param {Float32Array} given any number of samples up to the size of a block.
   * @param {Float32Array} result as many; may be the same array.
   */
  push(given, result) {
    for (let n = 0; n < given.length; n++) {
      this.block[this.filled++] = given[n];
      if (this.filled < this.block.length) continue;
      const enhanced = this.stream.process(this.block);
      this.filled = 0;
      for (let i = 0; i < enhanced.length; i++) {
        this.ready[this.write] = enhanced[i];
        this.write = (this.write + 1) % this.ready.length;
      }
    }
    for (let n = 0; n < given.length; n++) {
      result[n] = this.ready[this.read];
      this.read = (this.read + 1) % this.ready.length;
    }
  }
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}
