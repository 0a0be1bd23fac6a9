/** The microphone: through a model, and recorded. */
import { createNode } from "./denoiser.js";

const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** The microphone through a model to the loudspeaker. */
export class Live {
  /** @param {import("./model.js").Model} model @param {(told: object) => void} told hears of its progress. */
  static async start(model, told) {
    const live = await open(new Live(), model.info.sampleRate);
    try {
      live.node = await model.node(live.context);
      live.node.port.onmessage = ({ data }) => told(data);
      live.node.onprocessorerror = () => told({ stopped: true });
      live.before = new AnalyserNode(live.context, { fftSize: 1024, smoothingTimeConstant: 0 });
      live.after = new AnalyserNode(live.context, { fftSize: 1024, smoothingTimeConstant: 0 });
      live.source.connect(live.before);
      live.source.connect(live.node).connect(live.after).connect(live.context.destination);
    } catch (error) {
      live.stop();
      throw error;
    }
    return live;
  }

  /** Seconds that the browser says to take: of the microphone, where it tells, and of what is played. */
  get browserLatency() {
    const { baseLatency, outputLatency } = this.context;
    return baseLatency + (outputLatency || 0) + (this.input.getAudioTracks()[0].getSettings().latency || 0);
  }

  set(options) {
    this.node.port.postMessage(options);
  }

  stop() {
    this.input.getTracks().forEach((track) => track.stop());
    this.context.close();
  }
}

/** The microphone as it is, until `stop`, which gives what was recorded. */
export class Recording {
  #blocks = [];

  static async start() {
    const recording = await open(new Recording());
    try {
      const { context, source } = recording;
      const node = await createNode(context, "speechzoo-recorder", { sampleRate: context.sampleRate });
      node.port.onmessage = ({ data }) => recording.#blocks.push(data);
      source.connect(node).connect(context.destination); // which is silence, and lets it run
    } catch (error) {
      recording.stop();
      throw error;
    }
    return recording;
  }

  /** Seconds. */
  get duration() {
    return this.#blocks.reduce((sum, block) => sum + block.length, 0) / this.context.sampleRate;
  }

  /** @returns {{samples: Float32Array, sampleRate: number}} */
  stop() {
    this.input.getTracks().forEach((track) => track.stop());
    this.context.close();
    const samples = new Float32Array(this.#blocks.reduce((sum, block) => sum + block.length, 0));
    let at = 0;
    for (const block of this.#blocks) {
      samples.set(block, at);
      at += block.length;
    }
    return { samples, sampleRate: this.context.sampleRate };
  }
}

async function open(user, sampleRate) {
  if (!navigator.mediaDevices || !window.AudioWorkletNode) {
    throw new Error("The microphone needs a page from https or localhost, and AudioWorklet.");
  }
  user.input = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
  user.context = new AudioContext({ sampleRate, latencyHint: "interactive" });
  try {
    user.source = user.context.createMediaStreamSource(user.input);
  } catch (error) {
    user.stop();
    throw error;
  }
  return user;
}
