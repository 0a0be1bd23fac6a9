/** Spectrograms on canvases: of recordings, and of what is heard. */

const WINDOW = 0.032; // seconds
const RANGE = 80; // dB, from the loudest that is drawn
const LIVE = [-115, -35]; // dB of an AnalyserNode, darkest and brightest
const LABELS = "12px system-ui, sans-serif";

// perceptually uniform, from dark to bright (after matplotlib's magma, CC0)
const ANCHORS = [
  [0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97],
  [254, 194, 135], [252, 253, 191],
];
const COLOURS = Array.from({ length: 256 }, (_, n) => {
  const place = (n / 255) * (ANCHORS.length - 1);
  const low = Math.min(Math.floor(place), ANCHORS.length - 2);
  return ANCHORS[low].map((value, c) => value + (place - low) * (ANCHORS[low + 1][c] - value));
});

/** A recording's levels in dB, to be drawn. */
export class Spectrogram {
  /** @param {Float32Array} samples @param {number} sampleRate @param {number} columns how many are drawn. */
  constructor(samples, sampleRate, columns) {
    const size = 2 ** Math.round(Math.log2(WINDOW * sampleRate));
    const bins = size / 2;
    const real = new Float32Array(size);
    const imaginary = new Float32Array(size);
    const hann = real.map((_, n) => (2 / size) * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size)));
    Object.assign(this, { sampleRate, columns, bins, duration: samples.length / sampleRate });
    this.levels = new Float32Array(columns * bins);
    this.top = -Infinity;
    for (let x = 0; x < columns; x++) {
      const begin = Math.round(((x + 0.5) / columns) * samples.length - size / 2);
      for (let n = 0; n < size; n++) real[n] = hann[n] * (samples[begin + n] ?? 0);
      imaginary.fill(0);
      transform(real, imaginary);
      for (let bin = 0; bin < bins; bin++) {
        const level = 10 * Math.log10(real[bin] ** 2 + imaginary[bin] ** 2 + 1e-14);
        this.levels[x * bins + bin] = level;
        this.top = Math.max(this.top, level);
      }
    }
  }

  /** @param {HTMLCanvasElement} canvas @param {number} top dB that are brightest. */
  draw(canvas, top = this.top) {
    const { width, height } = fit(canvas);
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let x = 0; x < width; x++) {
      const column = this.bins * Math.floor((x / width) * this.columns);
      for (let y = 0; y < height; y++) {
        const bin = Math.min(this.bins - 1, Math.floor((1 - (y + 0.5) / height) * this.bins));
        paint(image.data, 4 * (y * width + x), 1 + (this.levels[column + bin] - top) / RANGE);
      }
    }
    context.putImageData(image, 0, 0);
    label(context, width, height, this.sampleRate, this.duration);
  }
}

/** What an AnalyserNode hears, from right to left, until `stop`. @returns {() => void} stop */
export function drawLive(canvas, analyser) {
  const context = canvas.getContext("2d");
  const { width, height } = fit(canvas);
  const levels = new Float32Array(analyser.frequencyBinCount);
  const step = Math.max(1, Math.round(devicePixelRatio));
  const column = context.createImageData(step, height);
  let request;
  const draw = () => {
    analyser.getFloatFrequencyData(levels);
    for (let y = 0; y < height; y++) {
      const level = levels[Math.floor((1 - (y + 0.5) / height) * levels.length)];
      for (let x = 0; x < step; x++) paint(column.data, 4 * (y * step + x), (level - LIVE[0]) / (LIVE[1] - LIVE[0]));
    }
    context.drawImage(canvas, -step, 0);
    context.putImageData(column, width - step, 0);
    request = requestAnimationFrame(draw);
  };
  context.fillStyle = `rgb(${ANCHORS[0]})`;
  context.fillRect(0, 0, width, height);
  draw();
  return () => cancelAnimationFrame(request);
}

/** Give a canvas the pixels that it takes on the screen. */
function fit(canvas) {
  const scale = Math.min(2, devicePixelRatio || 1);
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  return canvas;
}

function paint(data, at, share) {
  const [red, green, blue] = COLOURS[Math.max(0, Math.min(255, Math.round(255 * share) || 0))];
  data[at] = red;
  data[at + 1] = green;
  data[at + 2] = blue;
  data[at + 3] = 255;
}

function label(context, width, height, sampleRate, duration) {
  const scale = Math.min(2, devicePixelRatio || 1);
  context.save();
  context.scale(scale, scale);
  context.font = LABELS;
  context.fillStyle = "#fff";
  context.shadowColor = "#000";
  context.shadowBlur = 4;
  const [wide, high] = [width / scale, height / scale];
  for (const share of [0.25, 0.5, 0.75]) {
    context.textAlign = "left";
    context.fillText(`${(share * sampleRate) / 2000} kHz`, 6, (1 - share) * high + 4);
  }
  const step = [0.5, 1, 2, 5, 10, 30, 60, 300, 900].find((size) => duration / size <= 6) ?? 3600;
  context.textAlign = "center";
  for (let time = step; time < duration - step / 4; time += step) {
    context.fillText(`${time} s`, (time / duration) * wide, high - 6);
  }
  context.restore();
}

/** Discrete Fourier transform in place, of a length that is a power of two. */
function transform(real, imaginary) {
  const size = real.length;
  for (let n = 1, reversed = 0; n < size; n++) {
    let bit = size >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (n < reversed) {
      [real[n], real[reversed]] = [real[reversed], real[n]];
      [imaginary[n], imaginary[reversed]] = [imaginary[reversed], imaginary[n]];
    }
  }
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos((Math.PI * k) / half);
      const sine = -Math.sin((Math.PI * k) / half);
      for (let n = k; n < size; n += 2 * half) {
        const m = n + half;
        const x = real[m] * cosine - imaginary[m] * sine;
        const y = real[m] * sine + imaginary[m] * cosine;
        real[m] = real[n] - x;
        imaginary[m] = imaginary[n] - y;
        real[n] += x;
        imaginary[n] += y;
      }
    }
  }
}
