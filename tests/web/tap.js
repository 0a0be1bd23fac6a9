/** Tells both channels of its input, as they came in at the same time. */
class Tap extends AudioWorkletProcessor {
  process([input], [output]) {
    if (input.length === 2) this.port.postMessage([input[0].slice(), input[1].slice()]);
    return true;
  }
}

registerProcessor("tap", Tap);
