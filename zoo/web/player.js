/** Plays a recording before and after at once, and lets one of them be heard: they change at the same instant. */

const FADE = 0.008; // seconds, of a change
const SOON = 0.02; // seconds, until it is heard

export class Player {
  loop = false;
  playing = false;
  after = true; // which one is heard
  share = 0; // of the noisy recording in what is heard after
  gains = { before: 1, after: 1 };
  #offset = 0; // seconds, where it stands
  #sources = [];

  /** @param {() => void} onend is told when the recording has ended. */
  constructor(onend) {
    this.onend = onend;
  }

  /** Take another recording. */
  load(noisy, enhanced, sampleRate) {
    this.pause();
    this.#offset = 0;
    this.signals = [noisy, enhanced];
    this.sampleRate = sampleRate;
    this.duration = noisy.length / sampleRate;
  }

  async play() {
    this.context ??= new AudioContext();
    await this.context.resume();
    this.#stop();
    if (this.#offset >= this.duration) this.#offset = 0;
    this.#sources = this.signals.map((samples) => {
      const buffer = this.context.createBuffer(1, samples.length, this.sampleRate);
      buffer.copyToChannel(samples, 0);
      const source = new AudioBufferSourceNode(this.context, { buffer, loop: this.loop });
      const gain = new GainNode(this.context, { gain: 0 });
      source.connect(gain).connect(this.context.destination);
      return { source, gain };
    });
    const { currentTime, sampleRate } = this.context;
    this.begun = Math.round((currentTime + SOON) * sampleRate) / sampleRate;
    for (const { source } of this.#sources) source.start(this.begun, this.#offset);
    this.#sources[0].source.onended = () => {
      this.pause();
      this.#offset = 0;
      this.onend();
    };
    this.playing = true;
    this.update();
  }

  pause() {
    this.#offset = this.time;
    this.#stop();
  }

  /** Seconds from the recording's begin. */
  get time() {
    if (!this.playing) return this.#offset;
    const time = Math.max(0, this.context.currentTime - this.begun) + this.#offset;
    return this.loop ? time % this.duration : Math.min(time, this.duration);
  }

  async seek(time) {
    const { playing } = this;
    this.#stop();
    this.#offset = Math.max(0, Math.min(time, this.duration));
    if (playing) await this.play();
  }

  async setLoop(loop) {
    const { time, playing } = this;
    this.#stop();
    this.#offset = time;
    this.loop = loop;
    if (playing) await this.play();
  }

  /** Let be heard what is set. */
  update() {
    const { after, share, gains } = this;
    const wanted = after ? [gains.after * share, gains.after * (1 - share)] : [gains.before, 0];
    this.#sources.forEach(({ gain }, n) => {
      const now = this.context.currentTime;
      gain.gain.cancelScheduledValues(now);
      gain.gain.setValueAtTime(gain.gain.value, now);
      gain.gain.linearRampToValueAtTime(wanted[n], now + FADE);
    });
  }

  #stop() {
    for (const { source } of this.#sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.#sources = [];
    this.playing = false;
  }
}
