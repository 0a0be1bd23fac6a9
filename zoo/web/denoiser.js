/**
 * Runs speech enhancers that `speechzoo build model.c -o model.wasm` made: in pages, worklets and Node.
 *
 *   const denoiser = await Denoiser.load("gtcrn.wasm");
 *   const clean = denoiser.enhance(noisy);                       // a recording
 *   denoiser.stream().process(hop);                              // hop by hop
 *   new Blocks(denoiser.stream(), 128).push(block, block);       // blocks of any size
 *   source.connect(await createEnhancerNode(context, denoiser)); // a microphone
 *
 * @module
 */

/** Samples that an AudioWorklet gets at a time, in all browsers. */
export const QUANTUM = 128;
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
   * @param {(share: number) => void} [progress] is told now and then which share is done.
   * @returns {Float32Array} as long as it, and aligned with it.
   */
  enhance(samples, progress) {
    const { hop, latency } = waveforms(this.info);
    const stream = this.stream();
    const result = new Float32Array(Math.ceil((samples.length + latency) / hop) * hop);
    const block = new Float32Array(hop);
    for (let at = 0, n = 0; at < result.length; at += hop, n++) {
      const given = samples.subarray(at, at + hop);
      block.set(given);
      block.fill(0, given.length);
      result.set(recovering(stream, block), at);
      if (progress && n % 256 === 0) progress(at / result.length);
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

/** Samples in blocks of any size through something that takes hops: as many come out as go in. */
export class Framer {
  /**
   * @param {object} info of the model.
   * @param {number} size of blocks, where all have the same; the delay is the shorter.
   * @param {number} margin samples that results may take.
   */
  constructor(info, size = 1, margin = 0) {
    const { hop } = waveforms(info);
    this.size = size;
    this.latency = latencyOf(info, size, margin); // samples, in all
    this.delay = this.latency - info.latency; // so that no block waits
    this.block = new Float32Array(hop);
    this.ready = new Float32Array(this.delay + 2 * hop + size); // a ring of results
    this.past = new Float32Array(this.latency + size); // a ring of the input
    this.share = this.target = 0;
    this.clear();
  }

  /** dB by which noise is made weaker at the most; Infinity, as at first: without a limit. */
  set attenuationLimit(limit) {
    this.target = shareOf(limit);
  }

  /** Forget what was heard. */
  clear() {
    this.filled = this.position = this.hops = 0;
    this.ready.fill(0);
    this.past.fill(0);
  }

  /**
   * @param {Float32Array} given any number of samples.
   * @param {Float32Array} result as many, `latency` late; may be the same array.
   */
  push(given, result) {
    for (let at = 0; at < given.length; at += this.size) {
      this.#step(given.subarray(at, at + this.size), result.subarray(at, at + this.size));
    }
  }

  /** Put a result where its input was, moved by the delay. @returns {boolean} whether it came in time. */
  place(enhanced, hop) {
    const { ready, position } = this;
    const at = hop * enhanced.length + this.delay;
    for (let n = Math.max(0, position - at); n < enhanced.length; n++) ready[(at + n) % ready.length] = enhanced[n];
    return at >= position;
  }

  #step(given, result) {
    const { block, past, ready, latency, position } = this;
    for (let n = 0; n < given.length; n++) {
      past[(position + n) % past.length] = given[n];
      block[this.filled++] = given[n];
      if (this.filled < block.length) continue;
      this.filled = 0;
      this.take(block, this.hops++);
    }
    const change = (this.target - this.share) / given.length; // in a block, without a click
    for (let n = 0; n < given.length; n++) {
      const at = position + n;
      const enhanced = ready[at % ready.length];
      ready[at % ready.length] = 0;
      this.share += change;
      const noisy = at < latency ? 0 : past[(at - latency) % past.length];
      result[n] = this.share ? enhanced + (noisy - enhanced) * this.share : enhanced;
    }
    this.share = this.target;
    this.position = position + given.length;
  }
}

/** Samples in blocks of any size through a stream: as many come out as go in, `latency` late in all. */
export class Blocks extends Framer {
  /**
   * @param {Stream} stream
   * @param {number} size of blocks, where all have the same; the delay is the shorter.
   */
  constructor(stream, size = 1) {
    super(stream.denoiser.info, size);
    this.stream = stream;
  }

  /** Begin anew. */
  reset() {
    this.stream.reset();
    this.clear();
  }

  take(block, hop) {
    this.place(recovering(this.stream, block), hop);
  }
}

/**
 * An AudioWorkletNode that enhances what is connected to it, `node.latency` samples late. It takes the messages
 * `{ attenuationLimit: dB }` and `{ bypass: boolean }`, both without a jump in time, and posts `{ samples }`.
 * @param {BaseAudioContext} context at the model's rate.
 * @param {Denoiser} denoiser
 * @returns {Promise<AudioWorkletNode>}
 */
export async function createEnhancerNode(context, denoiser) {
  const { info, module } = denoiser;
  const node = await createNode(context, "speechzoo-enhancer", info, { module });
  node.latency = latencyOf(info);
  return node;
}

/** A node of worklet.js of one channel. */
export async function createNode(context, name, info, processorOptions) {
  if (!context.audioWorklet) throw new Error("AudioWorklet is only there on a page from https or localhost.");
  if (context.sampleRate !== info.sampleRate) {
    throw new Error(`${info.model}: it needs an AudioContext at ${info.sampleRate} Hz, not ${context.sampleRate}`);
  }
  await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
  return new AudioWorkletNode(context, name, {
    channelCount: 1, channelCountMode: "explicit", outputChannelCount: [1], processorOptions,
  });
}

/**
 * The share of the input that is left where noise is made weaker by a limited amount:
 * `enhanced + (noisy - enhanced) * share`, both aligned.
 * @param {number} limit dB, from 0; Infinity: no limit.
 */
export function shareOf(limit) {
  if (!(limit >= 0)) throw new Error(`an attenuation limit is 0 dB or more, not ${limit}`);
  return 10 ** (-limit / 20);
}

/** By how many samples a model is late that gets blocks of a size: its own latency, and the wait for a hop. */
export function latencyOf(info, size = QUANTUM, margin = 0) {
  return info.latency + info.hop - divisor(info.hop, size) + margin;
}

/** A model's sizes, if it takes waveforms. */
function waveforms(info) {
  if (info.form !== "wav2wav") throw new Error(`${info.model}: it takes spectra; export it as wav2wav`);
  return info;
}

/** A hop through a stream, which begins anew where it met what is no number. */
function recovering(stream, block) {
  const enhanced = stream.process(block);
  let sum = 0;
  for (let n = 0; n < enhanced.length; n++) sum += enhanced[n];
  if (Number.isFinite(sum)) return enhanced;
  stream.reset();
  return enhanced.fill(0);
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}
