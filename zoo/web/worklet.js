/** An AudioWorkletProcessor that enhances its first input: see `microphone` in page.js. */
import { Blocks, Denoiser } from "./denoiser.js";

const QUANTUM = 128; // samples of a call, of all browsers

class Enhancer extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.blocks = new Blocks(new Denoiser(processorOptions.module).stream(), QUANTUM);
    this.silence = new Float32Array(QUANTUM);
    this.bypass = false;
    this.count = 0;
    this.port.onmessage = ({ data }) => {
      if ("bypass" in data) this.bypass = data.bypass;
    };
    this.port.postMessage({ latency: this.blocks.latency });
  }

  process([input], [output]) {
    const given = input[0] ?? this.silence; // no channel while nothing is connected
    this.blocks.push(given, output[0]);
    if (this.bypass) output[0].set(given);
    if (++this.count % 128 === 0) this.port.postMessage({ samples: this.count * QUANTUM });
    return true;
  }
}

registerProcessor("speechzoo-enhancer", Enhancer);
