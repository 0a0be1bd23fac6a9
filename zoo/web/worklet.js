/** The AudioWorkletProcessors of denoiser.js and of the page; each works on its first input's first channel. */
import { Blocks, Denoiser, Framer, QUANTUM } from "./denoiser.js";

const TOLD = 32; // blocks between two messages

/** What enhances, by blocks that a subclass makes. */
class Processor extends AudioWorkletProcessor {
  constructor(blocks) {
    super();
    this.blocks = blocks;
    this.silence = new Float32Array(QUANTUM);
    this.limit = Infinity;
    this.bypass = false;
    this.count = 0;
    this.port.onmessage = ({ data }) => this.set(data);
    this.port.postMessage({ latency: blocks.latency });
  }

  set(data) {
    this.limit = data.attenuationLimit ?? this.limit;
    this.bypass = data.bypass ?? this.bypass;
    this.blocks.attenuationLimit = this.bypass ? 0 : this.limit;
  }

  process([input], [output]) {
    this.blocks.push(input[0] ?? this.silence, output[0]); // no channel while nothing is connected
    if (++this.count % TOLD === 0) this.port.postMessage(this.told());
    return true;
  }

  told() {
    return { samples: this.count * QUANTUM };
  }
}

/** A module, in the thread of the sound. */
class Enhancer extends Processor {
  constructor({ processorOptions }) {
    super(new Blocks(new Denoiser(processorOptions.module).stream(), QUANTUM));
  }
}

/** Hops to a worker and back: results that come too late are counted, and the rest keeps its time. */
class Remote extends Framer {
  sent = 0;
  lost = 0;

  take(block, hop) {
    this.sent++;
    this.worker?.postMessage({ hop, block: block.slice() });
  }

  connect(worker) {
    this.clear();
    this.sent = this.lost = 0;
    this.worker = worker;
    worker.onmessage = ({ data }) => {
      if (!this.place(data.block, data.hop)) this.lost++;
    };
  }
}

/** A graph, in a worker: see graph.js. */
class Relay extends Processor {
  constructor({ processorOptions: { info, margin } }) {
    super(new Remote(info, QUANTUM, margin));
  }

  set(data) {
    if (data.worker) this.blocks.connect(data.worker);
    super.set(data);
  }

  told() {
    return { ...super.told(), hops: this.blocks.sent, lost: this.blocks.lost };
  }
}

/** What came in, as it is. */
class Recorder extends AudioWorkletProcessor {
  process([input]) {
    if (input[0]) this.port.postMessage(input[0].slice());
    return true;
  }
}

registerProcessor("speechzoo-enhancer", Enhancer);
registerProcessor("speechzoo-relay", Relay);
registerProcessor("speechzoo-recorder", Recorder);
